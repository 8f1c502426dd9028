"""Random images in place of a data set, where only shapes and speed matter."""

import math
import re
from typing import Any

import numpy as np

from gan_jax.data import geometry, image_spec
from gan_jax.data.config import count
from gan_jax.data.protocol import Example
from gan_jax.errors import UserError

# distinct images that are kept, at most and in bytes; larger sets repeat them
DISTINCT, KEPT_BYTES = 1024, 2**28


class Source:
    """Offer n random uint8 images of a shape (H, W, C), labelled where there are classes."""

    def __init__(self, shape: tuple[int, int, int], n: int = 2 * DISTINCT, num_classes: int = 0):
        rng = np.random.default_rng(0)
        kept = min(n, DISTINCT, max(1, KEPT_BYTES // math.prod(shape)))
        self.images = rng.integers(0, 256, (kept, *shape), np.uint8)
        self.labels = rng.integers(0, num_classes, kept, np.int32) if num_classes else None
        self.n = n
        self.spec = image_spec(shape, classes=map(str, range(num_classes)))

    def __len__(self) -> int:
        return self.n

    def batch(self, indices: np.ndarray) -> Example:
        """Return several examples as one batch."""
        where = np.asarray(indices) % len(self.images)
        labels = {} if self.labels is None else {'label': self.labels[where]}
        return {'image': self.images[where], **labels}

    def __getitem__(self, index: int) -> Example:
        return {name: values[0] for name, values in self.batch(np.array([index])).items()}


def like(config: Any, shape: str = '', counted: bool = False) -> Source:
    """Return random images as a config's data would be; see `shape_of` for the rule.

    counted: that there are as many matters, and not only their shape.

    Raises:
      UserError: nothing tells the shape or the number, or `shape` is none.
    """
    n, size = parse(shape) if shape else (0, shape_of(config.data))
    if counted and not n:
        n = count_of(config.data)
    return Source(size, n or 2 * DISTINCT, config.get('model', {}).get('classes', 0))


def count_of(data: Any) -> int:
    """Return the number of examples of a config's data; raises UserError where nothing tells."""
    try:
        return count(data)
    except UserError as error:
        raise UserError(
            f'the number of images of data.name={data.name!r} is unknown: write --shape=NxHxWxC '
            f'({error})'
        ) from None


def parse(text: str) -> tuple[int, tuple[int, int, int]]:
    """Return (number of images, 0 for any; shape) of '[Nx]HxWxC'; raise UserError for others."""
    if not re.fullmatch(r'([1-9]\d{0,9}x)?([1-9]\d{0,6}x){2}[1-9]\d{0,6}', text, re.ASCII):
        raise UserError(f'shape={text!r} is not allowed: write HxWxC or NxHxWxC, such as 32x32x3')
    *n, height, width, channels = map(int, text.split('x'))
    return n[0] if n else 0, (height, width, channels)


def shape_of(data: Any) -> tuple[int, int, int]:
    """Return the shape of a config's images without reading any.

    data.size with data.channels (3 where that is 0) if a size is set; else what
    tensorflow-datasets says of its data set; the digits of scikit-learn are 8x8.

    Raises:
      UserError: neither is known.
    """
    size, channels = geometry.parse_size(data.get('size', '')), data.get('channels', 0)
    if size:
        return (*size, channels or 3)
    if data.name == 'digits':
        return 8, 8, 1
    shape = tfds_shape(data.dataset) if data.name == 'tfds' else None
    if shape is None:
        raise UserError(
            f'the size of the images of data.name={data.name!r} is unknown without reading them:'
            ' give --shape=HxWxC, or set config.data.size'
        )
    return (*shape[:2], channels or shape[2])


def tfds_shape(dataset: str) -> tuple[int, int, int] | None:
    """Return the shape that tensorflow-datasets gives of a data set's first image, if it does."""
    import tensorflow_datasets as tfds

    try:
        features = tfds.builder(dataset).info.features
    except Exception:  # whatever an unknown name makes it raise: then nothing is known
        return None
    shapes = (f.shape for f in features.values() if isinstance(f, tfds.features.Image))
    found = next(shapes, None)
    return found if found and None not in found else None
