"""L1 of pairs: how far the pixels of made images are from those that they were to have."""

import dataclasses
from typing import ClassVar

import numpy as np

from gan_jax.metrics.evaluators import protocol


@dataclasses.dataclass(frozen=True)
class Evaluator(protocol.PerImage):
    """Compute the mean distance |real - fake| of pairs, of pixels in [0, 1]."""

    name: ClassVar[str] = 'l1'

    def values(self, real: np.ndarray, fake: np.ndarray) -> np.ndarray:
        """Return it of each pair [n]."""
        pairs = zip(real, fake, strict=True)
        return np.array([np.abs(a.astype(np.int32) - b).mean() / 255 for a, b in pairs])
