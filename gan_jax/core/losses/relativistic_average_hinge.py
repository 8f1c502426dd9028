"""Relativistic average hinge, RaHingeGAN (arXiv:1807.00734, appendix)."""

import jax

from gan_jax.core.losses.protocol import Adversarial
from gan_jax.core.losses.relativistic_average import KEYS, average

__all__ = ['KEYS', 'make']


def make(half: bool = True) -> Adversarial:
    """Make the loss with D: k [relu(1 - (r - E f)) + relu(1 + (f - E r))].

    k and E as in `relativistic_average.average`.
    """
    return average(lambda x: jax.nn.relu(1.0 - x), lambda x: jax.nn.relu(1.0 + x), half)
