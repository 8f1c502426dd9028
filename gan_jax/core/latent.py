"""Latents: how they are drawn, and how to interpolate between them."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import lax

from gan_jax.errors import UserError, choose

T = TypeVar('T')

# Below it, drawing anew takes long: of a normal latent 0.8 % of the numbers are within.
LEAST_TRUNCATION = 0.01


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


def truncated(
    draw: Callable[[jax.Array], jax.Array], threshold: float
) -> Callable[[jax.Array], jax.Array]:
    """Return a prior (key -> latent) without numbers beyond +-threshold, which are drawn anew.

    The truncation trick (Brock et al. 2019, arXiv:1809.11096). A latent depends on its key alone,
    and is that of `draw` where nothing was beyond.

    Raises:
      UserError: the threshold is no number of at least LEAST_TRUNCATION.
    """
    if not isinstance(threshold, int | float) or not threshold >= LEAST_TRUNCATION:
        raise UserError(
            f'truncation={threshold!r} is not allowed: it must be at least {LEAST_TRUNCATION}; '
            'None for none'
        )

    def beyond(latent: jax.Array) -> jax.Array:
        return jnp.abs(latent) > threshold

    def within(key: jax.Array) -> jax.Array:
        def again(carry):
            turn, latent = carry
            fresh = draw(jax.random.fold_in(key, turn))
            return turn + 1, jnp.where(beyond(latent), fresh, latent)

        return lax.while_loop(lambda carry: beyond(carry[1]).any(), again, (0, draw(key)))[1]

    return within


def slerp(a: jax.Array, b: jax.Array, t: jax.Array | float) -> jax.Array:
    """Interpolate between latents [n, d], t from 0 to 1, a number or [n, 1].

    Directions move along great circles (Shoemake 1985), lengths in proportion.
    """
    long_a = jnp.linalg.norm(a, axis=-1, keepdims=True)
    long_b = jnp.linalg.norm(b, axis=-1, keepdims=True)
    a, b = a / long_a, b / long_b
    angle = jnp.arccos(jnp.clip(jnp.sum(a * b, axis=-1, keepdims=True), -1.0, 1.0))
    sine = jnp.sin(angle)
    round_ = (jnp.sin((1 - t) * angle) * a + jnp.sin(t * angle) * b) / jnp.where(
        sine > 1e-4, sine, 1.0
    )
    return lerp(long_a, long_b, t) * jnp.where(sine > 1e-4, round_, lerp(a, b, t))


def leading(spaces: Mapping[str, T], name: str) -> list[T]:
    """Return the spaces that lead to one, from the first on: of w that of z, of z none."""
    return [*spaces.values()][: [*spaces].index(name)]


def lerp(a: jax.Array, b: jax.Array, t: jax.Array | float) -> jax.Array:
    """Interpolate between latents [n, ...] along straight lines, t a number or [n, 1, ...]."""
    return (1 - t) * a + t * b
