"""LPIPS of pairs: how different they look to VGG16 (Zhang et al. 2018, arXiv:1801.03924)."""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any, ClassVar

import jax
import numpy as np

from gan_jax.kinds.image import scale
from gan_jax.metrics.evaluators import protocol
from gan_jax.perceptual import lpips, weights

BATCH = 16


@dataclasses.dataclass(frozen=True)
class Evaluator(protocol.PerImage):
    """Compute LPIPS of version 0.1 with VGG16; weights: `perceptual.weights`."""

    name: ClassVar[str] = 'lpips'

    def check(self, spaces: Any) -> None:
        """Refuse to measure without the weights."""
        del spaces
        weights.load()

    def parameters(self) -> dict[str, Any]:
        """Return the digest of the weights."""
        return {'weights': weights.load().sha256}

    def values(self, real: np.ndarray, fake: np.ndarray) -> np.ndarray:
        """Return it of each pair [n]; raise UserError for images below 16x16."""
        given = lpips.variables(weights.load())
        return np.concatenate([np.asarray(d) for d in self._distances(given, real, fake)])

    def _distances(self, given: Any, real: np.ndarray, fake: np.ndarray) -> Iterator[jax.Array]:
        for i in range(0, len(real), BATCH):
            yield distances(given, real[i : i + BATCH], fake[i : i + BATCH])


@functools.cache
def compiled() -> Any:
    """Return the compiled distance of images uint8 [n, H, W, C]."""

    def run(given: Any, real: jax.Array, fake: jax.Array) -> jax.Array:
        a, b = (lpips.seen(scale(x, '[-1,1]'), '[-1,1]') for x in (real, fake))
        return lpips.distance(given, a, b)

    return jax.jit(run)


def distances(given: Any, real: np.ndarray, fake: np.ndarray) -> jax.Array:
    """Return LPIPS of pairs [n], at most BATCH of them, which are filled up to that number."""
    n, short = len(real), BATCH - len(real)
    full = [np.concatenate([x, np.repeat(x[-1:], short, 0)]) for x in (real, fake)]
    return compiled()(given, *full)[:n]
