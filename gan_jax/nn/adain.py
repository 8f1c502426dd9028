"""Styles as the mean and deviation of feature maps, and the synthesis network of StyleGAN."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.nn import init
from gan_jax.nn.conv import Conv
from gan_jax.nn.dense import Dense
from gan_jax.nn.noise import PixelNoise
from gan_jax.nn.norm import affine, standardize
from gan_jax.nn.resample import bilinear
from gan_jax.nn.stages import fade

EPSILON = 1e-8
# Weights start as N(0, 1) and are scaled at run time, more before an activation.
LINEAR, ACTIVATED = init.equalized(1.0), init.equalized()


class AdaIN(nn.Module):
    """Give each channel of x [B, H, W, C] the mean and deviation that w [B, n] says.

    Adaptive instance normalisation (Huang, Belongie 2017, arXiv:1703.06868; Karras et al. 2019,
    arXiv:1812.04948, eq. 1): standardised over the pixels, times 1 and more, plus a bias, both
    linear in w.
    """

    @nn.compact
    def __call__(self, x: jax.Array, w: jax.Array) -> jax.Array:
        scale, bias = (
            Dense(x.shape[-1], **LINEAR.layer(), name=name)(w) for name in ('scale', 'bias')
        )
        return affine(standardize(x, (1, 2), EPSILON), jnp.zeros(x.shape[-1:]), 1 + scale, bias)


class StyleLayer(nn.Module):
    """Add noise and a bias to x [B, H, W, C], activate it, and style it by w [B, n]."""

    @nn.compact
    def __call__(
        self, x: jax.Array, w: jax.Array, noise: str, keys: jax.Array | None = None
    ) -> jax.Array:
        bias = self.param('bias', nn.initializers.zeros, x.shape[-1:])
        x = PixelNoise(each=True, name='noise')(x, noise, keys)
        x = jax.nn.leaky_relu(x + bias.astype(x.dtype).reshape(1, 1, 1, -1), 0.2)
        return AdaIN(name='adain')(x, w)


class AdaptiveSynthesis(nn.Module):
    """Map ws [B, 2 stages, n] to images [B, H, W, channels] (Karras et al. 2019, arXiv:1812.04948).

    A learnt image of `smallest` pixels, which starts as ones, is doubled from stage to stage. Each
    stage makes an image, by which it is faded in at a level; see `nn.stages`. widths: channels of
    each stage; dtype: of activations.
    """

    smallest: tuple[int, int]
    channels: int
    widths: tuple[int, ...]
    dtype: str = 'float32'

    @nn.compact
    def __call__(
        self, ws: jax.Array, noise: str, keys: jax.Array | None, level: jax.Array
    ) -> jax.Array:
        ws = ws.astype(jnp.float32)
        const = self.param('const', nn.initializers.ones, (*self.smallest, self.widths[0]))
        x = jnp.broadcast_to(const[None], (len(ws), *const.shape)).astype(self.dtype)
        x = StyleLayer(name='stage_0_style_0')(x, ws[:, 0], noise, keys)
        x = self.styled(x, ws[:, 1], noise, keys, 0, 1)
        image = self.image(x, 0)
        for i in range(1, len(self.widths)):
            x = self.styled(bilinear(x, 2), ws[:, 2 * i], noise, keys, i, 0)
            x = self.styled(x, ws[:, 2 * i + 1], noise, keys, i, 1)
            image = fade(bilinear(image, 2), self.image(x, i), level, i)
        return image

    def styled(
        self, x: jax.Array, w: jax.Array, noise: str, keys: jax.Array | None, i: int, which: int
    ) -> jax.Array:
        """Apply a convolution of stage i, the first or the second, and what follows it."""
        options = ACTIVATED.layer()
        conv = Conv(self.widths[i], use_bias=False, **options, name=f'stage_{i}_conv_{which}')
        return StyleLayer(name=f'stage_{i}_style_{which}')(conv(x), w, noise, keys)

    def image(self, x: jax.Array, i: int) -> jax.Array:
        """Return the image that stage i makes of its features x [B, h, w, c]."""
        return Conv(self.channels, 1, **LINEAR.layer(), name=f'stage_{i}_image')(x)
