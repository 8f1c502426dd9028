"""Latents: how they are drawn, and how to interpolate between them."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from gan_jax.errors import choose


def normal(key: jax.Array, dim: int) -> jax.Array:
    """Draw one latent from the standard normal distribution."""
    return jax.random.normal(key, (dim,))


def uniform(key: jax.Array, dim: int) -> jax.Array:
    """Draw one latent uniformly from [-1, 1]."""
    return jax.random.uniform(key, (dim,), minval=-1.0, maxval=1.0)


PRIORS = {'normal': normal, 'uniform': uniform}


def prior(name: str) -> Callable[[jax.Array, int], jax.Array]:
    """Return the prior of a name; raise UserError with those available."""
    return choose(PRIORS, name, 'model.prior')


def slerp(a: jax.Array, b: jax.Array, t: float) -> jax.Array:
    """Interpolate between latents [n, d] along great circles, t from 0 to 1 (Shoemake 1985)."""
    norm_a = jnp.linalg.norm(a, axis=-1, keepdims=True)
    norm_b = jnp.linalg.norm(b, axis=-1, keepdims=True)
    cosine = jnp.sum(a * b, axis=-1, keepdims=True) / (norm_a * norm_b)
    angle = jnp.arccos(jnp.clip(cosine, -1.0, 1.0))
    sine = jnp.sin(angle)
    straight = (1 - t) * a + t * b
    round_ = (jnp.sin((1 - t) * angle) * a + jnp.sin(t * angle) * b) / jnp.where(
        sine > 1e-4, sine, 1.0
    )
    return jnp.where(sine > 1e-4, round_, straight)
