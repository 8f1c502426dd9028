"""Images in .npy or .npz files, Quick, Draw! bitmaps among them; never unpickled."""

import pathlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from gan_jax import regular
from gan_jax.data.geometry import Geometry
from gan_jax.data.in_memory import InMemory, channelled
from gan_jax.data.keys import COLUMN, FIELDS, LABELS, PATH, PLAIN, RANGE
from gan_jax.data.protocol import more_fields
from gan_jax.errors import UserError, unknown
from gan_jax.files import natural
from gan_jax.kinds.image import RANGES

IMAGE_KEYS = ('images', 'image', 'x', 'X', 'x_train', 'data', 'arr_0')
LABEL_KEYS = ('labels', 'label', 'y', 'Y', 'y_train', 'targets', 'arr_1')

KEYS = {**PATH, **COLUMN, **FIELDS, **LABELS, **PLAIN, **RANGE}


class Source(InMemory):
    """Read path: one .npy, one .npz, or a folder of .npy files, one class each.

    An .npz has its images under 'images' (or column) and labels under 'labels' (or what the key
    labels names); fields: further arrays of as many rows. Integers are uint8 or uint16; floats
    must already be in range.
    """

    def __init__(
        self,
        path: str = '',
        column: str = '',
        fields: str = '',
        fit: Geometry | None = None,
        labels: str = 'auto',
        range: str = '[-1,1]',
    ):
        place = pathlib.Path(path).expanduser()
        if not path or not place.exists():
            raise UserError(f"config.data.path='{path}' does not exist; give a .npy or .npz file")
        found = read(place, column, labels)
        images = typed(found.images, range, path)
        usable = {k: v for k, v in found.others.items() if is_value(v, len(images))}
        chosen = more_fields(fields, usable)
        self.unread = [k for k in found.others if k not in chosen]
        values = {k: narrowed(usable[k], k, path) for k in chosen}
        super().__init__(images, found.labels, fit or Geometry(), path, found.classes, values)
        self.arguments = (path, column, fields, fit, labels, range)

    def __reduce__(self) -> tuple:
        # a worker process opens the file itself, instead of getting a copy of its content
        return Source, self.arguments


class Found(NamedTuple):
    """Hold what files have: images, labels, names of classes, and what else there is."""

    images: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    others: Mapping[str, np.ndarray] = {}


def is_value(array: np.ndarray, n: int) -> bool:
    """Tell whether an array holds numbers for each of n examples."""
    return array.dtype.kind in 'biuf' and array.ndim > 0 and len(array) == n


def narrowed(array: np.ndarray, name: str, origin: str) -> np.ndarray:
    """Return numbers in the dtypes that are computed with; raises UserError for larger ones."""
    dtype = {'b': bool, 'f': np.float32}.get(array.dtype.kind, np.int32)
    narrow = array.astype(dtype)
    if dtype is np.int32 and (narrow != array).any():
        raise UserError(f"{origin}: '{name}' holds numbers beyond int32")
    return narrow


def read(path: pathlib.Path, column: str, labels: str) -> Found:
    """Return what a file or folder holds."""
    if path.suffix == '.npz' and not path.is_dir():
        return read_npz(path, column, labels)
    if labels not in ('auto', 'none'):
        raise unknown('config.data.labels', labels, ['auto', 'none'])
    if not path.is_dir():
        return Found(read_npy(path))
    found = read_folder(path)
    return found if labels == 'auto' else Found(found.images)


def read_npy(path: pathlib.Path) -> np.ndarray:
    """Map a .npy file; raises UserError, and never unpickles."""
    try:
        regular.open_regular(path).close()
        return np.load(path, mmap_mode='r', allow_pickle=False)
    # a damaged header fails in any of NumPy's readers
    except Exception as error:
        raise UserError(f'cannot read {path}: {error}') from None


def read_folder(path: pathlib.Path) -> Found:
    """Join the .npy files of a folder, one class per file."""
    files = sorted(path.glob('*.npy'), key=lambda f: natural(f.name))
    if not files:
        raise UserError(f"config.data.path='{path}' holds no .npy files")
    parts = [channelled(read_npy(f), str(f)) for f in files]
    for file, part in zip(files, parts, strict=True):
        if part.shape[1:] != parts[0].shape[1:] or part.dtype != parts[0].dtype:
            raise UserError(
                f'{file} has images {part.shape[1:]} {part.dtype}, but {files[0]} '
                f'{parts[0].shape[1:]} {parts[0].dtype}'
            )
    try:
        regular.check_memory(sum(part.nbytes for part in parts))
    except ValueError as error:
        raise UserError(f'cannot read {path}: {error}') from None
    labels = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
    return Found(np.concatenate(parts), labels, tuple(f.stem for f in files))


def read_npz(path: pathlib.Path, column: str, labels: str) -> Found:
    """Return what an .npz file holds; raises UserError, and never unpickles."""
    try:
        with regular.open_regular(path) as content, np.load(content, allow_pickle=False) as file:
            key = column or next((k for k in IMAGE_KEYS if k in file.files), '')
            if key not in file.files:
                raise UserError(
                    f"{path} has no array '{column or IMAGE_KEYS[0]}'; available: "
                    f'{", ".join(file.files)}; say which by --config.data.column='
                )
            label = label_key(file.files, key, labels)
            regular.check_memory(sum(entry.file_size for entry in file.zip.infolist()))
            others = {k: file[k] for k in file.files if k not in (key, label)}
            return Found(file[key], file[label] if label else None, others=others)
    except UserError:
        raise
    # a damaged header fails in any of NumPy's or the zip's readers
    except Exception as error:
        raise UserError(f'cannot read {path}: {error}') from None


def label_key(keys: list[str], images: str, labels: str) -> str:
    """Return the key of the labels, '' for none; raises UserError where there is none."""
    if labels in keys and labels != images:
        return labels
    if labels not in ('auto', 'none'):
        raise unknown('config.data.labels', labels, ['auto', 'none', *keys])
    found = (k for k in LABEL_KEYS if k in keys and k != images)
    return next(found, '') if labels == 'auto' else ''


def typed(images: np.ndarray, span: str, origin: str) -> np.ndarray:
    """Return images as uint8, uint16 or float32; raises UserError for values out of range."""
    if images.dtype in (np.uint8, np.uint16):
        return images
    if images.dtype == bool:
        return images.astype(np.uint8) * np.uint8(255)
    if images.dtype.kind not in 'iuf' or images.size == 0:
        raise UserError(f'{origin} holds {images.dtype}, not numbers of pixels')
    low, high = float(images.min()), float(images.max())
    if images.dtype.kind == 'f':
        least, most = RANGES[span]
        if not (least <= low and high <= most):
            raise UserError(
                f'{origin} holds floats from {low:g} to {high:g}; config.data.range={span} needs '
                f'them from {least:g} to {most:g}, or uint8'
            )
        return images.astype(np.float32)
    if low < 0 or high > 65535:
        raise UserError(f'{origin} holds integers from {low:g} to {high:g}; pixels are 0..65535')
    return images.astype(np.uint8 if high < 256 else np.uint16)
