"""Files below a folder."""

import os
import pathlib

from gan_jax import regular
from gan_jax.data.images import BadImage
from gan_jax.data.stores.entries import hidden
from gan_jax.errors import UserError
from gan_jax.files import natural


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
