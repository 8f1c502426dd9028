"""Sliced Wasserstein distance of features.

Rabin et al., Wasserstein Barycenter and its Application to Texture Mixing (2011).
"""

import numpy as np

from gan_jax.metrics import estimate

VERSION = 1
# directions that are projected on at once: memory is for n x 32 numbers of each set
BLOCK = 32


def sliced_wasserstein(x: np.ndarray, y: np.ndarray, directions: int = 512, seed: int = 0) -> float:
    """Compute the mean absolute difference of x [n, d] and y [m, d] sorted along random lines.

    Sets of different sizes are compared at the quantiles of the smaller one.
    """
    estimate.pair(x, y, 1, 'the sliced Wasserstein distance')
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
