"""The minimax loss, which saturates (Goodfellow et al. 2014, arXiv:1406.2661, eq. 1)."""

import jax

from gan_jax.core.losses.protocol import Adversarial, cross_entropy, cross_entropy_d


def make() -> Adversarial:
    """Make the minimax (saturating) loss of Goodfellow et al. 2014 (arXiv:1406.2661, eq. 1).

    D: -log s(r) - log(1 - s(f)); G: log(1 - s(f)), whose gradient vanishes where D is sure.
    """
    return Adversarial(cross_entropy_d, lambda real, fake: -jax.nn.softplus(fake), cross_entropy)
