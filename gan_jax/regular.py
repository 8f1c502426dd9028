"""Regular files alone, read up to a bound: nothing else blocks a run or fills its memory."""

import errno
import functools
import os
import stat
from io import BufferedReader

Path = str | os.PathLike[str]

MAX_BYTES = 2**29
# of a set that is held in memory whole
MAX_SET_BYTES = 2**33
OTHERS = {
    stat.S_IFIFO: 'a FIFO',
    stat.S_IFSOCK: 'a socket',
    stat.S_IFCHR: 'a device',
    stat.S_IFBLK: 'a device',
    stat.S_IFDIR: 'a folder',
}


def open_regular(path: Path, empty: bool = False) -> BufferedReader:
    """Open a regular file, or a link to one, for reading.

    empty: allow a file of size 0, which some of /proc have that go on for ever.

    Raises:
      OSError: it cannot be opened, is empty, or is a FIFO, a socket, a device or a folder.
    """
    return open(path, 'rb', opener=functools.partial(_opener, empty))


def read_bytes(path: Path, most: int = MAX_BYTES) -> bytes:
    """Return the content of a regular file of at most so many bytes.

    Raises:
      OSError: it cannot be read, is no regular file, or is larger.
    """
    with open_regular(path, empty=True) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, f'it is larger than {in_words(most)}', str(path))
        # not to its end: files of /proc have no size, and some of them no end
        return file.read(size)


def check_memory(size: int) -> None:
    """Raise ValueError where a set of so many bytes is more than is held in memory."""
    if size > MAX_SET_BYTES:
        raise ValueError(f'it has {in_words(size)}; at most {in_words(MAX_SET_BYTES)} are held')


def in_words(size: int) -> str:
    """Return a number of bytes for people: 512 MiB, 8 GiB."""
    power = min(max(size.bit_length() - 1, 0) // 10, 4)
    return f'{size >> 10 * power} {("bytes", "KiB", "MiB", "GiB", "TiB")[power]}'


def _opener(empty: bool, path: str, flags: int) -> int:
    # first without opening it: to open some devices does something
    _check(os.stat(path), path, empty)
    # what may have taken its place since then does not block
    handle = os.open(path, flags | os.O_NONBLOCK)
    try:
        _check(os.fstat(handle), path, empty)
    except OSError:
        os.close(handle)
        raise
    return handle


def _check(found: os.stat_result, path: Path, empty: bool) -> None:
    if not stat.S_ISREG(found.st_mode):
        what = OTHERS.get(stat.S_IFMT(found.st_mode), 'something else')
        raise OSError(errno.EINVAL, f'it is {what}, not a regular file', str(path))
    if not empty and not found.st_size:
        raise OSError(errno.EINVAL, 'it is empty', str(path))
