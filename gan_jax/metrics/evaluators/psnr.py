"""PSNR of pairs: the mean squared error of pixels, in decibels below the largest value."""

import dataclasses
from typing import ClassVar

import numpy as np

from gan_jax.metrics.evaluators import protocol

# Of equal images, whose error is 0.
MOST = 100.0


@dataclasses.dataclass(frozen=True)
class Evaluator(protocol.PerImage):
    """Compute 10 log10(255^2 / MSE) of each pair, at most 100 dB, over all pixels and channels."""

    name: ClassVar[str] = 'psnr'

    def values(self, real: np.ndarray, fake: np.ndarray) -> np.ndarray:
        """Return it of each pair [n]."""
        pairs = zip(real, fake, strict=True)
        errors = np.array([np.square(a.astype(np.float64) - b).mean() for a, b in pairs])
        least = 255**2 / 10 ** (MOST / 10)
        return 10 * np.log10(255**2 / np.maximum(errors, least))
