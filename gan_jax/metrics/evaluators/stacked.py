"""Stacked MNIST: how many of its 1,000 modes a model makes.

Conventions of Lin et al., PacGAN (2018), arXiv:1712.04086, section 4.2, after Metz et al., Unrolled
GANs (2017), arXiv:1611.02163.
"""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics.evaluators import protocol
from gan_jax.metrics.mixture import kl_to_uniform

VERSION = 1
STACKED_MODES = 1000


@dataclasses.dataclass(frozen=True)
class Evaluator(protocol.Evaluator):
    """Count modes by a classifier of single digits, and their divergence from uniform."""

    def __call__(self, pair: protocol.Pair) -> Iterator[protocol.Value]:
        """Yield the number of modes, and the KL in nats."""
        result = stacked(protocol.own_classes(pair, 'stacked'))
        yield protocol.Value('stacked-modes', result.modes, VERSION, {})
        yield protocol.Value('stacked-kl', result.kl, VERSION, {})


class Stacked(NamedTuple):
    """Modes found of 1000, KL divergence to the uniform distribution in nats."""

    modes: int
    kl: float


def stacked(labels: np.ndarray) -> Stacked:
    """Count the modes of Stacked MNIST in a classifier's opinion of the samples.

    labels: [n] integers 0..999, or [n, 3] digits 0..9 of the three channels, which make the number
    100 a + 10 b + c. A mode is found if it has one sample; published numbers draw 26,000 samples.
    The divergence is KL(shares of the samples || uniform over 1000) in nats: 26,000 samples of a
    perfect generator give about 0.019, not 0.

    Raises:
      UserError: no labels, or labels that are no such integers.
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in 'iu' or labels.size == 0 or labels.shape[1:] not in ((), (3,)):
        raise UserError(
            'Stacked MNIST takes integer labels [n] or [n, 3], at least one; '
            f'got {labels.dtype} {labels.shape}'
        )
    top = STACKED_MODES if labels.ndim == 1 else 10
    if labels.min() < 0 or labels.max() >= top:
        raise UserError(f'labels run from {labels.min()} to {labels.max()}; allowed: 0..{top - 1}')
    if labels.ndim == 2:
        labels = labels.astype(np.int64) @ np.array([100, 10, 1])
    counts = np.bincount(labels, minlength=STACKED_MODES)
    return Stacked(int((counts > 0).sum()), kl_to_uniform(counts))
