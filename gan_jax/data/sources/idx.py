"""IDX files, .gz or plain: MNIST's own format (LeCun et al., 1998)."""

import gzip
import pathlib
import zlib

import numpy as np

from gan_jax.data.geometry import Geometry
from gan_jax.data.in_memory import InMemory
from gan_jax.data.keys import LABELS, PATH, PLAIN, SPLIT
from gan_jax.errors import UserError

TYPES = {8: '>u1', 9: '>i1', 11: '>i2', 12: '>i4', 13: '>f4', 14: '>f8'}

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
        data = gzip.decompress(path.read_bytes()) if path.suffix == '.gz' else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f'cannot read {path}: {error}') from None
    if len(data) < 4 or data[:2] != b'\0\0' or data[2] not in TYPES:
        raise UserError(f'cannot read {path}: it is no idx file')
    start = 4 + 4 * data[3]
    shape = np.frombuffer(data[4:start], '>u4') if len(data) >= start else np.zeros(0, int)
    dtype = np.dtype(TYPES[data[2]])
    need = start + dtype.itemsize * int(np.prod(shape.astype(object)))
    if len(shape) != data[3] or len(data) != need:
        raise UserError(f'cannot read {path}: {len(data)} bytes, but its header says {need}')
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder('='))
