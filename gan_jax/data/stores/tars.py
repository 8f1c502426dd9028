"""Files in a tar archive; a compressed one is unpacked to a temporary file."""

import pathlib
import posixpath
import tarfile
import zlib

from gan_jax import regular
from gan_jax.data.images import BadImage
from gan_jax.data.stores import entries
from gan_jax.data.stores.unpacked import Unpacked
from gan_jax.errors import UserError
from gan_jax.files import natural

ERRORS = (
    tarfile.TarError, zlib.error, EOFError, OSError, ValueError, MemoryError, OverflowError,
)  # fmt: skip
SUFFIXES = ('.tar', '.tar.gz', '.tgz', '.tar.bz2', '.tar.xz')
# links to links to ... that are followed
LINKS = 8


class Tar:
    """Files in a tar archive, indexed once; of several of one name the last counts, as in tar."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.bad: dict[str, str] = {}
        self.places: dict[str, tuple[int, int]] = {}
        try:
            self.unpacked = None if path.suffix.lower() == '.tar' else Unpacked(path)
            self.data = self.unpacked.path if self.unpacked else path
            self.index()
        except ERRORS as error:
            why = getattr(error, 'strerror', None) or error
            raise UserError(f'cannot read the archive {path}: {why}') from None
        self.names = sorted(self.places, key=natural)

    def index(self) -> None:
        """Note where each member's bytes lie; raises TarError where the archive is damaged."""
        links: dict[str, str] = {}
        with (
            regular.open_regular(self.data) as file,
            tarfile.open(fileobj=file, mode='r:') as archive,
        ):
            for count, member in enumerate(archive):
                entries.check_count(count, self.path)
                if not member.isdir() and not entries.hidden(member.name):
                    self.add(member, links)
            # tarfile takes a damaged header for the end; the true end is a block of zeros
            file.seek(archive.offset)
            block = file.read(512)
            if not block or block.strip(b'\0'):
                raise tarfile.ReadError(f'it is damaged at byte {archive.offset}')
        self.follow(links)

    def add(self, member: tarfile.TarInfo, links: dict[str, str]) -> None:
        """Note where a member lies, what it links to, or what is bad in it."""
        name = entries.plain(member.name)
        self.places[name] = member.offset_data, member.size
        self.bad.pop(name, None)
        links.pop(name, None)
        if entries.outside(name):
            self.bad[name] = entries.OUTSIDE
        elif member.issym():
            links[name] = posixpath.join(posixpath.dirname(name), member.linkname)
        elif member.islnk():
            links[name] = member.linkname
        elif not member.isfile() or member.issparse():
            self.bad[name] = 'is no regular file'
        elif member.size > regular.MAX_BYTES:
            self.bad[name] = entries.TOO_LARGE

    def follow(self, links: dict[str, str]) -> None:
        """Let links lie where what they link to lies."""
        for name, target in links.items():
            for _ in range(LINKS):
                target = posixpath.normpath(target)
                target = links.get(target, target)
            target = posixpath.normpath(target)
            if target in links or target not in self.places:
                self.bad[name] = 'is a link to no file of the archive'
            else:
                self.places[name] = self.places[target]
                if why := self.bad.get(target):
                    self.bad[name] = why

    def read(self, name: str) -> bytes:
        """Return a member's bytes; raises BadImage."""
        entries.refuse_bad(self.bad, name)
        offset, size = self.places[name]
        try:
            with regular.open_regular(self.data) as file:
                file.seek(offset)
                data = file.read(size)
        except OSError as error:
            raise BadImage(f'cannot be read: {error}') from None
        if len(data) != size:
            raise BadImage('cannot be read: the archive is cut short')
        return data
