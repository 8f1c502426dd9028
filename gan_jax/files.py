"""Files replaced in one step or read up to a bound, the cache, and names in the order of people."""

import contextlib
import os
import pathlib
import re
from collections.abc import Iterator

from gan_jax import regular
from gan_jax.errors import UserError
from gan_jax.regular import Path


@contextlib.contextmanager
def replacing(path: Path, durable: bool = True) -> Iterator[pathlib.Path]:
    """Give a temporary path with the same suffix, which takes the place of `path` at the end.

    A reader, or a run that is killed, never sees half of a file; nor does anyone after a power cut
    where it is durable, for a few milliseconds. The folder is made where it is missing. After an
    exception `path` is what it was before.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.stem}.{os.getpid()}.tmp{path.suffix}')
    try:
        yield temporary
        if durable:
            _sync(temporary)
        os.replace(temporary, path)
        if durable:
            # some network file systems refuse this for folders
            with contextlib.suppress(OSError):
                _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: pathlib.Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def read_bytes(path: Path, most: int) -> bytes:
    """Return what a file holds, of at most `most` bytes.

    Raises:
      UserError: it is larger, no regular file (a pipe would be waited for), or cannot be read.
      FileNotFoundError: there is none.
    """
    try:
        return regular.read_bytes(path, most)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError(f'{path} cannot be read: {error.strerror or error}') from error


def cache() -> pathlib.Path:
    """Return the folder for what is fetched or computed once: $XDG_CACHE_HOME/gan_jax."""
    return pathlib.Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache').expanduser() / 'gan_jax'


def natural(name: str) -> tuple:
    """Sort key that puts 'img2' before 'img10'; the name itself settles ties."""
    parts = re.split(r'(\d+)', name.lower(), flags=re.ASCII)
    # of numbers without leading zeros the longer is the larger, however many digits they have
    digits = [p.lstrip('0') for p in parts]
    return tuple(
        (1, len(digits[i]), digits[i]) if i % 2 else (0, 0, p) for i, p in enumerate(parts)
    ), name
