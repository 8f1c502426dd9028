"""Errors that a user can cause: one line each, naming the thing, the value and what is allowed."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Tell the user what to change; the command line prints it as one line and exits with 2."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the closest allowed name, or '' where none is close."""
    close = difflib.get_close_matches(name, list(allowed), n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ''
