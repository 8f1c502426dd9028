"""Sliced Wasserstein distance of features.

Rabin et al., Wasserstein Barycenter and its Application to Texture Mixing (2011).
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from gan_jax.core import keys
from gan_jax.metrics.evaluators import protocol

VERSION = 1
# directions that are projected on at once: memory is for n x 32 numbers of each set
BLOCK = 32


@dataclasses.dataclass(frozen=True)
class Evaluator(protocol.Evaluator):
    """Compute the sliced Wasserstein distance of the features."""

    directions: int = keys.field(
        keys.count(512, 'Random lines to project on.', high=100_000, learns=False)
    )

    def __call__(self, pair: protocol.Pair) -> Iterator[protocol.Value]:
        """Yield it."""
        sets = pair.real.features, pair.fake.features
        value = sliced_wasserstein(*sets, self.directions, pair.seed)
        yield protocol.Value('swd', value, VERSION, {'directions': self.directions})


def sliced_wasserstein(x: np.ndarray, y: np.ndarray, directions: int = 512, seed: int = 0) -> float:
    """Compute the mean absolute difference of x [n, d] and y [m, d] sorted along random lines.

    Sets of different sizes are compared at the quantiles of the smaller one.
    """
    protocol.check_pair(x, y, 1, 'the sliced Wasserstein distance')
    lines = np.random.default_rng(seed).standard_normal((x.shape[1], directions))
    lines /= np.linalg.norm(lines, axis=0)
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    n = min(len(x), len(y))
    total = 0.0
    for i in range(0, directions, BLOCK):
        a, b = (quantiles(np.sort(z @ lines[:, i : i + BLOCK], axis=0), n) for z in (x, y))
        total += float(np.abs(a - b).sum())
    return total / (n * directions)


def quantiles(values: np.ndarray, n: int) -> np.ndarray:
    """Return n rows of sorted values [m, k], m >= n, evenly spread."""
    if len(values) == n:
        return values
    at = (np.arange(n) + 0.5) * (len(values) / n) - 0.5
    low = np.floor(at).astype(int)
    part = (at - low)[:, None]
    return values[low] * (1 - part) + values[np.minimum(low + 1, len(values) - 1)] * part
