"""Kernel Inception Distance: squared maximum mean discrepancy with a cubic kernel.

Binkowski et al., Demystifying MMD GANs (2018), arXiv:1801.01401, section 4 and eq. 4.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from gan_jax.core import keys
from gan_jax.errors import UserError
from gan_jax.metrics.evaluators import protocol
from gan_jax.metrics.evaluators.mmd2 import mmd2

VERSION = 1


@dataclasses.dataclass(frozen=True)
class Evaluator(protocol.Evaluator):
    """Compute KID over subsets of the features."""

    subsets: int = keys.field(
        keys.count(100, 'Subsets that KID averages over.', high=1_000_000, learns=False)
    )
    subset_size: int = keys.field(keys.count(1000, 'Images of a subset.', low=2, learns=False))

    def needs(self) -> int:
        """Return the size of a subset."""
        return self.subset_size

    def __call__(self, pair: protocol.Pair) -> Iterator[protocol.Value]:
        """Yield the mean over subsets, with its standard error."""
        n, size = self.subsets, self.subset_size
        estimate = kid(pair.real.features, pair.fake.features, n, size, pair.seed)
        parameters = {'subsets': n, 'subset_size': size}
        yield estimate.value('kid', n, 'subsets', VERSION, parameters)


def kid(
    x: np.ndarray, y: np.ndarray, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> protocol.Estimate:
    """Compute the mean and standard deviation of MMD^2 over random subsets of both sets.

    Per subset, `subset_size` rows are drawn without replacement first from x, then from y, from
    numpy.random.RandomState(seed), as torch-fidelity does.

    Raises:
      UserError: a set smaller than a subset.
    """
    protocol.check_pair(x, y, max(subset_size, 2), f'KID with subsets of {subset_size}')
    if subsets < 1 or subset_size < 2:
        raise UserError(f'KID needs subsets >= 1 of size >= 2, not {subsets} of {subset_size}')
    if protocol.same(x, y):
        return protocol.Estimate(0.0, 0.0)
    draw = np.random.RandomState(seed)
    values = []
    for _ in range(subsets):
        rows = [draw.choice(len(z), subset_size, replace=False) for z in (x, y)]
        values.append(mmd2(x[rows[0]], y[rows[1]]))
    return protocol.Estimate.of(values)
