"""What values a config key allows: a test for each kind of key, and what it asks for in words."""

from collections.abc import Callable
from typing import Any, Protocol

import jax
import numpy as np

from gan_jax.core.duration import Duration
from gan_jax.errors import UserError


class Bounds(Protocol):
    """Describe what a test reads of a key: the bounds of its numbers, and its choices."""

    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def above(self) -> float: ...
    @property
    def below(self) -> float: ...
    @property
    def choices(self) -> Any: ...

    def options(self) -> tuple[str, ...]: ...


LARGEST, SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)


def _is_number(key: Bounds, x: Any) -> bool:
    if isinstance(x, jax.core.Tracer):
        return True  # the number of one of several members: each was checked before
    if isinstance(x, bool) or not isinstance(x, int | float) or not abs(x) <= LARGEST:
        return False
    # What is computed with: 1e-50 is 0 there, and 0.999999999 is 1; XLA takes subnormals for 0.
    rounded = float(np.float32(x)) if abs(x) >= SMALLEST else 0.0
    return key.low <= x <= key.high and key.above < rounded < key.below


def nested(x: Any) -> bool:
    """Return whether a value holds keys: a dict, or a ConfigDict, which is no Mapping."""
    return hasattr(x, 'items')


def plain(x: Any) -> Any:
    """Return nested dicts of what may be ConfigDicts, and lists of what may be tuples."""
    if nested(x):
        return {k: plain(v) for k, v in x.items()}
    return [plain(v) for v in x] if isinstance(x, tuple | list) else x


# Keys of a number that changes.
SCHEDULE = {'first', 'final', 'start', 'stop', 'shape'}


def _is_value(key: Bounds, x: Any) -> bool:
    if not nested(x):
        return _is_number(key, x)
    ends = all(_is_number(key, x[k]) for k in ('first', 'final') if k in x)
    times = all(_is_duration(key, x[k]) for k in ('start', 'stop') if k in x)
    return ends and times and set(x) <= SCHEDULE


def _is_duration(key: Bounds, x: Any) -> bool:
    del key
    try:
        Duration.parse(x)
    except UserError:
        return False
    return True


def _is_moving_duration(key: Bounds, x: Any) -> bool:
    if not nested(x):
        return _is_duration(key, x)
    ends = {k: v for k, v in x.items() if k != 'shape'}
    return all(_is_duration(key, v) for v in ends.values()) and set(x) <= SCHEDULE


def _is_tuple_of(test: Callable[[Bounds, Any], bool]) -> Callable[[Bounds, Any], bool]:
    return lambda key, x: isinstance(x, tuple | list) and all(test(key, one) for one in x)


def _is_count(key: Bounds, x: Any) -> bool:
    return isinstance(x, int) and _is_number(key, x)


def _is_text(key: Bounds, x: Any) -> bool:
    return isinstance(x, str) and (not key.choices or x in key.options())


def _is_text_or_count(key: Bounds, x: Any) -> bool:
    return _is_text(key, x) or _is_count(key, x)


def _is_range(key: Bounds, x: Any) -> bool:
    return _is_tuple_of(_is_number)(key, x) and len(x) == 2 and x[0] <= x[1]


# Each kind: the test of a value, and what a value must be.
KINDS: dict[str, tuple[Callable[[Bounds, Any], bool], str]] = {
    'flag': (lambda key, x: isinstance(x, bool), 'True or False'),
    'count': (_is_count, 'an int'),
    'number': (_is_number, 'a number'),
    'value': (_is_value, 'a number, or a schedule {first, final, start, stop, shape}'),
    'probability': (_is_number, 'a probability'),
    'choice': (_is_text, 'a name'),
    'choice or count': (_is_text_or_count, 'a name or an int'),
    'text': (_is_text, 'text'),
    'path': (_is_text, 'a path'),
    'duration': (_is_duration, "a duration such as '200kimg', '30ep' or '500st', below 2^31"),
    'moving duration': (_is_moving_duration, 'a duration, or a schedule of durations'),
    'period': (
        _is_duration,
        "a period such as '200kimg', '30ep' or '500st', below 2^31, '0st' for never",
    ),
    'range': (_is_range, 'a range (low, high)'),
    'counts': (_is_tuple_of(_is_count), 'a tuple of ints'),
    'numbers': (_is_tuple_of(_is_number), 'a tuple of numbers'),
    'names': (_is_tuple_of(_is_text), 'a tuple of names'),
    'any': (lambda key, x: True, 'what its reader takes'),
}
