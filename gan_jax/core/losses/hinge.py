"""The hinge loss (Lim and Ye 2017, arXiv:1705.02894), as in SNGAN and BigGAN."""

import jax

from gan_jax.core.losses.protocol import Adversarial


def make() -> Adversarial:
    """Make the hinge loss of Lim and Ye 2017 (arXiv:1705.02894), as in SNGAN and BigGAN.

    D: relu(1 - r) + relu(1 + f); G: -f.
    """

    def d(real: jax.Array, fake: jax.Array) -> jax.Array:
        return jax.nn.relu(1.0 - real) + jax.nn.relu(1.0 + fake)

    return Adversarial(d=d, g=lambda real, fake: -fake)
