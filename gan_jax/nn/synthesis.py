"""The synthesis network of StyleGAN2: from a vector w for each layer to images."""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.nn import init, resample
from gan_jax.nn.modulation import StyledConv, StyledImage


class Synthesis(nn.Module):
    """Map ws [B, 2 stages, n] to images [B, H, W, channels] (Karras et al. 2020, arXiv:1912.04958).

    A learnt image of `smallest` pixels is doubled from stage to stage. In a 'skip' architecture
    each stage makes an image, and they are added up; in a 'residual' one stages are residual blocks
    and the last makes the image; a 'plain' one has neither. Each convolution has a w of its own;
    that of a stage's image is the first convolution's of the next stage, too.

    widths, dtypes: channels of each stage, and the type that it computes in; clamp: bound of
    activations, 0 for none.
    """

    smallest: tuple[int, int]
    channels: int
    widths: tuple[int, ...]
    architecture: str
    clamp: float
    dtypes: tuple[str, ...]

    @nn.compact
    def __call__(self, ws: jax.Array, noise: str, keys: jax.Array | None = None) -> jax.Array:
        ws = ws.astype(jnp.float32)
        const = self.param('const', nn.initializers.normal(1.0), (*self.smallest, self.widths[0]))
        x = jnp.broadcast_to(const[None], (len(ws), *const.shape))
        image: Any = None
        for i, dtype in enumerate(self.dtypes):
            x = self.stage(x.astype(dtype), i, ws, noise, keys)
            if image is not None:
                image = resample.filtered_up(image, resample.TAPS)
            if i == len(self.widths) - 1 or self.architecture == 'skip':
                layer = StyledImage(self.channels, self.clamp, name=f'stage_{i}_image')
                made = layer(x, ws[:, 2 * i + 1]).astype(jnp.float32)
                image = made if image is None else image + made
        return image

    def stage(
        self, x: jax.Array, i: int, ws: jax.Array, noise: str, keys: jax.Array | None
    ) -> jax.Array:
        """Apply the convolutions of stage i to x [B, h, w, c]; but in the first one, double it."""
        width, residual = self.widths[i], i > 0 and self.architecture == 'residual'
        gain, y = math.sqrt(0.5) if residual else 1.0, x
        if i:
            layer = StyledConv(width, self.clamp, up=True, name=f'stage_{i}_conv_0')
            y = layer(y, ws[:, 2 * i - 1], noise, keys)
        layer = StyledConv(width, self.clamp, name=f'stage_{i}_conv_1')
        y = layer(y, ws[:, 2 * i], noise, keys, gain)
        if not residual:
            return y
        options = init.equalized(gain).layer()
        shortcut = resample.FilteredUp(
            width, 1, use_bias=False, **options, name=f'stage_{i}_shortcut'
        )
        return y + shortcut(x)
