"""Config keys, declared by whoever reads them: default, kind, range, meaning.

A part of a run (algorithm, term, network, source, optimiser) declares its keys as a dict of
`Key`; a dataclass or a linen module declares each field by `field`, and `of` collects them. How
declarations nest, and what is done with them, is in `core.nodes`.
"""

import dataclasses
import math
import typing
from collections.abc import Callable, Iterable
from types import UnionType
from typing import Any

from gan_jax.core.allowed import KINDS

# Of an int where nothing less is declared: sizes and counters on a device are int32.
MOST = 2**31 - 1
# Of a seed: as many bits as jax makes a key of.
LAST_SEED = 2**32 - 1


@dataclasses.dataclass(frozen=True)
class Key:
    """Declare one key of a config.

    Attributes:
      default: its value where a config sets none; of None, None is allowed.
      kind: a name in KINDS.
      help: what it means, in one sentence.
      low, high, above, below: bounds of a number, low <= x <= high and above < x < below, and of
        both ends of a schedule; in any case it is finite in float32.
      choices: what a choice can be; a function where that is only known later.
      each: whether a tuple of one value per layer is allowed, too.
      learns: whether it changes what is learnt; a resumed run must have the same value.
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
        words = ('at least', 'more than', 'at most', 'less than')
        bounds = [f'{w} {b}' for w, b in zip(words, self._bounds(), strict=True) if b]
        if self.choices:
            one = f'one of {", ".join(self.options())}'
            said = f'{said}, each {one}' if self.kind == 'names' else one
            said += ', or an int' * self.kind.endswith('count')
        if bounds:
            said = f'{said}, {" and ".join(bounds)}'
        return f'{said}; or a tuple of one for each layer' if self.each else said

    def limits(self) -> str:
        """Return the bounds as an inequality, '' for none; that of every int is left out."""
        low, above, high, below = self._bounds()
        high = '' if self.high == MOST else high
        left = f'{low} <= ' if low else f'{above} < ' if above else ''
        right = f' <= {high}' if high else f' < {below}' if below else ''
        return f'{left}x{right}' if left or right else ''

    def _bounds(self) -> list[str]:
        """Return low, above, high and below as text, '' for those that bound nothing."""
        bounds = (self.low, self.above, self.high, self.below)
        return [
            '' if not math.isfinite(b) else str(b) if isinstance(b, int) else f'{b:g}'
            for b in bounds
        ]

    def options(self) -> tuple[str, ...]:
        """Return the names that a choice has."""
        return tuple(self.choices() if callable(self.choices) else self.choices)


def flag(default: bool, help: str, **more: Any) -> Key:
    """Declare a switch."""
    return Key(default, 'flag', help, **more)


def count(default: int | None, help: str, low: float = 1, high: float = MOST, **more: Any) -> Key:
    """Declare an int, at least 1 unless `low` says otherwise."""
    return Key(default, 'count', help, low=low, high=high, **more)


def seed(help: str, **more: Any) -> Key:
    """Declare a seed, an int of 32 bits."""
    return count(0, help, low=0, high=LAST_SEED, **more)


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


def moving_duration(default: str | int, help: str, **more: Any) -> Key:
    """Declare a duration that may follow a schedule."""
    return Key(default, 'moving duration', help, **more)


def period(default: str | int, help: str, **more: Any) -> Key:
    """Declare how often something happens; it changes nothing that is learnt."""
    return Key(default, 'period', help, **{'learns': False, **more})


def span(default: tuple[float, float], help: str, **more: Any) -> Key:
    """Declare a range of numbers (low, high)."""
    return Key(default, 'range', help, **more)


def counts(
    default: tuple[int, ...], help: str, low: float = 1, high: float = MOST, **more: Any
) -> Key:
    """Declare a tuple of ints, such as the widths of layers."""
    return Key(default, 'counts', help, low=low, high=high, **more)


def names(default: tuple[str, ...], help: str, **more: Any) -> Key:
    """Declare a tuple of names."""
    return Key(default, 'names', help, **more)


def field(key: Key) -> Any:
    """Return the dataclass field of a key, for a reader that is a dataclass or a linen module."""
    return dataclasses.field(default=key.default, metadata={'key': key})


def of(cls: Any, but: Iterable[str] = ()) -> dict[str, Key]:
    """Return the keys of a dataclass: its fields, but those named.

    A field that is not declared by `field` is that of a parent class with another default, or has
    the kind of its annotation and no help.
    """
    return {
        f.name: f.metadata.get('key') or _inherited(cls, f) or _annotated(cls, f)
        for f in dataclasses.fields(cls)
        if f.init and f.name not in but
    }


def _inherited(cls: Any, f: dataclasses.Field) -> Key | None:
    for parent in filter(dataclasses.is_dataclass, cls.__mro__[1:]):
        for declared in dataclasses.fields(parent):
            if declared.name == f.name and 'key' in declared.metadata:
                return dataclasses.replace(declared.metadata['key'], default=f.default)
    return None


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
    high = MOST if kind in ('count', 'counts') else math.inf
    return Key(default, kind, '', high=high, each=each)
