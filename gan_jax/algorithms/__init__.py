"""Training procedures: one file each, found by name; `protocol` says what the loop asks of one.

A file declares the config keys that it reads as KEYS, and has `build(config, spec)`; it may have
`check(config)`, which refuses what is wrong between keys before data is opened.
"""

from types import ModuleType

from gan_jax import discovery

PACKAGE = 'gan_jax.algorithms'
# Modules that hold no algorithm.
SHARED = (
    'protocol',
    'generating',
    'health',
    'lazy',
    'members',
    'restoration',
    'sampling',
    'styles',
    'translation',
    'two_player',
)


def names() -> list[str]:
    """Return the names of all algorithms."""
    return discovery.names(PACKAGE, but=SHARED)


def find(name: str) -> ModuleType:
    """Return the module of an algorithm; raise UserError with those available."""
    return discovery.find(PACKAGE, name, 'algorithm', but=SHARED)
