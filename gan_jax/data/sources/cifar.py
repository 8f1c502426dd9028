"""CIFAR-10 and CIFAR-100 in their authors' own archives (Krizhevsky, 2009); never unpickled."""

import pickletools
import posixpath

import numpy as np

from gan_jax.data import geometry, stores
from gan_jax.data.arrays import Arrays
from gan_jax.data.images import BadImage
from gan_jax.errors import UserError

PIXELS = 3 * 32 * 32
SETS = {
    'train': ('train', *(f'data_batch_{i}' for i in range(1, 6))),
    'test': ('test', 'test_batch'),
}
NAMES = ('fine_label_names', 'label_names')


class Source(Arrays):
    """Read path: an archive (python or binary version), or a folder with its files.

    split: 'train' (default) or 'test'. CIFAR-100 has its fine labels.
    """

    def __init__(
        self,
        path: str = '',
        split: str = '',
        size: int | str = '',
        crop: str = 'center',
        resize: str = 'lanczos',
        channels: int = 0,
        labels: str = 'auto',
    ):
        wanted = SETS.get(split or 'train')
        if wanted is None:
            raise UserError(f"config.data.split='{split}' is not allowed; CIFAR has train and test")
        store = stores.open_store(path)
        files = [n for n in store.names if posixpath.basename(n).removesuffix('.bin') in wanted]
        if not files:
            raise UserError(
                f"config.data.path='{path}' holds none of CIFAR's files {', '.join(wanted)}"
            )
        parts = [read(store, name, path) for name in files]
        images = np.concatenate([images for images, _ in parts])
        numbers = np.concatenate([numbers for _, numbers in parts])
        classes = class_names(store, path)
        fit = geometry.make(size, crop, resize, channels)
        unlabelled = labels == 'none'
        super().__init__(
            images, None if unlabelled else numbers, fit, path, () if unlabelled else classes
        )


def read(store: stores.Store, name: str, path: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (images [N, 32, 32, 3], labels [N]) of one file; raises UserError."""
    try:
        data = store.read(name)
        raw, labels = from_binary(data) if name.endswith('.bin') else from_pickle(data)
    except (BadImage, ValueError) as error:
        raise UserError(f'cannot read {name} of {path}: {error}') from None
    if len(raw) == 0 or len(raw) != len(labels):
        raise UserError(f'cannot read {name} of {path}: {len(raw)} images, {len(labels)} labels')
    return raw.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels


def from_binary(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return (pixels [N, 3072], labels [N]) of records of one or two labels and an image."""
    head = next((h for h in (1, 2) if len(data) % (PIXELS + h) == 0), 0)
    if not head:
        raise ValueError(f'{len(data)} bytes are not a whole number of records')
    records = np.frombuffer(data, np.uint8).reshape(-1, PIXELS + head)
    return records[:, head:], records[:, head - 1]


def constants(data: bytes) -> list[tuple[str, object]]:
    """Return the opcodes of a pickle with their constants, executing none of them."""
    try:
        return [(op.name, value) for op, value, _ in pickletools.genops(data)]
    # a damaged pickle fails in any of the readers of constants
    except Exception as error:
        raise ValueError(f'a damaged pickle: {error}') from None


def from_pickle(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return (pixels [N, 3072], labels [N]) of a pickled batch, by its constants alone."""
    pixels, labels, reading = b'', [], False
    for name, value in constants(data):
        if isinstance(value, str | bytes) and len(value) >= PIXELS:
            pixels = value if isinstance(value, bytes) else value.encode('latin-1')
        elif value in ('labels', 'fine_labels', b'labels', b'fine_labels'):
            reading = True
        elif reading and isinstance(value, str | bytes):
            reading = False
        elif reading and name in ('BININT1', 'BININT', 'BININT2', 'INT'):
            labels.append(value)
    if len(pixels) % PIXELS:
        raise ValueError(f'{len(pixels)} bytes of pixels are not a whole number of images')
    return np.frombuffer(pixels, np.uint8).reshape(-1, PIXELS), np.asarray(labels, np.int64)


def class_names(store: stores.Store, path: str) -> tuple[str, ...]:
    """Return the names of the classes where the archive has them."""
    for name in store.names:
        base = posixpath.basename(name)
        try:
            if base in ('batches.meta.txt', 'fine_label_names.txt'):
                return tuple(store.read(name).decode().split())
            if base in ('batches.meta', 'meta'):
                return pickled_names(store.read(name))
        except (BadImage, ValueError) as error:
            raise UserError(f'cannot read {name} of {path}: {error}') from None
    return ()


def pickled_names(data: bytes) -> tuple[str, ...]:
    """Return the strings of the list of class names in a pickle, by its constants alone."""
    found: list[str] = []
    reading = False
    for name, value in constants(data):
        text = value.decode('latin-1') if isinstance(value, bytes) else value
        if text in NAMES:
            reading = True
        elif reading and isinstance(text, str):
            found.append(text)
        elif reading and name == 'APPENDS':
            return tuple(found)
    return tuple(found)
