"""Images in .npy or .npz files, Quick, Draw! bitmaps among them; never unpickled."""

import pathlib
import zipfile
import zlib

import numpy as np

from gan_jax.data import geometry
from gan_jax.data.arrays import Arrays, channelled
from gan_jax.data.device import RANGES
from gan_jax.data.stores import natural
from gan_jax.errors import UserError

IMAGE_KEYS = ('images', 'image', 'x', 'X', 'x_train', 'data', 'arr_0')
LABEL_KEYS = ('labels', 'label', 'y', 'Y', 'y_train', 'targets', 'arr_1')
ERRORS = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, MemoryError)


class Source(Arrays):
    """Read path: one .npy, one .npz, or a folder of .npy files, one class each.

    An .npz has its images under 'images' (or column) and labels under 'labels'. Integers are
    uint8 or uint16; floats must already be in range.
    """

    def __init__(
        self,
        path: str = '',
        column: str = '',
        size: int | str = '',
        crop: str = 'center',
        resize: str = 'lanczos',
        channels: int = 0,
        labels: str = 'auto',
        range: str = '[-1,1]',
    ):
        place = pathlib.Path(path).expanduser()
        if not path or not place.exists():
            raise UserError(f"config.data.path='{path}' does not exist; give a .npy or .npz file")
        images, numbers, classes = read(place, column)
        images = typed(images, range, path)
        if labels == 'none':
            numbers, classes = None, ()
        fit = geometry.make(size, crop, resize, channels)
        super().__init__(images, numbers, fit, path, classes)
        self.arguments = (path, column, size, crop, resize, channels, labels, range)

    def __reduce__(self) -> tuple:
        # a worker process opens the file itself, instead of getting a copy of its content
        return Source, self.arguments


def read(path: pathlib.Path, column: str) -> tuple[np.ndarray, np.ndarray | None, tuple]:
    """Return (images, labels or None, class names) of a file or folder."""
    if path.is_dir():
        return read_folder(path)
    if path.suffix == '.npz':
        return (*read_npz(path, column), ())
    return read_npy(path), None, ()


def read_npy(path: pathlib.Path) -> np.ndarray:
    """Map a .npy file; raises UserError, and never unpickles."""
    try:
        return np.load(path, mmap_mode='r', allow_pickle=False)
    except ERRORS as error:
        raise UserError(f'cannot read {path}: {error}') from None


def read_folder(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
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
    labels = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
    return np.concatenate(parts), labels, tuple(f.stem for f in files)


def read_npz(path: pathlib.Path, column: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the images and labels of an .npz file; raises UserError, and never unpickles."""
    try:
        with np.load(path, allow_pickle=False) as file:
            key = column or next((k for k in IMAGE_KEYS if k in file.files), '')
            if key not in file.files:
                raise UserError(
                    f"{path} has no array '{column or IMAGE_KEYS[0]}'; it has: "
                    f'{", ".join(file.files)}; say which by --config.data.column='
                )
            label = next((k for k in LABEL_KEYS if k in file.files and k != key), None)
            return file[key], None if label is None else file[label]
    except ERRORS as error:
        raise UserError(f'cannot read {path}: {error}') from None


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
