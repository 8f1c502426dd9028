"""Files in a zip archive; its directory is held against what lies in the archive."""

import os
import pathlib
import struct
import zipfile
import zlib
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

from gan_jax import regular
from gan_jax.data.images import BadImage
from gan_jax.data.stores import entries
from gan_jax.errors import UserError
from gan_jax.files import natural

ERRORS = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError,
    NotImplementedError, MemoryError, OverflowError,
)  # fmt: skip
LOCAL, END = b'PK\3\4', b'PK\5\6'
END_64, LOCATOR_64 = b'PK\6\6', b'PK\6\7'
# Of an entry: its header without a name, and the sizes that may follow its content.
HEADER, FOLLOWING = 30, 24
# What lies between two entries besides, in the archives of common programs.
USUAL_GAP = 256


class Zip:
    """Files in a zip archive; checksums are checked as they are read.

    The directory is read once; entries are read without zipfile, whose handle cannot be shared by
    threads, nor copied for each where there are a million entries.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.bad: dict[str, str] = {}
        self.entries: dict[str, Entry] = {}
        try:
            with regular.open_regular(path) as file:
                found = directory(path, file)
        except ERRORS as error:
            why = getattr(error, 'strerror', None) or error
            raise UserError(f'cannot read the zip {path}: {why}') from None
        for info in found:
            self.add(info)
        self.names = sorted(self.entries, key=natural)

    def add(self, info: zipfile.ZipInfo) -> None:
        """Note where an entry lies, and what is bad in it."""
        name = entries.plain(info.filename)
        if info.is_dir() or entries.hidden(name):
            return
        why = entries.TWICE if name in self.entries else refuse(info)
        self.entries[name] = Entry(
            info.header_offset, info.compress_size, info.file_size, info.compress_type, info.CRC
        )
        if why:
            self.bad[name] = why

    def read(self, name: str) -> bytes:
        """Return an entry's bytes; raises BadImage."""
        entries.refuse_bad(self.bad, name)
        entry = self.entries[name]
        try:
            with regular.open_regular(self.path) as file:
                head = start(file, entry.offset)
                return entry.unpack(head, file.read(entry.packed))
        except ERRORS as error:
            raise BadImage(f'cannot be read: {error}') from None


class Entry(NamedTuple):
    """Where an entry of a zip lies, and what it must be."""

    offset: int
    packed: int
    size: int
    method: int
    checksum: int

    def unpack(self, head: bytes, data: bytes) -> bytes:
        """Return the content of packed data; raises BadImage where it is not what it must be."""
        if head[:4] != LOCAL or len(data) != self.packed:
            raise BadImage('cannot be read: the archive is damaged')
        if self.method == zipfile.ZIP_DEFLATED:
            # one byte more than promised shows a lie, and a bomb gets no further
            data = zlib.decompressobj(-15).decompress(data, self.size + 1)
        if len(data) != self.size or zlib.crc32(data) != self.checksum:
            raise BadImage('cannot be read: bad checksum in the archive')
        return data


def refuse(info: zipfile.ZipInfo) -> str:
    """Return why an entry of a zip is not read, or ''."""
    if entries.outside(info.filename):
        return entries.OUTSIDE
    if info.flag_bits & 1:
        return 'is encrypted'
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return 'is packed neither stored nor deflated'
    large = max(info.file_size, info.compress_size) > regular.MAX_BYTES
    return entries.TOO_LARGE if large else ''


def directory(path: pathlib.Path, file: BinaryIO) -> list[zipfile.ZipInfo]:
    """Return the entries of a zip's directory; raises one of ERRORS where some are left out.

    A flipped bit in the directory can make one entry swallow the next ones.
    """
    count, modulus = promised(file)
    entries.check_count(count, path)
    with zipfile.ZipFile(file) as archive:
        found = archive.infolist()
        if len(found) % modulus != count:
            raise zipfile.BadZipFile(
                f'it is damaged: its directory promises {count} entries, and has {len(found)}'
            )
        if leaves_out(found, archive.start_dir, file):
            raise zipfile.BadZipFile(
                'its directory leaves out files that are there: it is damaged, or they were '
                'deleted without packing it again'
            )
    return found


def promised(file: BinaryIO) -> tuple[int, int]:
    """Return the number of entries that the end of a zip tells, and what it is counted modulo."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2**16 - 22 - 20 - 56))
    tail = file.read()
    at = tail.rfind(END)
    if at < 0:
        raise zipfile.BadZipFile('it has no end of a directory')
    large = tail[max(0, at - 76) : at]
    if large[-20:-16] == LOCATOR_64 and large[:4] == END_64:
        return struct.unpack('<Q', large[32:40])[0], 2**64
    # writers that do not know the larger format count on from 0
    return struct.unpack('<H', tail[at + 10 : at + 12])[0], 2**16


def leaves_out(found: Sequence[zipfile.ZipInfo], end: int, file: BinaryIO) -> bool:
    """Tell whether a file lies in a zip where its directory has none.

    end: where the directory begins.
    """
    infos = sorted(found, key=lambda info: info.header_offset)
    starts = [info.header_offset for info in infos] + [end]
    file.seek(0)
    if file.read(4) == LOCAL and starts[0] > 0:
        return True
    for info, following in zip(infos, starts[1:], strict=True):
        least = info.header_offset + HEADER + len(info.orig_filename) + info.compress_size
        if following - least > USUAL_GAP:
            start(file, info.header_offset)
            file.seek(info.compress_size, os.SEEK_CUR)
            if LOCAL in file.read(FOLLOWING + 4):
                return True
    return False


def start(file: BinaryIO, offset: int) -> bytes:
    """Return the header of an entry, and leave the file where its content begins."""
    file.seek(offset)
    head = file.read(HEADER)
    # the lengths of the name and of the extra field that follow
    file.seek(sum(struct.unpack('<HH', head[26:HEADER])), os.SEEK_CUR)
    return head
