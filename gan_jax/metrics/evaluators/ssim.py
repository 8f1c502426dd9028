"""SSIM of pairs: means, variances and covariance of patches (Wang et al. 2004, IEEE TIP 13(4))."""

import dataclasses
from typing import ClassVar

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics.evaluators import protocol

SIGMA, RADIUS = 1.5, 5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


@dataclasses.dataclass(frozen=True)
class Evaluator(protocol.PerImage):
    """Compute the mean of SSIM, by Gaussian windows of 11x11 that lie within the image.

    Each channel by itself, then their mean, as most code does.
    """

    name: ClassVar[str] = 'ssim'

    def values(self, real: np.ndarray, fake: np.ndarray) -> np.ndarray:
        """Return it of each pair [n]; raise UserError for images below 11x11."""
        if min(real.shape[1:3]) < 2 * RADIUS + 1:
            raise UserError(f'ssim needs 11 x 11 pixels, not {real.shape[1]} x {real.shape[2]}')
        return np.array([ssim(a, b) for a, b in zip(real, fake, strict=True)])


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Return the SSIM of two images uint8 [H, W, C], eq. 13 of the paper, averaged."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    mean_a, mean_b = windows(a), windows(b)
    variances = windows(a * a) - mean_a**2 + windows(b * b) - mean_b**2
    covariance = windows(a * b) - mean_a * mean_b
    found = (2 * mean_a * mean_b + C1) * (2 * covariance + C2)
    return float((found / ((mean_a**2 + mean_b**2 + C1) * (variances + C2))).mean())


def windows(x: np.ndarray) -> np.ndarray:
    """Return the weighted means of the windows of x [H, W, C] that lie within it."""
    import scipy.ndimage  # takes a while, which runs without metrics are spared

    means = scipy.ndimage.gaussian_filter(x, (SIGMA, SIGMA, 0), radius=(RADIUS, RADIUS, 0))
    return means[RADIUS:-RADIUS, RADIUS:-RADIUS]
