"""0-GP: gradients of norm 0 between real and generated images (arXiv:1902.03984)."""

from dataclasses import dataclass

import jax

from gan_jax.terms.gradients import Critic, GradientPenalty, interpolate, squared_gradient


@dataclass(frozen=True)
class Term(GradientPenalty):
    """Penalise |dD/dx|^2 between real and generated images (Thanh-Tung et al. 2019)."""

    def penalty(
        self, critic: Critic, real: jax.Array, fake: jax.Array, keys: jax.Array
    ) -> jax.Array:
        """Return the penalty of every example, [B]."""
        return squared_gradient(critic, interpolate(real, fake, keys))
