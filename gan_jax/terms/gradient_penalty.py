"""WGAN-GP: gradients of norm 1 between real and generated images (arXiv:1704.00028, eq. 3)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from gan_jax.core import keys as declare
from gan_jax.terms.gradients import Critic, GradientPenalty, gradient_norm, interpolate


@dataclass(frozen=True)
class Term(GradientPenalty):
    """Penalise (|dD/dx| - target)^2 between real and generated images; the paper's weight is 10.

    Gulrajani et al. 2017. With `one_sided` only norms above the target are penalised (Petzka et
    al. 2018, arXiv:1709.08894). Another target than 1 gives the penalty of Karras et al. 2018
    (arXiv:1710.10196, section A.1) up to its factor 1 / target^2.
    """

    target: float = declare.field(
        declare.number(1.0, 'Norm that a gradient should have.', low=0, high=1_000_000)
    )
    one_sided: bool = declare.field(declare.flag(False, 'Penalise only norms above the target.'))

    def penalty(
        self, critic: Critic, real: jax.Array, fake: jax.Array, keys: jax.Array
    ) -> jax.Array:
        """Return the penalty of every example, [B]."""
        excess = gradient_norm(critic, interpolate(real, fake, keys)) - self.target
        return jnp.square(jax.nn.relu(excess) if self.one_sided else excess)
