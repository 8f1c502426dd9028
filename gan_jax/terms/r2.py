"""R2: the squared gradient at generated images (Mescheder et al. 2018, arXiv:1801.04406)."""

from dataclasses import dataclass

import jax

from gan_jax.terms.gradients import Critic, GradientPenalty, squared_gradient


@dataclass(frozen=True)
class Term(GradientPenalty):
    """Penalise |dD/dx|^2 / 2 at generated images, so that the weight is the paper's gamma."""

    on_fake = True

    def penalty(
        self, critic: Critic, real: jax.Array, fake: jax.Array, keys: jax.Array
    ) -> jax.Array:
        """Return the penalty of every example, [B]."""
        del real, keys
        return 0.5 * squared_gradient(critic, fake)
