"""Count modes: 2-D mixtures of Gaussians and Stacked MNIST.

Conventions of Lin et al., PacGAN (2018), arXiv:1712.04086, sections 4.1 and 4.2, after Srivastava
et al., VEEGAN (2017), arXiv:1705.07761, and Metz et al., Unrolled GANs (2017), arXiv:1611.02163.
"""

from typing import NamedTuple

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics import estimate

VERSION = 1
STACKED_MODES = 1000
STACKED_SAMPLES = 26_000


class Mixture(NamedTuple):
    """Modes found, share of high-quality samples, reverse KL divergence in nats."""

    modes: int
    high_quality: float
    reverse_kl: float


class Stacked(NamedTuple):
    """Modes found of 1000, KL divergence to the uniform distribution in nats."""

    modes: int
    kl: float


def mixture(samples: np.ndarray, centers: np.ndarray, std: float) -> Mixture:
    """Compare samples [n, d] with an even mixture of Gaussians of centers [m, d] and one std.

    A sample belongs to its nearest centre, and is of high quality within 3 std of it. A mode is
    found if it has a sample of high quality. The reverse KL is KL(q || uniform) where q is the
    share of all samples that belongs to each mode.

    Raises:
      UserError: no samples, shapes that do not agree, or values that are not finite.
    """
    estimate.pair(centers, samples, 1, 'the mixture metric')
    if not std > 0:
        raise UserError(f'the mixture metric needs std > 0, not {std}')
    samples, centers = np.asarray(samples, np.float64), np.asarray(centers, np.float64)
    distances = np.stack([np.linalg.norm(samples - center, axis=1) for center in centers], axis=1)
    nearest = distances.argmin(1)
    good = distances.min(1) <= 3 * std
    counts = np.bincount(nearest, minlength=len(centers))
    return Mixture(len(np.unique(nearest[good])), float(good.mean()), kl_to_uniform(counts))


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


def kl_to_uniform(counts: np.ndarray) -> float:
    """Return KL(shares || uniform) in nats; an empty mode adds 0."""
    shares = counts[counts > 0] / counts.sum()
    return float(max((shares * np.log(shares * len(counts))).sum(), 0.0))
