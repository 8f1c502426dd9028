"""Look things up by the name that a config gives."""

from collections.abc import Mapping
from typing import TypeVar

from gan_jax.errors import UserError, nearest

T = TypeVar('T')


def pick(table: Mapping[str, T], name: str, what: str) -> T:
    """Return table[name]; where there is none, raise UserError saying what there is."""
    if name not in table:
        there = ', '.join(table)
        raise UserError(f"no {what} '{name}'{nearest(name, table)}; there are: {there}")
    return table[name]
