"""Config keys, declared by whoever reads them: default, kind, range, meaning.

A part of a run (algorithm, term, network, source, optimiser) declares its keys as a dict of
`Key`, which may hold further dicts; a dataclass or a linen module declares each field by `field`,
and `of` collects them. Defaults, checks, the reference in docs/config.md and what may change on
resume all come from these declarations.
"""

import dataclasses
import math
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import UnionType
from typing import Any

from gan_jax.core.duration import Duration
from gan_jax.errors import UserError, unknown

Keys = Mapping[str, Any]  # of Key, or of Keys


@dataclasses.dataclass(frozen=True)
class Key:
    """Declare one key of a config.

    Attributes:
      default: its value where a config sets none; of None, None is allowed.
      kind: a name in KINDS.
      help: what it means, in one sentence.
      low, high, above, below: bounds of a number: low <= x <= high, above < x < below.
      choices: what a choice can be; a function where that is only known later.
      each: whether a tuple of one value per layer is allowed, too.
      learns: whether it changes what is learnt; a resumed run must have the same value.
      sweeps: whether the members of one program may differ in it.
    """

    default: Any
    kind: str
    help: str
    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    below: float = math.inf
    choices: tuple[str, ...] | Callable[[], Iterable[str]] = ()
    each: bool = False
    learns: bool = True
    sweeps: bool = False

    def allows(self, value: Any) -> bool:
        """Return whether a value has the key's type and lies in its range."""
        if value is None:
            return self.default is None
        if self.each and isinstance(value, tuple | list):
            return all(KINDS[self.kind][0](self, one) for one in value)
        return KINDS[self.kind][0](self, value)

    def allowed(self) -> str:
        """Return what a value must be, in words."""
        said = KINDS[self.kind][1]
        bounds = [
            f'{word} {bound:g}'
            for word, bound in (
                ('at least', self.low),
                ('more than', self.above),
                ('at most', self.high),
                ('less than', self.below),
            )
            if math.isfinite(bound)
        ]
        if self.choices:
            said = f'one of {", ".join(self.options())}'
        if bounds:
            said = f'{said}, {" and ".join(bounds)}'
        return f'{said}; or a tuple of one for each layer' if self.each else said

    def options(self) -> tuple[str, ...]:
        """Return the names that a choice has."""
        return tuple(self.choices() if callable(self.choices) else self.choices)


def _is_number(key: Key, x: Any) -> bool:
    if isinstance(x, bool) or not isinstance(x, int | float) or not math.isfinite(x):
        return False
    return key.low <= x <= key.high and key.above < x < key.below


def nested(x: Any) -> bool:
    """Return whether a value holds keys: a dict, or a ConfigDict, which is no Mapping."""
    return hasattr(x, 'items')


def _is_value(key: Key, x: Any) -> bool:
    if not nested(x):
        return _is_number(key, x)
    ends = all(_is_number(key, x[k]) for k in ('first', 'final') if k in x)
    times = all(_is_duration(key, x[k]) for k in ('start', 'stop') if k in x)
    return ends and times and set(x) <= {'first', 'final', 'start', 'stop', 'shape'}


def _is_duration(key: Key, x: Any) -> bool:
    del key
    try:
        Duration.parse(x)
    except UserError:
        return False
    return True


def _is_tuple_of(test: Callable[[Key, Any], bool]) -> Callable[[Key, Any], bool]:
    return lambda key, x: isinstance(x, tuple | list) and all(test(key, one) for one in x)


def _is_count(key: Key, x: Any) -> bool:
    return isinstance(x, int) and _is_number(key, x)


def _is_text(key: Key, x: Any) -> bool:
    return isinstance(x, str) and (not key.choices or x in key.options())


def _is_range(key: Key, x: Any) -> bool:
    return _is_tuple_of(_is_number)(key, x) and len(x) == 2 and x[0] <= x[1]


# Each kind: the test of a value, and what a value must be.
KINDS: dict[str, tuple[Callable[[Key, Any], bool], str]] = {
    'flag': (lambda key, x: isinstance(x, bool), 'True or False'),
    'count': (_is_count, 'an int'),
    'number': (_is_number, 'a number'),
    'value': (_is_value, 'a number, or a schedule {first, final, start, stop, shape}'),
    'probability': (_is_number, 'a probability'),
    'choice': (_is_text, 'a name'),
    'text': (_is_text, 'text'),
    'path': (_is_text, 'a path'),
    'duration': (_is_duration, "a duration such as '200kimg', '30ep' or '500st'"),
    'period': (_is_duration, "a period such as '200kimg', '30ep' or '500st', '0st' for never"),
    'range': (_is_range, 'a range (low, high)'),
    'counts': (_is_tuple_of(_is_count), 'a tuple of ints'),
    'numbers': (_is_tuple_of(_is_number), 'a tuple of numbers'),
    'names': (_is_tuple_of(_is_text), 'a tuple of names'),
    'any': (lambda key, x: True, 'what its reader takes'),
}


def flag(default: bool, help: str, **more: Any) -> Key:
    """Declare a switch."""
    return Key(default, 'flag', help, **more)


def count(default: int, help: str, low: float = 1, **more: Any) -> Key:
    """Declare an int, at least 1 unless `low` says otherwise."""
    return Key(default, 'count', help, low=low, **more)


def number(default: float | None, help: str, **more: Any) -> Key:
    """Declare a finite number."""
    return Key(default, 'number', help, **more)


def value(default: float, help: str, **more: Any) -> Key:
    """Declare a finite number that may follow a schedule."""
    return Key(default, 'value', help, **more)


def probability(default: float, help: str, **more: Any) -> Key:
    """Declare a number from 0 to 1."""
    return Key(default, 'probability', help, low=0, high=1, **more)


def choice(
    default: str, choices: tuple[str, ...] | Callable[[], Iterable[str]], help: str, **more: Any
) -> Key:
    """Declare one name of several."""
    return Key(default, 'choice', help, choices=choices, **more)


def text(default: str, help: str, **more: Any) -> Key:
    """Declare a string."""
    return Key(default, 'text', help, **more)


def path(default: str, help: str, **more: Any) -> Key:
    """Declare a file or folder."""
    return Key(default, 'path', help, **more)


def duration(default: str | int, help: str, **more: Any) -> Key:
    """Declare a duration, which a resolved config has in images."""
    return Key(default, 'duration', help, **more)


def period(default: str | int, help: str, **more: Any) -> Key:
    """Declare how often something happens; it changes nothing that is learnt."""
    return Key(default, 'period', help, **{'learns': False, **more})


def span(default: tuple[float, float], help: str, **more: Any) -> Key:
    """Declare a range of numbers (low, high)."""
    return Key(default, 'range', help, **more)


def counts(default: tuple[int, ...], help: str, low: float = 1, **more: Any) -> Key:
    """Declare a tuple of ints, such as the widths of layers."""
    return Key(default, 'counts', help, low=low, **more)


def names(default: tuple[str, ...], help: str, **more: Any) -> Key:
    """Declare a tuple of names."""
    return Key(default, 'names', help, **more)


def field(key: Key) -> Any:
    """Return the dataclass field of a key, for a reader that is a dataclass or a linen module."""
    return dataclasses.field(default=key.default, metadata={'key': key})


def of(cls: Any, but: Iterable[str] = ()) -> dict[str, Key]:
    """Return the keys of a dataclass: its fields, but those named.

    A field that is not declared by `field` has the kind of its annotation, and no help.
    """
    return {
        f.name: f.metadata.get('key') or _annotated(cls, f)
        for f in dataclasses.fields(cls)
        if f.init and f.name not in but
    }


def _annotated(cls: Any, f: dataclasses.Field) -> Key:
    annotation = typing.get_type_hints(cls)[f.name] if isinstance(f.type, str) else f.type
    inner = [a for a in typing.get_args(annotation) if a is not type(None)]
    one = inner[0] if isinstance(annotation, UnionType) else annotation
    each = len(inner) > 1 and typing.get_origin(inner[-1]) is tuple
    plain: dict[Any, str] = {bool: 'flag', int: 'count', float: 'number', str: 'text'}
    several: dict[Any, str] = {int: 'counts', float: 'numbers', str: 'names'}
    if typing.get_origin(one) is tuple:
        kind = several.get(typing.get_args(one)[0], 'any')
    else:
        kind = plain.get(one, 'any')
    default = () if f.default is dataclasses.MISSING else f.default
    return Key(default, kind, '', each=each)


def flat(keys: Keys, prefix: str = '') -> Iterator[tuple[str, Key]]:
    """Yield every (dotted name, Key)."""
    for name, key in keys.items():
        if isinstance(key, Key):
            yield prefix + name, key
        else:
            yield from flat(key, f'{prefix}{name}.')


def defaults(keys: Keys) -> dict[str, Any]:
    """Return the default of every key, nested as they are."""
    return {k: v.default if isinstance(v, Key) else defaults(v) for k, v in keys.items()}


def check(keys: Keys, config: Mapping[str, Any], prefix: str = '') -> None:
    """Refuse keys that are not declared, and values that a key does not allow.

    Raises:
      UserError: names the key, its value and what is allowed, or the nearest name.
    """
    for name, given in config.items():
        if name not in keys:
            raise unknown('key', prefix + name, [prefix + k for k in keys])
        key = keys[name]
        if not isinstance(key, Key):
            if not nested(given):
                raise UserError(f'{prefix}{name}={given!r} is not allowed: it holds keys')
            check(key, given, f'{prefix}{name}.')
        elif not key.allows(given):
            raise refusal(prefix + name, given, key)


def refusal(name: str, given: Any, key: Key) -> UserError:
    """Return the error that says what is allowed."""
    if key.choices and isinstance(given, str):
        return unknown(name, given, key.options())
    given = dict(given) if nested(given) else given
    return UserError(f'{name}={given!r} is not allowed: it must be {key.allowed()}')


def may_change(keys: Keys) -> frozenset[str]:
    """Return the dotted names of the keys in which a resumed run may differ."""
    return frozenset(name for name, key in flat(keys) if not key.learns)
