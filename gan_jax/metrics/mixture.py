"""Count the modes of 2-D mixtures of Gaussians.

Conventions of Lin et al., PacGAN (2018), arXiv:1712.04086, section 4.1, after Srivastava
et al., VEEGAN (2017), arXiv:1705.07761, and Metz et al., Unrolled GANs (2017), arXiv:1611.02163.
"""

from typing import NamedTuple

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics.evaluators import protocol


class Mixture(NamedTuple):
    """Modes found, share of high-quality samples, reverse KL divergence in nats."""

    modes: int
    high_quality: float
    reverse_kl: float


def mixture(samples: np.ndarray, centers: np.ndarray, std: float) -> Mixture:
    """Compare samples [n, d] with an even mixture of Gaussians of centers [m, d] and one std.

    A sample belongs to its nearest centre, and is of high quality within 3 std of it. A mode is
    found if it has a sample of high quality. The reverse KL is KL(q || uniform) where q is the
    share of all samples that belongs to each mode.

    Raises:
      UserError: no samples, shapes that do not agree, or values that are not finite.
    """
    protocol.check_pair(centers, samples, 1, 'the mixture metric')
    if not std > 0:
        raise UserError(f'the mixture metric needs std > 0, not {std}')
    samples, centers = np.asarray(samples, np.float64), np.asarray(centers, np.float64)
    distances = np.stack([np.linalg.norm(samples - center, axis=1) for center in centers], axis=1)
    nearest = distances.argmin(1)
    good = distances.min(1) <= 3 * std
    counts = np.bincount(nearest, minlength=len(centers))
    return Mixture(len(np.unique(nearest[good])), float(good.mean()), kl_to_uniform(counts))


def kl_to_uniform(counts: np.ndarray) -> float:
    """Return KL(shares || uniform) in nats; an empty mode adds 0."""
    shares = counts[counts > 0] / counts.sum()
    return float(max((shares * np.log(shares * len(counts))).sum(), 0.0))
