"""What a whole config may hold: keys, nested, some of them given by the parts that it names.

A declaration (`Keys`) is a mapping of names to a `Key` or to further declarations; `Named` stands
for the keys of one part of several, `AnyOf` for any number of parts by their names. Defaults,
checks, the reference in docs/config.md and what may change on resume come from walking it beside
a config.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from gan_jax.core.allowed import nested, plain
from gan_jax.core.keys import Key, choice
from gan_jax.errors import UserError, unknown

EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Named:
    """Declare keys that depend on the name of a part, which the config holds under `key`.

    Attributes:
      default: the name where a config has none.
      names: returns the names that there are.
      of: returns the declaration of a name's own keys.
      help: what the part is.
    """

    default: str
    names: Callable[[], Iterable[str]]
    of: Callable[[str], Any]
    help: str
    key: str = 'name'


@dataclass(frozen=True)
class AnyOf:
    """Declare parts of which a config may name any number, each under its own name."""

    names: Callable[[], Iterable[str]]
    of: Callable[[str], Any]
    help: str


Keys = Mapping[str, Any] | Named | AnyOf


def level(keys: Keys, config: Any, prefix: str = '') -> dict[str, Any]:
    """Return what is declared at one level, for the names that the config has there.

    Raises:
      UserError: there is no part of a name, or a value where keys should be.
    """
    if not nested(config):
        raise UserError(f'{prefix.removesuffix(".")}={config!r} is not allowed: it holds keys')
    if isinstance(keys, AnyOf):
        known = list(keys.names())
        return {name: keys.of(name) for name in config if name in known}
    if isinstance(keys, Named):
        name, known = config.get(keys.key, keys.default), list(keys.names())
        if name not in known:
            raise unknown(prefix + keys.key, str(name), filter(None, known))
        own = choice(keys.default, keys.names, keys.help)
        return {keys.key: own, **keys.of(name)}
    return dict(keys)


def flat(keys: Keys, config: Any = EMPTY, prefix: str = '') -> Iterator[tuple[str, Key]]:
    """Yield (dotted name, Key) of all that a config may hold."""
    for name, key in level(keys, config, prefix).items():
        if isinstance(key, Key):
            yield prefix + name, key
        else:
            yield from flat(key, config.get(name, {}), f'{prefix}{name}.')


def may_change(keys: Keys, config: Any) -> frozenset[str]:
    """Return the dotted names of the keys in which a resumed run may differ."""
    return frozenset(name for name, key in flat(keys, config) if not key.learns)


def reach(keys: Keys, config: Any, dotted: str) -> Any:
    """Return what is declared under a dotted name, None where nothing is.

    Parts of an `AnyOf` on the way, which the config did not name, are added to it.
    """
    first, _, rest = dotted.partition('.')
    if isinstance(keys, AnyOf) and first not in config and first in keys.names():
        config[first] = fill(keys.of(first), {})
    found = level(keys, config).get(first)
    if not rest or found is None:
        return found
    return None if isinstance(found, Key) else reach(found, config[first], rest)


def fill(keys: Keys, config: Any, prefix: str = '') -> Any:
    """Give a dict or ConfigDict the default of every key that it lacks; return it."""
    for name, key in level(keys, config, prefix).items():
        if isinstance(key, Key):
            if name not in config:
                config[name] = key.default
        else:
            if name not in config:
                config[name] = {}
            fill(key, config[name], f'{prefix}{name}.')
    return config


def defaults(keys: Keys) -> dict[str, Any]:
    """Return the default of every key, nested as they are."""
    return fill(keys, {})


Owners = tuple[tuple[Named, tuple[str, ...]], ...]


def prune(
    keys: Keys,
    config: Any,
    drop: Callable[[Owners, str, Any], bool],
    owners: Owners = (),
    prefix: str = '',
) -> None:
    """Take undeclared keys out of a dict or ConfigDict where drop(owners, name, value) is true.

    owners: the `Named` above this level, each with the path from it to here.
    """
    if isinstance(keys, Named):
        owners = (*owners, (keys, ()))
    declared = level(keys, config, prefix)
    for name in list(config):
        if name not in declared:
            if drop(owners, name, config[name]):
                del config[name]
        elif not isinstance(declared[name], Key):
            if not nested(config[name]):
                raise UserError(f'{prefix}{name}={config[name]!r} is not allowed: it holds keys')
            inner = tuple((named, (*path, name)) for named, path in owners)
            prune(declared[name], config[name], drop, inner, f'{prefix}{name}.')


def left_over(owners: Owners, name: str, value: Any) -> bool:
    """Return whether a key is another part's default, from before the config named this part."""
    for named, path in owners:
        for other in named.names():
            found: Any = named.of(other)
            for step in (*path, name):
                inside = not isinstance(found, Key) and found is not None
                found = level(found, {}).get(step) if inside else None
            if found is not None and _is_default(found, value):
                return True
    return False


def _is_default(key: Any, value: Any) -> bool:
    if isinstance(key, Key):
        return bool(plain(value) == plain(key.default))
    return nested(value) and plain(value) == plain(fill(key, {}))


def rename(keys: Keys, config: Any, dotted: str, name: str, prefix: str = '') -> None:
    """Set the name of a part; keys that the new part does not have go, its defaults come.

    Raises:
      UserError: there is no part of that name.
    """
    first, _, rest = dotted.partition('.')
    if rest:
        rename(level(keys, config, prefix)[first], config[first], rest, name, f'{prefix}{first}.')
        return
    before = level(keys, config, prefix)
    config[first] = name
    for key, declared in level(keys, config, prefix).items():
        # The model of another algorithm, say, does not have the parts that this one needs.
        old = before.get(key)
        if (
            isinstance(declared, Named)
            and isinstance(old, Named)
            and old.default != declared.default
        ):
            del config[key]
    prune(keys, config, lambda *_: True, (), prefix)
    fill(keys, config, prefix)


def check(keys: Keys, config: Any, prefix: str = '') -> None:
    """Refuse keys that are not declared, and values that a key does not allow.

    Raises:
      UserError: names the key, its value and what is allowed, or the nearest name.
    """
    declared = level(keys, config, prefix)
    for name in config:
        if name not in declared:
            raise unknown_key(keys, config, name, prefix)
        key, given = declared[name], config[name]
        if isinstance(key, Key):
            if not key.allows(given):
                raise refusal(prefix + name, given, key)
        else:
            check(key, given, f'{prefix}{name}.')


def unknown_key(keys: Keys, config: Any, dotted: str, prefix: str = '') -> UserError:
    """Return the error that names what is declared in the place of a key that is not."""
    name, _, rest = dotted.partition('.')
    declared = level(keys, config, prefix)
    if rest and name in declared:
        found = declared[name]
        if isinstance(found, Key):
            allowed = f'{prefix}{name} holds no such key: it must be {found.allowed()}'
            return UserError(f"unknown key '{prefix}{dotted}': {allowed}")
        return unknown_key(found, config.get(name, {}), rest, f'{prefix}{name}.')
    there = list(keys.names()) if isinstance(keys, AnyOf) else list(declared)
    if isinstance(keys, Named):
        # A part that is '' by default can be any class there is: too many to list.
        others = keys.names() if keys.default else ()
        readers = [other for other in others if name in keys.of(other)]
        if readers:
            return UserError(
                f"key '{prefix}{name}' is not read with {prefix}{keys.key}="
                f"'{config.get(keys.key, keys.default)}', but with {', '.join(readers)}; "
                f'available: {", ".join(prefix + one for one in there)}'
            )
    return unknown('key', name, there, prefix)


def refusal(name: str, given: Any, key: Key) -> UserError:
    """Return the error that says what is allowed."""
    if key.choices and isinstance(given, str):
        return unknown(name, given, key.options())
    return UserError(f'{name}={_shown(given)} is not allowed: it must be {key.allowed()}')


def _shown(given: Any) -> str:
    """Return a value as Python writes it, cut where it is long."""
    try:
        text = repr(plain(given) if nested(given) else given)
    except ValueError:  # Python writes no int of more than 4,300 digits
        return 'a number of thousands of digits'
    return text if len(text) <= 200 else f'{text[:200]}...'
