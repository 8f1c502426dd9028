"""Terms of a two-player game: one file per idea, found by name; see `protocol.Term`."""

from collections.abc import Mapping
from typing import Any

from gan_jax import discovery
from gan_jax.core import keys, nodes, values
from gan_jax.terms.protocol import Term

# Modules that hold no term.
SHARED = ('protocol', 'gradients', 'passes', 'classification', 'augmenting')


def names() -> list[str]:
    """Return the names of all terms."""
    return discovery.names(__name__, but=SHARED)


def find(name: str) -> type[Term]:
    """Return the class of a term.

    Raises:
      UserError: there is none of that name.
    """
    return discovery.find(__name__, name, 'term', but=SHARED).Term


def declared(name: str) -> dict[str, keys.Key]:
    """Return the keys of a term: the fields of its dataclass."""
    return keys.of(find(name))


def node(**named: Mapping[str, Any]) -> dict[str, Any]:
    """Return config.terms: the keys of the named terms with their defaults, so any can be set.

    Raises:
      UserError: there is no such term, or it has no such key.
    """
    config = {name: dict(given) for name, given in named.items()}
    everything = nodes.AnyOf(names, declared, 'Terms of the game.')
    nodes.check(everything, config, 'terms.')
    return nodes.fill(everything, config)


def build(config: Mapping[str, Any]) -> tuple[Term, ...]:
    """Build the terms of a resolved config.terms, in the order of their names.

    A config read back from a file has lost the order in which it was written.

    Raises:
      UserError: an unknown term or key, or a value that is not allowed.
    """
    return tuple(
        find(name)(**values.read(declared(name), config[name], f'terms.{name}.'))
        for name in sorted(config)
    )
