"""Kernel Inception Distance: squared maximum mean discrepancy with a cubic kernel.

Binkowski et al., Demystifying MMD GANs (2018), arXiv:1801.01401, section 4 and eq. 4.
"""

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics import estimate
from gan_jax.metrics.estimate import Estimate

VERSION = 1
BLOCK = 2048


def mmd2(x: np.ndarray, y: np.ndarray) -> float:
    """Compute the unbiased MMD^2 of features x [m, d] and y [n, d] with (x.y / d + 1)^3.

    In float64, in blocks of rows. The estimate may be negative for close sets; for one and the
    same set, whose samples are not independent as the estimate takes them to be, it is 0.
    """
    estimate.pair(x, y, 2, 'MMD^2')
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if estimate.same(x, y):
        return 0.0
    m, n = len(x), len(y)
    within = (total(x, x) - diagonal(x)) / (m * (m - 1)) + (total(y, y) - diagonal(y)) / (
        n * (n - 1)
    )
    return float(within - 2 * total(x, y) / (m * n))


def kid(
    x: np.ndarray, y: np.ndarray, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> Estimate:
    """Compute the mean and standard deviation of MMD^2 over random subsets of both sets.

    Per subset, `subset_size` rows are drawn without replacement first from x, then from y, from
    numpy.random.RandomState(seed), as torch-fidelity does.

    Raises:
      UserError: a set smaller than a subset.
    """
    estimate.pair(x, y, max(subset_size, 2), f'KID with subsets of {subset_size}')
    if subsets < 1 or subset_size < 2:
        raise UserError(f'KID needs subsets >= 1 of size >= 2, not {subsets} of {subset_size}')
    if estimate.same(x, y):
        return Estimate(0.0, 0.0)
    draw = np.random.RandomState(seed)
    values = []
    for _ in range(subsets):
        rows = [draw.choice(len(z), subset_size, replace=False) for z in (x, y)]
        values.append(mmd2(x[rows[0]], y[rows[1]]))
    return Estimate.of(values)


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
