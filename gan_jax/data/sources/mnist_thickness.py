"""MNIST, each digit labelled by how thick its strokes are: an age that can be measured."""

import jax
import numpy as np

from gan_jax.core import keys, strokes
from gan_jax.data.geometry import Geometry
from gan_jax.data.in_memory import InMemory
from gan_jax.data.keys import PATH, PLAIN, SPLIT
from gan_jax.data.protocol import load
from gan_jax.data.sources.stacked_mnist import mnist

KEYS = {
    **PATH,
    **SPLIT,
    **PLAIN,
    'ages': keys.count(10, 'Classes of thickness.', low=2, high=100),
}
# What lies between has classes of one width; what is thinner or thicker is in the outer ones.
QUANTILES = (0.1, 0.9)
# Digits that are measured at once.
PART = 2000


class Source(InMemory):
    """Serve the digits of MNIST with a label from 0, the thinnest, on; see `core.strokes`.

    path: as of stacked_mnist. The borders of the classes are those of the digits of split 'train',
    whatever the split. A class is named after where it begins, in pixels.
    """

    def __init__(
        self, path: str = '', split: str = '', fit: Geometry | None = None, ages: int = 10
    ):
        split = split or 'train'
        images, measured = digits(path, split)
        known = measured if split == 'train' else digits(path, 'train')[1]
        thinnest, thickest = np.quantile(known, QUANTILES)
        borders = np.linspace(thinnest, thickest, ages - 1)
        names = (f'below {borders[0]:.2f}', *(f'from {border:.2f}' for border in borders))
        labels = np.searchsorted(borders, measured, side='right').astype(np.int32)
        super().__init__(images, labels, fit or Geometry(), 'mnist_thickness', names)


def digits(path: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the images uint8 [n, 28, 28, 1] of a split, and their thickness [n]."""
    source = mnist(path, split)
    images = load(source, np.arange(len(source)))['image']
    measure = jax.jit(lambda part: strokes.thickness(part / 255.0))
    parts = (images[start : start + PART] for start in range(0, len(images), PART))
    return images, np.concatenate([np.asarray(measure(part)) for part in parts])
