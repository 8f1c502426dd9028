"""The reference of all config keys, from their declarations: docs/config.md, and --help=KEY.

python -m gan_jax.reference > docs/config.md
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gan_jax.core.keys import Key
from gan_jax.core.nodes import AnyOf, Named

HEAD = """# Config keys

Written by `python -m gan_jax.reference > docs/config.md` from the declarations in the code; `python
launch.py --help=KEY` says the same of one key, `--help=optim` of those below one.

Set a key by `--config.KEY=VALUE`. A key that nothing reads is refused. 'resume': whether a run may
go on with another value. Where a name decides (`loss.name=hinge`), the keys below it belong to
that part alone. Kinds: a *duration* or *period* is '200kimg', '30ep' or '500st'; a *value* is a
number or a schedule; 'each' takes one value, or a tuple of one for each layer.
"""
TITLES = '| key | default | kind | resume | meaning |\n|---|---|---|---|---|'


def lines(keys: Mapping[str, Key], prefix: str) -> Iterator[str]:
    """Yield two lines of help for each key."""
    for name, key in keys.items():
        yield f'{prefix}{name}={key.default!r}: {key.allowed()}'
        yield f'    {key.help}' + resume(key)


def resume(key: Key) -> str:
    """Return a sentence on whether a resumed run may have another value."""
    return '' if key.learns else ' May change on resume.'


def sections(keys: Any, prefix: str = '', title: str = '') -> Iterator[tuple[str, list[str]]]:
    """Yield (title, rows of a table) of the keys at each level, for every part by name."""
    if isinstance(keys, Named | AnyOf):
        if isinstance(keys, Named):
            own = Key(keys.default, 'choice', keys.help, choices=keys.names)
            yield title, [row(prefix + keys.key, own)]
        yield from _parts(keys, prefix)
        return
    rows = [row(prefix + name, key) for name, key in keys.items() if isinstance(key, Key)]
    if rows:
        yield title, rows
    for name, key in keys.items():
        if not isinstance(key, Key):
            yield from sections(key, f'{prefix}{name}.', title)


def _parts(keys: Named | AnyOf, prefix: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the sections of every part that a name can stand for."""
    for name in filter(None, keys.names()):
        if isinstance(keys, Named):
            yield from sections(keys.of(name), prefix, f'{prefix}{keys.key}={name}')
        else:
            yield from sections(keys.of(name), f'{prefix}{name}.', f'{prefix}{name}')


def row(name: str, key: Key) -> str:
    """Return a row of a table."""
    kind = f'{key.kind}, each' if key.each else key.kind
    said = key.help if not key.choices else f'{key.help} One of {", ".join(key.options())}.'
    default = str(key.default).replace('|', '\\|') if key.default != '' else "''"
    return f'| `{name}` | `{default}` | {kind} | {"no" if key.learns else "yes"} | {said} |'
