"""Least squares, LSGAN (Mao et al. 2017, arXiv:1611.04076)."""

import jax
import jax.numpy as jnp

from gan_jax.core import keys
from gan_jax.core.losses.protocol import Adversarial, Target, like

KEYS = {
    'half': keys.flag(True, 'Multiply by 1/2, as in the paper.'),
    'a': keys.number(0.0, "D's target of generated images.", low=-1000, high=1000),
    'b': keys.number(1.0, "D's target of real images.", low=-1000, high=1000),
    'c': keys.number(None, "G's target; None for b.", low=-1000, high=1000),
}


def make(half: bool = True, a: float = 0.0, b: float = 1.0, c: float | None = None) -> Adversarial:
    """Make the least squares loss of Mao et al. 2017 (arXiv:1611.04076, eq. 2).

    D: k (r - b)^2 + k (f - a)^2; G: k (f - c)^2. k is 1/2 as in the paper, or 1 with half=False,
    as in most code. a = 0, b = c = 1 is the paper's eq. 9 and the default; a = -1, b = 1, c = 0 is
    its eq. 8, which minimises a Pearson chi-squared divergence. c = None stands for b.
    """
    k = 0.5 if half else 1.0
    aim = b if c is None else c

    def toward(logits: jax.Array, target: Target) -> jax.Array:
        return k * jnp.square(logits - like(target, logits))

    def d(real: jax.Array, fake: jax.Array) -> jax.Array:
        return toward(real, b) + toward(fake, a)

    def g(real: jax.Array, fake: jax.Array) -> jax.Array:
        return toward(fake, aim)

    return Adversarial(d, g, toward, threshold=(a + b) / 2)
