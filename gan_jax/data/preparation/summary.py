"""Look at a set before it is used: which source reads it, and what size and channels suit it."""

import collections
import pathlib
import posixpath
from typing import Any, NamedTuple

from gan_jax import errors
from gan_jax.data import config, stores
from gan_jax.data.encoded import spread
from gan_jax.data.images import BadImage, header
from gan_jax.data.preparation.shards import MANIFEST

# images of a side that a first run can learn; larger ones are scaled down to it
SIDE = 64


class Summary(NamedTuple):
    """What a look at some images of a set suggests.

    name: the source that reads it; images: how many; size: 'HxW' for config.data.size; channels:
    1 where all are gray, else 3; classes: the number of classes, 0 without labels; sizes: how
    often each 'HxW' was seen.
    """

    name: str
    images: int
    size: str
    channels: int
    classes: int
    sizes: dict[str, int]


def guess(path: str) -> dict[str, Any]:
    """Return the keys of config.data that read a path or a name, by its kind alone."""
    place = pathlib.Path(path).expanduser()
    if not place.exists():
        if path and not path.endswith(('.zip', '.tar', '.npy', '.npz', '.gz')) and named(path):
            return {'name': 'tfds', 'dataset': path}
        raise errors.UserError(f"'{path}' does not exist")
    if (place / MANIFEST).exists() or (place / 'a' / MANIFEST).exists():
        return {'name': 'prepared', 'path': path}
    if place.suffix in ('.npy', '.npz') or next(place.glob('*.npy'), None):
        return {'name': 'array', 'path': path}
    if 'ubyte' in place.name or next(place.glob('*ubyte*'), None):
        return {'name': 'idx', 'path': path}
    is_cifar = 'cifar' in place.name.lower() and archive_kind(path) == 'cifar'
    return {'name': 'cifar' if is_cifar else 'folder', 'path': path}


def archive_kind(path: str) -> str:
    """Tell CIFAR's own archives from folders and archives of images."""
    names = {posixpath.basename(n).removesuffix('.bin') for n in stores.open_store(path).names}
    cifar = 'test_batch' in names or {'train', 'test'} <= names
    return 'cifar' if cifar else 'folder'


def named(name: str) -> bool:
    """Tell whether a name may be one of tensorflow-datasets."""
    word = name.replace('/', '').replace(':', '').replace('.', '').replace('_', '')
    return word.isalnum() and not name.startswith(('/', '.'))


def summary(path: str, split: str = '') -> Summary:
    """Look at some images of a folder or archive and suggest size and channels; reads headers.

    Raises UserError where there are no readable images.
    """
    keys = guess(path)
    if keys['name'] != 'folder':
        source = config.open_source({**config.defaults(), **keys, 'split': split})
        h, w, c = source.spec.shape
        return Summary(
            keys['name'], len(source), f'{h}x{w}', c, source.spec.num_classes, {f'{h}x{w}': 0}
        )
    source = config.open_source({**config.defaults(), **keys, 'split': split, 'on_error': 'skip'})
    seen = []
    for index in spread(len(source)):
        try:
            seen.append(header(source.read(index)))
        except BadImage:
            continue
    sizes = collections.Counter((h, w) for h, w, _, _ in seen)
    channels = 1 if all(c == 1 for _, _, c, _ in seen) else 3
    listed = {f'{h}x{w}': n for (h, w), n in sizes.most_common()}
    classes = source.spec.num_classes
    return Summary('folder', len(source), suggest(sizes), channels, classes, listed)


def suggest(sizes: collections.Counter) -> str:
    """Return a size 'HxW' of at most about SIDE that keeps the shape that most images have.

    Images that agree on a shape keep it; else they are cropped to squares. Sides are multiples of
    4, or of 16 where they are scaled down, so that a convolutional generator can make them.
    """
    shapes = sorted(h / w for (h, w), n in sizes.items() for _ in range(n))
    middle = shapes[len(shapes) // 2]
    agree = sum(abs(s / middle - 1) < 0.05 for s in shapes) >= 0.9 * len(shapes)
    smallest = min(min(h, w) for h, w in sizes)
    side, step = (SIDE, 16) if smallest >= SIDE else (max(4, smallest // 4 * 4), 4)
    ratio = middle if agree else 1.0
    tall, wide = max(1.0, ratio), max(1.0, 1 / ratio)
    h, w = (round(side * r / step) * step for r in (tall, wide))
    return f'{h}x{w}'
