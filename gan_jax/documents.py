"""JSON that is read: every document goes through here, bounded, strict, and held against a form.

A form says what a document must be: a type (`object` for anything, `float` for any number), [form]
for a list, {'name': form, ...} for an object with at least these names, {str: form} for an object
of any names, and a tuple of forms for one of them; None among them stands for null, and lets a
name be absent. Numbers are finite, and no name is given twice.
"""

import collections
import contextlib
import json
import logging
import math
from collections.abc import Mapping
from typing import Any

from gan_jax import files
from gan_jax.errors import UserError

log = logging.getLogger('gan_jax')

# Far more than any document that a run or a data set has.
MOST_BYTES = 2**28
# Of lines a run writes one a log step.
MOST_BYTES_OF_LINES = 2**31
DEPTH = 64
# Sums of squares over a large set have 25.
DIGITS = 40
WORDS: dict[Any, str] = {
    None: 'null', bool: 'true or false', int: 'an int', float: 'a number', str: 'text',
    dict: 'an object', list: 'a list',
}  # fmt: skip


def read(path: files.Path, form: Any = object, most: int = MOST_BYTES) -> Any:
    """Return what a JSON file holds, of at most `most` bytes.

    Raises:
      UserError: it cannot be read, or is not as the form says; names the file, the place in it,
        and what is expected there.
      FileNotFoundError: there is no such file.
    """
    return parse(files.read_bytes(path, most), str(path), form)


def read_or_none(path: files.Path, form: Any = object) -> Any:
    """Return what a JSON file holds, or None where it is absent; one that is damaged is named."""
    try:
        return read(path, form)
    except FileNotFoundError:
        return None
    except UserError as error:
        log.warning('%s; going on without it', error)
        return None


def read_lines(path: files.Path, form: Any = object) -> list[Any]:
    """Return what the lines of a file hold; those that are not as the form says are left out.

    A warning counts them, but for a last line without an end, which a kill leaves behind.

    Raises:
      UserError: the file cannot be read.
      FileNotFoundError: there is none.
    """
    *lines, unfinished = files.read_bytes(path, MOST_BYTES_OF_LINES).split(b'\n')
    found = []
    for line in [*lines, unfinished]:
        with contextlib.suppress(UserError):
            found.append(parse(line, str(path), form))
    if len(found) < len(lines):
        bad = len(lines) - len(found)
        log.warning('%s: %d of %d lines cannot be read and are left out', path, bad, len(lines))
    return found


def parse(text: bytes, name: str, form: Any = object) -> Any:
    """Return what JSON holds; `name` says in errors where it is from.

    Raises:
      UserError: it is no JSON, or not as the form says.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_int,
            parse_float=_float,
            parse_constant=_float,
        )
        if _depth(value) > DEPTH:
            raise RecursionError
        wrong = mismatch(value, form)
    except RecursionError:
        wrong = f'it is nested more than {DEPTH} deep'
    except ValueError as error:
        wrong = str(error) if text.strip() else 'it is empty'
    if wrong:
        raise UserError(f'{name} cannot be read: {wrong}')
    return value


def mismatch(value: Any, form: Any, at: str = '') -> str:
    """Return where and how a value is not as a form says, '' where it is."""
    if isinstance(form, tuple):
        found = [mismatch(value, one, at) for one in form]
        return found[0] if all(found) else ''
    kind = type(form) if isinstance(form, dict | list) else form
    if not _is(value, kind):
        return f'{at or "it"} is {_short(value)}, and should be {WORDS[kind]}'
    if isinstance(form, list):
        parts = ((f'{at}[{i}]', one, form[0]) for i, one in enumerate(value))
    elif isinstance(form, dict):
        parts = ((f'{at}.{k}'.lstrip('.'), *pair) for k, *pair in _named(value, form))
    else:
        return ''
    return next(filter(None, (mismatch(one, of, where) for where, one, of in parts)), '')


def _named(value: Mapping[str, Any], form: Mapping[Any, Any]) -> list[tuple[str, Any, Any]]:
    """Return (name, value, form) of what an object holds and its form speaks of."""
    if str in form:
        return [(_short(name), one, form[str]) for name, one in value.items()]
    return [(name, value.get(name), of) for name, of in form.items()]


def _is(value: Any, kind: Any) -> bool:
    """Return whether a value is of a type of JSON; ints are numbers, and true is none."""
    if kind is object:
        return True
    if kind is None or value is None:
        return kind is value
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, int | float if kind is float else kind)


def _short(value: Any) -> str:
    """Return what a value is, in a few words."""
    if value is None:
        return 'null or absent'
    text = repr(value) if not isinstance(value, dict | list) else WORDS[type(value)]
    return text if len(text) <= 40 else f'{text[:36]} ...'


def _depth(value: Any) -> int:
    """Return how deep lists and objects lie in each other, without recursion."""
    depth, inside = 0, [value]
    while inside := [x for x in inside if isinstance(x, dict | list)]:
        depth += 1
        inside = [y for x in inside for y in (x.values() if isinstance(x, dict) else x)]
    return depth


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = collections.Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f'{_short(twice)} is given twice')
    return found


def _int(text: str) -> int:
    if len(text) > DIGITS:
        raise ValueError(f'{text[:DIGITS]}... has more than {DIGITS} digits')
    return int(text)


def _float(text: str) -> float:
    """Return a number; NaN and Infinity, which JSON does not have, come here too."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f'{text[:DIGITS]} is not finite')
    return number
