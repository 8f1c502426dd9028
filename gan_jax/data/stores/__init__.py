"""Where files lie: a folder, a zip or a tar, read by name, from any thread or process."""

import pathlib
import zipfile

from gan_jax import regular
from gan_jax.data.stores import tars
from gan_jax.data.stores.entries import outside as outside
from gan_jax.data.stores.folder import Folder
from gan_jax.data.stores.tars import Tar
from gan_jax.data.stores.zips import Zip
from gan_jax.errors import UserError

Store = Folder | Zip | Tar


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
        regular.open_regular(place).close()
    except OSError as error:
        raise UserError(f"config.data.path='{path}' cannot be read: {error.strerror}") from None
    if place.name.lower().endswith(tars.SUFFIXES):
        return Tar(place)
    if place.suffix.lower() == '.zip' or zipfile.is_zipfile(place):
        return Zip(place)
    raise UserError(f"config.data.path='{path}' is neither a folder nor a .zip or .tar")
