"""Read the tensors of a PyTorch checkpoint without PyTorch and without running its pickle."""

import io
import pathlib
import struct
import zipfile
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np

from gan_jax import regular
from gan_jax.core.pickles.standins import Storage, View
from gan_jax.core.pickles.unpickle import loads
from gan_jax.errors import UserError

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
MAX_BYTES = 2**32
# what a damaged file raises
BROKEN = (
    ValueError, KeyError, OverflowError, EOFError, RuntimeError, MemoryError, struct.error,
    zipfile.BadZipFile,
)  # fmt: skip


def read(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """Return the arrays of a state dict that torch.save wrote, by name.

    Raises:
      UserError: for a file that is not one, or whose pickle holds more than tensors.
    """
    try:
        content = regular.read_bytes(path, MAX_BYTES)
    except OSError as error:
        raise UserError(f'{path} cannot be read: {error.strerror}') from None
    try:
        if zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as file:
                return read_zip(file)
        return read_legacy(io.BytesIO(content))
    except BROKEN as error:
        raise UserError(f'{path}: not a state dict of tensors alone ({error})') from None


def views(tree: Any) -> dict[str, View]:
    """Return the tensors of a state dict by name; raise ValueError for anything else."""
    if not isinstance(tree, dict):
        raise ValueError(f'a {type(tree).__name__} at the top, not a dictionary')
    for name, value in tree.items():
        if not isinstance(name, str) or not isinstance(value, View):
            raise ValueError(f'{f"{name}"!r:.80} is a {type(value).__name__}, not a tensor')
    check_size(tree.values())
    return tree


def check_size(found: Iterable[View]) -> None:
    """Raise ValueError for tensors that are too large together.

    A storage may be that of many tensors, each of which is copied.
    """
    if sum(view.nbytes for view in found) > MAX_BYTES:
        raise ValueError(f'tensors of more than {regular.in_words(MAX_BYTES)}')


def read_zip(file: zipfile.ZipFile) -> dict[str, np.ndarray]:
    """Read the format of PyTorch 1.6 and later: a zip with data.pkl and one file per storage."""
    pickles = [name for name in file.namelist() if name.split('/', 1)[-1] == 'data.pkl']
    if len(pickles) != 1:
        raise ValueError(f'a zip with {len(pickles)} files data.pkl')
    root = pickles[0].removesuffix('data.pkl')
    tree = views(loads(member(file, pickles[0])))
    if f'{root}byteorder' in file.namelist() and member(file, f'{root}byteorder') != b'little':
        raise ValueError('numbers in big-endian order')
    keys = {view.storage.key for view in tree.values()}
    storages = {key: member(file, f'{root}data/{key}') for key in keys}
    return {name: view.array(storages[view.storage.key]) for name, view in tree.items()}


def member(file: zipfile.ZipFile, name: str) -> bytes:
    """Return a file of the zip; PyTorch neither compresses nor encrypts."""
    info = file.getinfo(name)
    if info.flag_bits & 1 or info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f'{name!r:.80} is encrypted or compressed')
    return file.read(info)


def read_legacy(stream: BinaryIO) -> dict[str, np.ndarray]:
    """Read the older format: five pickles in a row, then each storage with its element count."""
    skip_legacy_header(stream)
    tree = views(loads(stream))
    sizes = {v.storage.key: np.dtype(v.storage.dtype).itemsize for v in tree.values()}
    keys = loads(stream)
    if not isinstance(keys, list):
        raise ValueError('no list of storages')
    storages = {}
    for key in keys:
        if not isinstance(key, str) or key not in sizes:
            raise ValueError('a storage of no tensor')
        (count,) = struct.unpack('<q', stream.read(8))
        # what is cut short, or of another size than its tensors say, is refused by them
        storages[key] = stream.read(max(0, count) * sizes[key])
    return {name: view.array(storages[view.storage.key]) for name, view in tree.items()}


def skip_legacy_header(stream: BinaryIO) -> None:
    """Read the three pickles that the older format begins with; raise ValueError for others."""
    magic, _, system = (loads(stream) for _ in range(3))
    if magic != LEGACY_MAGIC:
        raise ValueError('unknown magic number')
    if not isinstance(system, dict) or system.get('little_endian') is not True:
        raise ValueError('numbers in big-endian order')


def read_legacy_storage(content: bytes) -> Storage:
    """Read a storage that was saved alone, in the older format; its bytes come with it."""
    stream = io.BytesIO(content)
    skip_legacy_header(stream)
    found, keys = loads(stream), loads(stream)
    if not isinstance(found, Storage) or keys != [found.key]:
        raise ValueError('something else than a storage where one should be')
    stream.read(8)  # its elements, which are those that it says
    return found._replace(content=stream.read(found.nbytes))
