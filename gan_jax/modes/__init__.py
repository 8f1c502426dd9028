"""What --mode names: one file each, found by name.

A file declares the flags that it reads as FLAGS, a dict of `core.keys.Key`; says by OF_A_RUN
whether it takes the config of the run in the workdir instead of the command line's; and has
`run(config, workdir, flags)`, which raises UserError for what the user can mend.
"""

from types import ModuleType

from gan_jax import discovery


def names() -> list[str]:
    """Return the names of all modes."""
    return discovery.names(__name__)


def find(name: str) -> ModuleType:
    """Return the module of a mode; raise UserError with those available."""
    return discovery.find(__name__, name, 'mode')
