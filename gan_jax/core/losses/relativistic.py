"""Relativistic pairing, RpGAN (Jolicoeur-Martineau 2018, arXiv:1807.00734)."""

import jax

from gan_jax.core.losses.protocol import Adversarial


def make() -> Adversarial:
    """Make the relativistic pairing loss, RpGAN (Jolicoeur-Martineau 2018, arXiv:1807.00734).

    D: -log s(r - f); G: -log s(f - r), example by example. R3GAN (Huang et al. 2024,
    arXiv:2501.05441) pairs it with r1 and r2.
    """

    def d(real: jax.Array, fake: jax.Array) -> jax.Array:
        return jax.nn.softplus(fake - real)

    return Adversarial(d=d, g=lambda real, fake: jax.nn.softplus(real - fake))
