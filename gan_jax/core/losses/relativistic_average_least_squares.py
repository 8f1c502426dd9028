"""Relativistic average least squares, RaLSGAN (arXiv:1807.00734, appendix)."""

import jax.numpy as jnp

from gan_jax.core.losses.protocol import Adversarial
from gan_jax.core.losses.relativistic_average import KEYS, average

__all__ = ['KEYS', 'make']


def make(half: bool = True) -> Adversarial:
    """Make the loss with D: k [(r - E f - 1)^2 + (f - E r + 1)^2].

    k and E as in `relativistic_average.average`.
    """
    return average(lambda x: jnp.square(x - 1.0), lambda x: jnp.square(x + 1.0), half)
