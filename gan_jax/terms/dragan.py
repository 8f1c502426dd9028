"""DRAGAN: gradients of norm 1 around real images (Kodali et al. 2017, arXiv:1705.07215)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from gan_jax.core import keys as declare
from gan_jax.runtime import parallel
from gan_jax.terms.gradients import Critic, GradientPenalty, gradient_norm


@dataclass(frozen=True)
class Term(GradientPenalty):
    """Penalise (|dD/dx| - target)^2 at perturbed real images; the paper's weight is 10.

    The noise is that of the authors' code.
    """

    over_batch = True

    target: float = declare.field(
        declare.number(1.0, 'Norm that a gradient should have.', low=0, high=1_000_000)
    )
    spread: float = declare.field(
        declare.number(
            0.5, "Size of the noise, in the batch's standard deviations.", low=0, high=1000
        )
    )

    def penalty(
        self, critic: Critic, real: jax.Array, fake: jax.Array, keys: jax.Array
    ) -> jax.Array:
        """Return the penalty of every example, [B]."""
        del fake
        return jnp.square(gradient_norm(critic, perturb(real, keys, self.spread)) - self.target)


def perturb(real: jax.Array, keys: jax.Array, spread: float) -> jax.Array:
    """Return x + a spread s u of real x, with a ~ U(0, 1) per example and u ~ U(0, 1) per element.

    s is the standard deviation of the batch on all devices.
    """
    mean = parallel.pmean(jnp.mean(real))
    deviation = jnp.sqrt(parallel.pmean(jnp.mean(jnp.square(real - mean))))

    def noise(key: jax.Array) -> jax.Array:
        alpha, u = jax.random.split(key)
        shape = real.shape[1:]
        return jax.random.uniform(alpha, (), real.dtype) * jax.random.uniform(u, shape, real.dtype)

    return real + spread * deviation * jax.vmap(noise)(keys)
