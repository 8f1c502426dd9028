"""A compressed tar that is unpacked to a temporary file, bounded, and always cleared away."""

import contextlib
import fcntl
import lzma
import os
import pathlib
import shutil
import tarfile
import tempfile
import time
import weakref
import zlib
from typing import Any, BinaryIO

from gan_jax import regular

PREFIX, SUFFIX = 'gan_jax_', '.tar'
BLOCK = 2**20
# A file this young may not be locked yet by the process that is making it.
YOUNG_SECONDS = 60
ERRORS = (zlib.error, lzma.LZMAError, EOFError, ValueError)


class Unpacked:
    """The content of a .tar.gz, .bz2 or .xz in a temporary file that goes with this object.

    The file is locked as long as the process lives: what a killed one has left is cleared away by
    the next. A copy in another process has the path alone.
    """

    def __init__(self, path: pathlib.Path):
        clear_away()
        handle, name = tempfile.mkstemp(prefix=PREFIX, suffix=SUFFIX)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.path = pathlib.Path(name)
        self._finalizer = weakref.finalize(self, _remove, name, handle, os.getpid())
        try:
            with open(handle, 'wb', closefd=False) as target:
                decompress(path, target)
        except BaseException:
            self._finalizer()
            raise

    def __getstate__(self) -> dict[str, Any]:
        return {'path': self.path}


def decompress(path: pathlib.Path, target: BinaryIO) -> None:
    """Unpack a file, up to half of the space that is free.

    Raises:
      TarError: it is damaged, or larger.
    """
    import bz2
    import gzip

    openers: dict[str, Any] = {'.bz2': bz2.open, '.xz': lzma.open}
    folder = tempfile.gettempdir()
    most = shutil.disk_usage(folder).free // 2
    opener = openers.get(path.suffix.lower(), gzip.open)
    try:
        with regular.open_regular(path) as packed, opener(packed) as source:
            while block := source.read(BLOCK):
                if target.tell() + len(block) > most:
                    raise tarfile.ReadError(
                        f'it unpacks to more than {regular.in_words(most)}, half of what is free '
                        f'in {folder}; unpack it to a folder, or let TMPDIR name another place'
                    )
                target.write(block)
    except ERRORS as error:
        raise tarfile.ReadError(str(error)) from None


def clear_away() -> None:
    """Delete temporary files of processes that were killed."""
    for path in pathlib.Path(tempfile.gettempdir()).glob(f'{PREFIX}*{SUFFIX}'):
        # another user's, or gone by now
        with contextlib.suppress(OSError), regular.open_regular(path, empty=True) as file:
            about = os.fstat(file.fileno())
            if about.st_uid == os.getuid() and time.time() - about.st_mtime > YOUNG_SECONDS:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def _remove(name: str, handle: int, process: int) -> None:
    # a copy of this process that was forked has this to do too, and must not
    if os.getpid() == process:
        pathlib.Path(name).unlink(missing_ok=True)
        os.close(handle)
