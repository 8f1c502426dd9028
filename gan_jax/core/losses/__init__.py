"""Adversarial losses: one file each, found by name; see `protocol.Adversarial`."""

import importlib
import inspect
import pkgutil

from gan_jax.core.losses.protocol import Adversarial
from gan_jax.errors import unknown


def names() -> list[str]:
    """Return the names of all losses."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != 'protocol')


def make(name: str, **options: object) -> Adversarial:
    """Make the loss of a name; its options are the arguments of its `make`.

    Raises:
      UserError: there is no such loss, or it has no such option.
    """
    if name not in names():
        raise unknown('loss', name, names())
    maker = importlib.import_module(f'gan_jax.core.losses.{name}').make
    known = list(inspect.signature(maker).parameters)
    for option in options:
        if option not in known:
            raise unknown(f"option of the loss '{name}'", option, known)
    return maker(**options)
