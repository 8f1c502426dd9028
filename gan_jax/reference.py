"""The reference of all config keys, from their declarations: docs/config.md, and --help=KEY.

python -m gan_jax.reference > docs/config.md
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gan_jax import algorithms, models
from gan_jax import config as configs
from gan_jax.core import keys
from gan_jax.core.keys import Key
from gan_jax.core.nodes import AnyOf, Named
from gan_jax.metrics import options

HEAD = """# Config keys

Written by `python -m gan_jax.reference > docs/config.md` from the declarations in the code; `python
launch.py --help=KEY` says the same of one key, `--help=optim` of those below one.

Set a key by `--config.KEY=VALUE`. A key that nothing reads is refused. 'resume': whether a run may
go on with another value. Where a name decides (`loss.name=hinge`), the keys below it belong to
that part alone. Kinds: a *duration* or *period* is '200kimg', '30ep' or '500st'; a *value* is a
number or a schedule; 'each' takes one value, or a tuple of one for each layer.

'range': what a number x may be, and both ends of its schedule. In any case numbers are finite in
float32, and ints below 2^31. What takes more memory than there is, is refused before a run begins.
"""
TITLES = '| key | default | kind | range | resume | meaning |\n|---|---|---|---|---|---|'
WITH = '| key | default | kind | range | resume | meaning | with |\n|---|---|---|---|---|---|---|'


def lines(found: Mapping[str, Key], prefix: str) -> Iterator[str]:
    """Yield two lines of help for each key."""
    for name, key in found.items():
        yield f'{prefix}{name}={key.default!r}: {key.allowed()}'
        yield f'    {key.help}' + resume(key)


def resume(key: Key) -> str:
    """Return a sentence on whether a resumed run may have another value."""
    return '' if key.learns else ' May change on resume.'


def document() -> str:
    """Return docs/config.md."""
    return '\n\n'.join([HEAD.rstrip(), *rooms(), *networks()]) + '\n'


def rooms() -> Iterator[str]:
    """Yield the keys of every run, of every algorithm, and of every part that some of them name."""
    common = {**configs.COMMON, 'eval': {**configs.COMMON['eval'], **options.of_a_run()}}
    common = {configs.KEYS.key: _name_of(configs.KEYS), **common}
    chapters = {'Every run': common} | {
        f'`algorithm={name}`': algorithms.find(name).KEYS for name in algorithms.names()
    }
    found: dict[tuple[str, ...], tuple[list[str], Named | AnyOf]] = {}
    for title, declared in chapters.items():
        yield section(title, table(_keys(declared)))
        for place, part in _parts(declared):
            places = found.setdefault(_identity(part), ([], part))[0]
            places += [place] if place not in places else []
    for places, part in found.values():
        yield section(part.help.rstrip('.'), *_room(places, part))


def networks() -> Iterator[str]:
    """Yield the keys of every network, whichever part of a model it is."""
    for name in filter(None, models.classes()):
        cls = models.network('', '', name)
        yield section(f'Network `{name}`', table(keys.of(cls, but=models.GIVEN)))


def section(title: str, *paragraphs: str) -> str:
    """Return a titled section, empty without paragraphs."""
    return '\n\n'.join([f'## {title}', *filter(None, paragraphs)])


def table(found: Mapping[str, Key]) -> str:
    """Return a table of keys, '' for none."""
    return '\n'.join([TITLES, *(row(name, key) for name, key in found.items())] if found else [])


def _identity(part: Named | AnyOf) -> tuple[str, ...]:
    own = _keys(part.of(part.default)) if isinstance(part, Named) else ()
    return (part.help, *part.names(), *own)


def _keys(declared: Any, prefix: str = '') -> dict[str, Key]:
    """Return the keys of nested declarations, without those that depend on a name."""
    found: dict[str, Key] = {}
    for name, key in declared.items():
        if isinstance(key, Key):
            found[prefix + name] = key
        elif isinstance(key, Mapping):
            found |= _keys(key, f'{prefix}{name}.')
    return found


def _parts(declared: Any, prefix: str = '') -> Iterator[tuple[str, Named | AnyOf]]:
    """Yield (dotted name, declaration) of what depends on a name."""
    for name, key in declared.items():
        if isinstance(key, Named | AnyOf):
            yield prefix + name, key
        elif isinstance(key, Mapping):
            yield from _parts(key, f'{prefix}{name}.')


def _room(places: list[str], part: Named | AnyOf) -> Iterator[str]:
    """Yield the keys of parts that a name stands for, each with the names that have it."""
    yield f'Keys below {", ".join(f"`{place}`" for place in places)}.'
    names = list(part.names())
    owners: dict[tuple[str, Key], list[str]] = {}
    for name in names:
        prefix = '' if isinstance(part, Named) else f'{name}.'
        for key, declared in _keys(part.of(name), prefix).items():
            owners.setdefault((key, declared), []).append(name)
    rows = [] if isinstance(part, AnyOf) else [(part.key, _name_of(part), 'all')]
    for (key, declared), having in owners.items():
        rows.append((key, declared, 'all' if having == names else ', '.join(having)))
    yield '\n'.join([WITH, *(f'{row(key, declared)} {having} |' for key, declared, having in rows)])


def _name_of(part: Named) -> Key:
    return Key(part.default, 'choice', part.help, choices=part.names)


def row(name: str, key: Key) -> str:
    """Return a row of a table."""
    kind = f'{key.kind}, each' if key.each else key.kind
    said = key.help if not key.choices else f'{key.help} One of {", ".join(key.options())}.'
    default = str(key.default).replace('|', '\\|') if key.default != '' else "''"
    resumes = 'no' if key.learns else 'yes'
    return f'| `{name}` | `{default}` | {kind} | {key.limits()} | {resumes} | {said} |'


if __name__ == '__main__':
    print(document(), end='')
