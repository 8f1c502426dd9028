"""Gaussian noise on activations, drawn per example as the masks of dropout are."""

from typing import Any

import flax.linen as nn
import jax

from gan_jax.core import rng

# How the layers of a generator get their noise; see `PixelNoise`.
MODES = ('const', 'random', 'none')


def drawn(layer: nn.Module, keys: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """Return N(0, 1) of a shape for each example, of its key [B] and the layer's path alone."""
    return rng.normal_each(rng.split_each(keys, '/'.join(layer.path)), shape, dtype)


class Noise(nn.Module):
    """Add N(0, sigma) to x [B, ...] (as in Salimans et al. 2016, arXiv:1606.03498).

    keys: per-example keys [B]; the noise of example i depends on keys[i] and on the module's path
    alone. None turns the layer off.
    """

    sigma: float

    def __call__(self, x: jax.Array, keys: jax.Array | None) -> jax.Array:
        if keys is None or self.sigma == 0:
            return x
        return x + self.sigma * drawn(self, keys, x.shape[1:], x.dtype)


class PixelNoise(nn.Module):
    """Add N(0, 1), the same to all channels of a pixel, times a learnt number that starts at 0.

    Karras et al. 2019 (arXiv:1812.04948). each: whether every channel has a number of its own, as
    there; one for all is StyleGAN2's. mode: 'random' draws it for each example of x
    [B, H, W, C] from its key [B], 'const' takes the layer's own image, which was drawn once and is
    kept beside the parameters, 'none' adds nothing.
    """

    each: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, mode: str, keys: jax.Array | None = None) -> jax.Array:
        size = x.shape[1:3]
        shape = x.shape[-1:] if self.each else ()
        strength = self.param('strength', nn.initializers.zeros, shape)
        own = self.variable(
            'noise', 'image', lambda: jax.random.normal(self.make_rng('params'), size)
        )
        if mode == 'none':
            return x
        images = own.value[None]
        if mode == 'random':
            if keys is None:
                raise ValueError("noise 'random' is drawn from keys; got none")
            images = drawn(self, keys, size, images.dtype)
        return x + (strength.reshape(1, 1, 1, -1) * images[..., None]).astype(x.dtype)
