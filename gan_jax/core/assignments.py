"""Names and assignments that come as one text with commas, from a flag or a config."""

import ast
from collections.abc import Iterable
from typing import Any

from gan_jax.errors import UserError


def split(names: str | Iterable[str]) -> tuple[str, ...]:
    """Return names that may come as one text with commas."""
    parts = [names] if isinstance(names, str) else names
    return tuple(name for part in parts for name in part.split(',') if name)


def assignments(texts: str | Iterable[str], where: str) -> dict[str, Any]:
    """Return {'psi': 0.7} of ('psi=0.7',) in some place; values are Python's, or text.

    Raises:
      UserError: one of them is no assignment.
    """
    found = {}
    for text in split(texts):
        name, equals, value = text.partition('=')
        if not equals:
            raise UserError(f"{where}='{text}' is not allowed: write NAME=VALUE")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[name] = value
    return found
