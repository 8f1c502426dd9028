"""Gaussian noise on activations, drawn per example as the masks of dropout are."""

import flax.linen as nn
import jax

from gan_jax.core import rng


class Noise(nn.Module):
    """Add N(0, sigma) to x [B, ...] (as in Salimans et al. 2016, arXiv:1606.03498).

    keys: per-example keys [B]; the noise of example i depends on keys[i] and on the module's path
    alone. None turns the layer off.
    """

    sigma: float

    def __call__(self, x: jax.Array, keys: jax.Array | None) -> jax.Array:
        if keys is None or self.sigma == 0:
            return x

        def draw(key: jax.Array) -> jax.Array:
            return jax.random.normal(key, x.shape[1:], x.dtype)

        return x + self.sigma * jax.vmap(draw)(rng.split_each(keys, '/'.join(self.path)))
