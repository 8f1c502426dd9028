"""Adversarial losses: one file each, found by name; see `protocol.Adversarial`."""

import inspect
from types import ModuleType

from gan_jax import discovery
from gan_jax.core.keys import Key
from gan_jax.core.losses.protocol import Adversarial
from gan_jax.errors import unknown


def names() -> list[str]:
    """Return the names of all losses."""
    return discovery.names(__name__, but=('protocol',))


def find(name: str) -> ModuleType:
    """Return the module of a loss; raise UserError with those available."""
    return discovery.find(__name__, name, 'loss', but=('protocol',))


def options(name: str) -> dict[str, Key]:
    """Return the keys of a loss, which its file declares as KEYS: the arguments of its `make`."""
    return getattr(find(name), 'KEYS', {})


def make(name: str, **given: object) -> Adversarial:
    """Make the loss of a name; its options are the arguments of its `make`.

    Raises:
      UserError: there is no such loss, or it has no such option.
    """
    maker = find(name).make
    known = list(inspect.signature(maker).parameters)
    for option in given:
        if option not in known:
            raise unknown(f"option of the loss '{name}'", option, known)
    return maker(**given)
