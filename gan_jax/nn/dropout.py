"""Dropout whose masks are drawn per example, and so do not depend on how a batch is divided."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core import rng


class Dropout(nn.Module):
    """Zero a share `rate` of x [B, ...] and scale the rest by 1 / (1 - rate).

    keys: per-example keys [B]; the mask of example i depends on keys[i] and on the module's path
    alone. None turns the layer off.
    """

    rate: float

    def __call__(self, x: jax.Array, keys: jax.Array | None) -> jax.Array:
        if keys is None or self.rate == 0:
            return x

        def mask(key: jax.Array) -> jax.Array:
            return jax.random.bernoulli(key, 1 - self.rate, x.shape[1:])

        masks = jax.vmap(mask)(rng.split_each(keys, '/'.join(self.path)))
        return jnp.where(masks, x / (1 - self.rate), 0)
