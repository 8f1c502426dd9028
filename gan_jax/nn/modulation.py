"""Convolutions whose kernels a vector of styles scales, and the layers of StyleGAN2's synthesis."""

import math
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from gan_jax.nn import init
from gan_jax.nn.activations import bounded, scaled_leaky_relu
from gan_jax.nn.conv import conv2d
from gan_jax.nn.dense import Dense
from gan_jax.nn.noise import PixelNoise
from gan_jax.nn.resample import filtered_conv_up

EPSILON = 1e-8
# Weights start as N(0, 1) and are scaled at run time by 1 / sqrt(fan in).
EQUAL = init.equalized(1.0)


def modulated(
    x: jax.Array,
    kernel: jax.Array,
    styles: jax.Array,
    convolve: Callable[[jax.Array, jax.Array], jax.Array] = conv2d,
    demodulate: bool = True,
) -> jax.Array:
    """Convolve x [B, H, W, in] with kernel [kh, kw, in, out] times the styles [B, in] of each.

    demodulate: whether the filters of each example are brought to norm 1 then (Karras et al. 2020,
    arXiv:1912.04958, eq. 3). Neither makes kernels: styles scale what is convolved, and the norms
    what comes of it, which is the same.
    """
    y = convolve(x * _spread(styles, x), kernel.astype(x.dtype))
    if not demodulate:
        return y
    squares = jnp.square(styles) @ jnp.square(kernel).sum((0, 1))
    return y * _spread(lax.rsqrt(squares + EPSILON), y)


def _spread(scale: jax.Array, x: jax.Array) -> jax.Array:
    """Return a scale [B, C] for images x, in their type."""
    return scale[:, None, None].astype(x.dtype)


class Modulated(nn.Module):
    """What layers with a modulated kernel share; clamp: bound of what they make, 0 for none."""

    features: int
    clamp: float = 0.0

    def styles(self, w: jax.Array, channels: int) -> jax.Array:
        """Return a scale for each channel [B, channels] of w [B, n], around 1 at the start."""
        return 1 + Dense(channels, **EQUAL.layer(), name='styles')(w)

    def kernel_and_bias(self, size: int, channels: int) -> tuple[jax.Array, jax.Array]:
        """Return the kernel [size, size, channels, features] and the bias [1, 1, 1, features]."""
        kernel = self.param('kernel', EQUAL.kernel, (size, size, channels, self.features))
        bias = self.param('bias', nn.initializers.zeros, (self.features,))
        return kernel, bias.reshape(1, 1, 1, -1)


class StyledConv(Modulated):
    """Convolve x [B, H, W, C] by styles of w [B, n], add noise and bias, and activate.

    up: whether the image is doubled. gain: of the output, and of its bound.
    """

    up: bool = False

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        w: jax.Array,
        noise: str,
        keys: jax.Array | None = None,
        gain: float = 1.0,
    ) -> jax.Array:
        kernel, bias = self.kernel_and_bias(3, x.shape[-1])
        convolve = filtered_conv_up if self.up else conv2d
        x = modulated(x, kernel, self.styles(w, x.shape[-1]), convolve)
        x = PixelNoise(name='noise')(x, noise, keys) + bias.astype(x.dtype)
        return scaled_leaky_relu(x, gain, self.clamp)


class StyledImage(Modulated):
    """Make an image of the channels of x [B, H, W, C] by styles of w [B, n], pixel by pixel."""

    @nn.compact
    def __call__(self, x: jax.Array, w: jax.Array) -> jax.Array:
        channels = x.shape[-1]
        kernel, bias = self.kernel_and_bias(1, channels)
        styles = self.styles(w, channels) / math.sqrt(channels)
        x = modulated(x, kernel, styles, demodulate=False)
        return bounded(x + bias.astype(x.dtype), self.clamp)
