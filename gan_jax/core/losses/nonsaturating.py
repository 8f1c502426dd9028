"""The non-saturating loss (Goodfellow et al. 2014, arXiv:1406.2661, section 3)."""

import jax

from gan_jax.core.losses.protocol import Adversarial, cross_entropy, cross_entropy_d


def make() -> Adversarial:
    """Make the non-saturating loss of Goodfellow et al. 2014 (arXiv:1406.2661, section 3).

    D: -log s(r) - log(1 - s(f)); G: -log s(f), where s is the logistic function.
    """
    return Adversarial(cross_entropy_d, lambda real, fake: jax.nn.softplus(-fake), cross_entropy)
