"""Entries of archives: their names, and what makes one of them unusable."""

import pathlib
import re

from gan_jax import regular
from gan_jax.data.images import BadImage
from gan_jax.errors import UserError

# Eight times ImageNet; each takes about a kilobyte of memory.
MOST = 10_000_000
TOO_LARGE = f'is larger than {regular.in_words(regular.MAX_BYTES)}'
OUTSIDE = 'points outside the archive'
TWICE = 'is in the archive twice'


def outside(name: str) -> bool:
    """Tell whether an archive's entry points outside the archive."""
    path = pathlib.PurePosixPath(name.replace('\\', '/'))
    return path.is_absolute() or '..' in path.parts or bool(re.match(r'^[a-zA-Z]:', name))


def plain(name: str) -> str:
    """Return an archive's name without a leading './'."""
    return name[2:] if name.startswith('./') else name


def hidden(name: str) -> bool:
    """Tell whether a name is a system's own file, like .DS_Store or __MACOSX/._x."""
    return any(
        (p.startswith('.') and p not in ('.', '..')) or p == '__MACOSX' for p in name.split('/')
    )


def check_count(count: int, path: pathlib.Path) -> None:
    """Raise UserError where an archive has more entries than are indexed."""
    if count > MOST:
        raise UserError(f'{path} has more than {MOST} entries, the most that are read')


def refuse_bad(bad: dict[str, str], name: str) -> None:
    """Raise BadImage for an entry that was found to be bad when the archive was opened."""
    if why := bad.get(name):
        raise BadImage(why)
