"""CIFAR-10 and CIFAR-100 in their authors' own archives (Krizhevsky, 2009); no pickle is run."""

import posixpath
from typing import Any

import numpy as np

from gan_jax.core.pickles import unpickle as pickles
from gan_jax.data import stores
from gan_jax.data.geometry import Geometry
from gan_jax.data.images import BadImage
from gan_jax.data.in_memory import InMemory
from gan_jax.data.keys import LABELS, PATH, PLAIN, SPLIT
from gan_jax.errors import UserError

PIXELS = 3 * 32 * 32
SETS = {
    'train': ('train', *(f'data_batch_{i}' for i in range(1, 6))),
    'test': ('test', 'test_batch'),
}
NAMES = ('fine_label_names', 'label_names')

KEYS = {**PATH, **SPLIT, **LABELS, **PLAIN}


class Source(InMemory):
    """Read path: an archive (python or binary version), or a folder with its files.

    split: 'train' (default) or 'test'. CIFAR-100 has its fine labels.
    """

    def __init__(
        self,
        path: str = '',
        split: str = '',
        fit: Geometry | None = None,
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
        if labels == 'none':
            super().__init__(images, None, fit or Geometry(), path)
        else:
            super().__init__(images, numbers, fit or Geometry(), path, classes)


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


def entries(data: bytes) -> dict[str, Any]:
    """Return the entries of a pickled batch; its keys may be bytes."""
    tree = pickles.loads(data)
    if not isinstance(tree, dict):
        raise ValueError('a pickle of something else than a dictionary')
    return {k.decode('latin-1') if isinstance(k, bytes) else k: v for k, v in tree.items()}


def from_pickle(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return (pixels [N, 3072], labels [N]) of a pickled batch."""
    batch = entries(data)
    pixels, labels = batch.get('data'), batch.get('fine_labels', batch.get('labels'))
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.size % PIXELS:
        raise ValueError('no whole number of images under data')
    if not isinstance(labels, list) or not all(type(n) is int for n in labels):
        raise ValueError('no list of numbers under labels')
    return pixels.reshape(-1, PIXELS), np.asarray(labels, np.int64)


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
    """Return the class names in a pickle of them."""
    meta = entries(data)
    found: Any = next((meta[key] for key in NAMES if key in meta), [])
    if not isinstance(found, list):
        raise ValueError('no list of class names')
    return tuple(x.decode('latin-1') if isinstance(x, bytes) else str(x) for x in found)
