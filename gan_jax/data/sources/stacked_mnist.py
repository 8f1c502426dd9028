"""Stacked MNIST: three digits as the channels of one image, 1,000 modes.

Metz et al. 2017 (arXiv:1611.02163), as Lin et al. 2018 (arXiv:1712.04086) have it.
"""

import pathlib
from typing import Any

import numpy as np

from gan_jax.core import keys
from gan_jax.data.geometry import Geometry
from gan_jax.data.in_memory import InMemory
from gan_jax.data.keys import LABELS, PATH, PLAIN, SPLIT
from gan_jax.data.protocol import load
from gan_jax.data.sources import idx, tfds

CHANNELS = 3
CLASSES = tuple(f'{i:03}' for i in range(10**CHANNELS))
KEYS = {
    **PATH,
    **SPLIT,
    **LABELS,
    **PLAIN,
    'stacks': keys.count(60_000, 'Stacks of three digits, drawn at random.', high=10_000_000),
}


class Source(InMemory):
    """Serve stacks of three digits of MNIST, each drawn with replacement; always the same ones.

    path: idx files (or their folder), or tensorflow-datasets' folder of prepared sets, '' for its
    own. The label of the digits a, b, c is 100 a + 10 b + c.
    """

    def __init__(
        self,
        path: str = '',
        split: str = '',
        fit: Geometry | None = None,
        labels: str = 'auto',
        stacks: int = 60_000,
    ):
        digits = mnist(path, split)
        everything = load(digits, np.arange(len(digits)))
        chosen = draw(stacks, len(digits))
        images = everything['image'][..., 0][chosen]
        numbers = everything['label'][chosen] @ 10 ** np.arange(CHANNELS)[::-1]
        wanted = None if labels == 'none' else numbers
        super().__init__(np.moveaxis(images, 1, 3), wanted, fit or Geometry(), 'stacked_mnist',
                         CLASSES if wanted is not None else ())  # fmt: skip


def mnist(path: str, split: str) -> Any:
    """Return MNIST itself: of idx files where a path holds some, else of tensorflow-datasets."""
    folder = pathlib.Path(path).expanduser()
    if path and (folder.is_file() or any(folder.glob('*images*ubyte*'))):
        return idx.Source(path, split)
    return tfds.Source('mnist', path, split)


def draw(stacks: int, digits: int) -> np.ndarray:
    """Return the numbers of the digits of each stack [stacks, 3], from bits numpy promises."""
    bits = np.random.Philox(0).random_raw(CHANNELS * stacks)
    return (bits % np.uint64(digits)).astype(np.int64).reshape(stacks, CHANNELS)
