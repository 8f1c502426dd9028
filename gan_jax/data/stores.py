"""Where files lie: a folder, a zip or a tar, read by name, from any thread or process."""

import os
import pathlib
import re
import shutil
import struct
import tarfile
import tempfile
import weakref
import zipfile
import zlib
from typing import Any, NamedTuple

from gan_jax import regular
from gan_jax.data.images import BadImage
from gan_jax.errors import UserError
from gan_jax.files import natural

TOO_LARGE = f'is larger than {regular.in_words(regular.MAX_BYTES)}'
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)
TAR_ERRORS = (tarfile.TarError, zlib.error, EOFError, OSError, ValueError)
TAR_SUFFIXES = ('.tar', '.tar.gz', '.tgz', '.tar.bz2', '.tar.xz')


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


class Folder:
    """Files below a folder, links followed, each real folder once."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.names = sorted(self.walk(), key=natural)

    def walk(self) -> list[str]:
        """Return the names of all files, relative to the folder, with '/'."""
        found, seen = [], set()
        try:
            for top, folders, files in os.walk(self.path, followlinks=True, onerror=fail):
                real = os.path.realpath(top)
                if real in seen:
                    folders.clear()
                    continue
                seen.add(real)
                found += [pathlib.Path(top, f).relative_to(self.path).as_posix() for f in files]
        except OSError as error:
            raise UserError(f'cannot read the folder {error.filename}: {error.strerror}') from None
        return [name for name in found if not hidden(name)]

    def read(self, name: str) -> bytes:
        """Return a file's bytes; raises BadImage."""
        try:
            return regular.read_bytes(self.path / name)
        except OSError as error:
            raise BadImage(f'cannot be read: {error.strerror or error}') from None


def fail(error: OSError) -> None:
    """Let os.walk raise what it would pass over in silence."""
    raise error


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
            with zipfile.ZipFile(path) as archive:
                found = archive.infolist()
        except ZIP_ERRORS as error:
            raise UserError(f'cannot read the zip {path}: {error}') from None
        for info in found:
            name = plain(info.filename)
            if info.is_dir() or hidden(name):
                continue
            self.entries[name] = Entry(
                info.header_offset, info.compress_size, info.file_size, info.compress_type, info.CRC
            )
            if why := refuse(info):
                self.bad[name] = why
        self.names = sorted(self.entries, key=natural)

    def read(self, name: str) -> bytes:
        """Return an entry's bytes; raises BadImage."""
        refuse_bad(self, name)
        entry = self.entries[name]
        try:
            with regular.open_regular(self.path) as file:
                file.seek(entry.offset)
                head = file.read(30)
                # the lengths of the name and of the extra field that follow a local header
                start = struct.unpack('<HH', head[26:30])
                file.seek(sum(start), os.SEEK_CUR)
                return entry.unpack(head, file.read(entry.packed))
        except (OSError, zlib.error, struct.error) as error:
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
        if head[:4] != b'PK\3\4' or len(data) != self.packed:
            raise BadImage('cannot be read: the archive is damaged')
        if self.method == zipfile.ZIP_DEFLATED:
            # one byte more than promised shows a lie, and a bomb gets no further
            data = zlib.decompressobj(-15).decompress(data, self.size + 1)
        if len(data) != self.size or zlib.crc32(data) != self.checksum:
            raise BadImage('cannot be read: bad checksum in the archive')
        return data


def refuse(info: zipfile.ZipInfo) -> str:
    """Return why an entry of a zip is not read, or ''."""
    if outside(info.filename):
        return 'points outside the archive'
    if info.flag_bits & 1:
        return 'is encrypted'
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return 'is packed neither stored nor deflated'
    return TOO_LARGE if info.file_size > regular.MAX_BYTES else ''


class Tar:
    """Files in a tar archive, indexed once; a compressed one is unpacked to a temporary file."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.bad: dict[str, str] = {}
        self.places: dict[str, tuple[int, int]] = {}
        self.data = path
        try:
            if path.suffix != '.tar':
                self.data = decompress(path)
                weakref.finalize(self, self.data.unlink, missing_ok=True)
            self.index()
        except TAR_ERRORS as error:
            raise UserError(f'cannot read the archive {path}: {error}') from None
        self.names = sorted(self.places, key=natural)

    def index(self) -> None:
        """Note where each member's bytes lie; raises TarError where the archive is damaged."""
        with tarfile.open(self.data, 'r:') as archive:
            for member in archive:
                if not member.isfile() or hidden(member.name):
                    continue
                name = plain(member.name)
                self.places[name] = member.offset_data, member.size
                if outside(name):
                    self.bad[name] = 'points outside the archive'
                elif member.size > regular.MAX_BYTES:
                    self.bad[name] = TOO_LARGE
            end = archive.offset
        with regular.open_regular(self.data) as file:
            # tarfile takes a damaged header for the end; the true end is a block of zeros
            file.seek(end)
            block = file.read(512)
        if not block or block.strip(b'\0'):
            raise tarfile.ReadError(f'it is damaged at byte {end}')

    def read(self, name: str) -> bytes:
        """Return a member's bytes; raises BadImage."""
        refuse_bad(self, name)
        offset, size = self.places[name]
        try:
            with regular.open_regular(self.data) as file:
                file.seek(offset)
                return file.read(size)
        except OSError as error:
            raise BadImage(f'cannot be read: {error}') from None


def decompress(path: pathlib.Path) -> pathlib.Path:
    """Unpack a .tar.gz, .bz2 or .xz to a temporary .tar and return its path."""
    import bz2
    import gzip
    import lzma

    openers: dict[str, Any] = {'.bz2': bz2.open, '.xz': lzma.open}
    handle, name = tempfile.mkstemp(prefix='gan_jax_', suffix='.tar')
    try:
        opener = openers.get(path.suffix, gzip.open)
        with os.fdopen(handle, 'wb') as target, opener(path, 'rb') as packed:
            shutil.copyfileobj(packed, target, 2**20)
    except (*TAR_ERRORS, lzma.LZMAError) as error:
        pathlib.Path(name).unlink(missing_ok=True)
        raise tarfile.ReadError(str(error)) from None
    return pathlib.Path(name)


Store = Folder | Zip | Tar


def refuse_bad(store: Zip | Tar, name: str) -> None:
    """Raise BadImage for an entry that was found to be bad when the archive was opened."""
    if why := store.bad.get(name):
        raise BadImage(why)


def open_store(path: str) -> Store:
    """Open config.data.path as a folder, a zip or a tar; raises UserError."""
    place = pathlib.Path(path).expanduser()
    if not path or not place.exists():
        raise UserError(
            f"config.data.path='{path}' does not exist; give a folder, a .zip or a .tar"
        )
    if place.is_dir():
        return Folder(place)
    try:
        regular.check(place)
    except OSError as error:
        raise UserError(f"config.data.path='{path}' cannot be read: {error.strerror}") from None
    if place.name.lower().endswith(TAR_SUFFIXES):
        return Tar(place)
    if place.suffix.lower() == '.zip' or zipfile.is_zipfile(place):
        return Zip(place)
    raise UserError(f"config.data.path='{path}' is neither a folder nor a .zip or .tar")
