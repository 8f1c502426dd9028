"""Errors that a user can cause: one line each, naming the thing, the value and what is allowed."""

import contextlib
import difflib
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

T = TypeVar('T')


class UserError(Exception):
    """Tell the user what to change; the command line prints it as one line and exits with 2.

    more: further lines, of a list. Names of files may hold anything: what a terminal would take
    for a command or for the end of a line is escaped.
    """

    def __init__(self, message: str = '', *more: str):
        super().__init__(message, *more)

    def __str__(self) -> str:
        return '\n'.join(map(printable, self.args))


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """Print a UserError of what is done within as one line, and exit with 2."""
    try:
        yield
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(2)


def printable(text: object) -> str:
    """Return a text as one line, its control characters and undecodable bytes escaped."""
    return ''.join(c if c.isprintable() else c.encode('unicode_escape').decode() for c in str(text))


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the closest allowed name, or '' where none is close."""
    close = difflib.get_close_matches(name, list(allowed), n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ''


def unknown(what: str, name: str, allowed: Iterable[str], prefix: str = '') -> UserError:
    """Return the error that says: unknown WHAT 'NAME' (did you mean 'x'?); available: x, y.

    prefix: what all names are shown with, and not compared by.
    """
    allowed = list(allowed)
    there = ', '.join(prefix + one for one in allowed) or 'none'
    hint = nearest(name, allowed).replace("'", f"'{prefix}", 1)
    return UserError(f"unknown {what} '{prefix}{name}'{hint}; available: {there}")


def choose(table: Mapping[str, T], name: str, what: str) -> T:
    """Return table[name].

    Raises:
      UserError: there is none of that name; see `unknown`.
    """
    if name not in table:
        raise unknown(what, name, table)
    return table[name]
