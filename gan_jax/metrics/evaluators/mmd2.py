"""Squared maximum mean discrepancy with the cubic kernel of KID, over all pairs.

Binkowski et al., Demystifying MMD GANs (2018), arXiv:1801.01401, section 4 and eq. 4.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from gan_jax.metrics.evaluators import protocol

VERSION = 1
BLOCK = 2048


@dataclasses.dataclass(frozen=True)
class Evaluator(protocol.Evaluator):
    """Compute the unbiased MMD^2 of the features."""

    def __call__(self, pair: protocol.Pair) -> Iterator[protocol.Value]:
        """Yield it."""
        value = mmd2(pair.real.features, pair.fake.features)
        yield protocol.Value('mmd2', value, VERSION, {})


def mmd2(x: np.ndarray, y: np.ndarray) -> float:
    """Compute the unbiased MMD^2 of features x [m, d] and y [n, d] with (x.y / d + 1)^3.

    In float64, in blocks of rows. The estimate may be negative for close sets; for one and the
    same set, whose samples are not independent as the estimate takes them to be, it is 0.
    """
    protocol.check_pair(x, y, 2, 'MMD^2')
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if protocol.same(x, y):
        return 0.0
    m, n = len(x), len(y)
    within = (total(x, x) - diagonal(x)) / (m * (m - 1)) + (total(y, y) - diagonal(y)) / (
        n * (n - 1)
    )
    return float(within - 2 * total(x, y) / (m * n))


def total(x: np.ndarray, y: np.ndarray) -> float:
    """Sum the kernel over all pairs."""
    scale = 1 / x.shape[1]
    blocks = (x[i : i + BLOCK] @ y.T for i in range(0, len(x), BLOCK))
    return sum(float(cube(block * scale + 1).sum()) for block in blocks)


def diagonal(x: np.ndarray) -> float:
    """Sum the kernel of each row with itself."""
    return float(cube((x * x).sum(1) / x.shape[1] + 1).sum())


def cube(x: np.ndarray) -> np.ndarray:
    # x ** 3 calls pow for each element
    return x * x * x
