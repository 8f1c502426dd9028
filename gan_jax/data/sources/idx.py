"""IDX files, .gz or plain: MNIST's own format (LeCun et al., 1998)."""

import contextlib
import gzip
import math
import pathlib
import struct
import zlib
from typing import Any, BinaryIO

import numpy as np

from gan_jax import regular
from gan_jax.data.geometry import Geometry
from gan_jax.data.in_memory import InMemory
from gan_jax.data.keys import LABELS, PATH, PLAIN, SPLIT
from gan_jax.errors import UserError

TYPES = {8: '>u1', 9: '>i1', 11: '>i2', 12: '>i4', 13: '>f4', 14: '>f8'}
MAX_DIMENSIONS = 8
ERRORS = (OSError, EOFError, zlib.error, ValueError, MemoryError)

KEYS = {**PATH, **SPLIT, **LABELS, **PLAIN}


class Source(InMemory):
    """Read path: a file of images, or a folder with images and labels of a split.

    split: 'train' (default) or 'test' ('t10k' in the files' names).
    """

    def __init__(
        self,
        path: str = '',
        split: str = '',
        fit: Geometry | None = None,
        labels: str = 'auto',
    ):
        file = find(pathlib.Path(path).expanduser(), split, path)
        images = read(file)
        if images.dtype != np.uint8:
            raise UserError(f'{file} holds {images.dtype}, not uint8 pixels')
        beside = file.with_name(file.name.replace('images', 'labels').replace('idx3', 'idx1'))
        wanted = labels != 'none' and beside != file and beside.exists()
        numbers = read(beside) if wanted else None
        super().__init__(images, numbers, fit or Geometry(), str(file))


def find(path: pathlib.Path, split: str, given: str) -> pathlib.Path:
    """Return the file of images that a path and a split stand for."""
    if path.is_file():
        return path
    start = {'': '', 'test': 't10k'}.get(split, split)
    files = sorted(path.glob(f'{start}*images*ubyte*')) if path.is_dir() and given else []
    if not files:
        raise UserError(
            f"config.data.path='{given}' holds no idx files of images for "
            f"config.data.split='{split}'"
        )
    return next((f for f in files if f.name.startswith('train')), files[0])


def read(path: pathlib.Path) -> np.ndarray:
    """Read one idx file; raises UserError where it is damaged."""
    try:
        with regular.open_regular(path) as plain, unpacked(plain, path) as file:
            shape, dtype = header(file)
            need = dtype.itemsize * math.prod(shape)
            regular.check_memory(need)
            # one byte more shows what should not be there, and a bomb gets no further
            data = file.read(need + 1)
    except ERRORS as error:
        why = getattr(error, 'strerror', None) or str(error) or 'too large for the memory'
        raise UserError(f'cannot read {path}: {why}') from None
    if len(data) != need:
        has = 'more' if len(data) > need else str(len(data))
        raise UserError(f'cannot read {path}: its header says {need} bytes, but it has {has}')
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder('='))


def unpacked(file: BinaryIO, path: pathlib.Path) -> contextlib.AbstractContextManager[Any]:
    """Return a file of the content of a .gz, or what is not packed as it is."""
    return gzip.open(file) if path.suffix == '.gz' else contextlib.nullcontext(file)


def header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    """Read the shape and dtype of an idx file; raises ValueError where it is none."""
    head = file.read(4)
    if len(head) < 4 or head[:2] != b'\0\0' or head[2] not in TYPES or not head[3]:
        raise ValueError('it is no idx file')
    sizes = file.read(4 * head[3])
    if len(sizes) != 4 * head[3] or head[3] > MAX_DIMENSIONS:
        raise ValueError(f'its header is cut short, or has more than {MAX_DIMENSIONS} dimensions')
    return struct.unpack(f'>{head[3]}I', sizes), np.dtype(TYPES[head[2]])
