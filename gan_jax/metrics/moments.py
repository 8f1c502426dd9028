"""Mean and covariance in float64, batch by batch, merged over devices and processes.

Chan, Golub and LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample
Variances (1979), eq. 2.1 for matrices.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class Moments(NamedTuple):
    """Hold the number of rows, their mean [d], and the sum of outer products about it [d, d]."""

    size: int
    mean: np.ndarray
    scatter: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, block: int = 8192) -> 'Moments':
        """Compute the moments of features [n, d] with memory for a block of rows in float64."""
        return cls.over(features[i : i + block] for i in range(0, len(features), block))

    @classmethod
    def over(cls, batches: Iterable[np.ndarray]) -> 'Moments':
        """Accumulate batches [n, d]; there must be at least one."""
        batches = iter(batches)
        total = block_moments(next(batches))
        for batch in batches:
            total = total.merge(block_moments(batch))
        return total

    def merge(self, other: 'Moments') -> 'Moments':
        """Return the moments of both sets together."""
        size = self.size + other.size
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.size / size)
        between = np.outer(delta, delta) * (self.size * other.size / size)
        return Moments(size, mean, self.scatter + other.scatter + between)

    def covariance(self) -> np.ndarray:
        """Return the unbiased covariance [d, d]; the size must be at least 2."""
        return self.scatter / (self.size - 1)


def block_moments(batch: np.ndarray) -> Moments:
    batch = np.asarray(batch, np.float64)
    mean = batch.mean(0)
    residual = batch - mean
    return Moments(len(batch), mean, residual.T @ residual)
