"""Terms of a two-player game: one file per idea, found by name; see `protocol.Term`."""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from gan_jax.core import keys, values
from gan_jax.errors import unknown
from gan_jax.terms.protocol import Term

# Modules that hold no term.
SHARED = ('protocol', 'gradients', 'passes')


def names() -> list[str]:
    """Return the names of all terms."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in SHARED)


def find(name: str) -> type[Term]:
    """Return the class of a term.

    Raises:
      UserError: there is none of that name.
    """
    if name not in names():
        raise unknown('term', name, names())
    return importlib.import_module(f'gan_jax.terms.{name}').Term


def node(**named: Mapping[str, Any]) -> dict[str, Any]:
    """Return config.terms: the keys of the named terms with their defaults, so any can be set.

    Raises:
      UserError: there is no such term, or it has no such key.
    """
    made = {}
    for name, given in named.items():
        declared = keys.of(find(name))
        keys.check(declared, given, f'terms.{name}.')
        made[name] = keys.defaults(declared) | dict(given)
    return made


def build(config: Mapping[str, Any]) -> tuple[Term, ...]:
    """Build the terms of a resolved config.terms, in the order of their names.

    A config read back from a file has lost the order in which it was written.

    Raises:
      UserError: an unknown term or key, or a value that is not allowed.
    """
    return tuple(
        find(name)(**values.fields(find(name), config[name], f'terms.{name}'))
        for name in sorted(config)
    )
