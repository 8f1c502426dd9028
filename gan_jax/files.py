"""Files that are replaced in one step, where the cache is, and names in the order of people."""

import contextlib
import os
import pathlib
import re
from collections.abc import Iterator

Path = str | os.PathLike[str]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[pathlib.Path]:
    """Give a temporary path with the same suffix, which takes the place of `path` at the end.

    A reader, or a run that is killed, never sees half of a file. The folder is made where it is
    missing. After an exception `path` is what it was before.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.stem}.{os.getpid()}.tmp{path.suffix}')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def cache() -> pathlib.Path:
    """Return the folder for what is fetched or computed once: $XDG_CACHE_HOME/gan_jax."""
    return pathlib.Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache').expanduser() / 'gan_jax'


def natural(name: str) -> tuple:
    """Sort key that puts 'img2' before 'img10'; the name itself settles ties."""
    parts = re.split(r'(\d+)', name.lower(), flags=re.ASCII)
    return tuple((1, int(p), '') if i % 2 else (0, 0, p) for i, p in enumerate(parts)), name
