"""The Wasserstein loss, WGAN (Arjovsky et al. 2017, arXiv:1701.07875)."""

import jax

from gan_jax.core.losses.protocol import Adversarial


def make() -> Adversarial:
    """Make the Wasserstein loss of Arjovsky et al. 2017 (arXiv:1701.07875).

    D: f - r; G: -f. The critic must be kept Lipschitz, by clipped weights or a penalty. It has no
    natural zero: the threshold 0 for calling an image real is only indicative.
    """

    def d(real: jax.Array, fake: jax.Array) -> jax.Array:
        return fake - real

    return Adversarial(d=d, g=lambda real, fake: -fake)
