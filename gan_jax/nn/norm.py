"""Normalisations by name, over channels-last arrays [B, ..., C]."""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from gan_jax.runtime import parallel

Initializer = Callable[..., jax.Array]


class Norm(nn.Module):
    """The options that a normalisation is given, whether it needs them or not; itself the identity.

    momentum: of running statistics, `momentum * old + (1 - momentum) * new`; torch's .1 is .9.
    over_batch: whether an example's output depends on the other examples of its batch.
    """

    over_batch: ClassVar[bool] = False
    momentum: float = 0.9
    eps: float = 1e-5
    gamma_init: Initializer = nn.initializers.ones

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        del train
        return x


class BatchNorm(Norm):
    """Normalise each channel by its mean and variance over the global batch.

    Ioffe, Szegedy 2015 (arXiv:1502.03167). Statistics are averaged over the devices of the data
    axis. The running ones, whose variance is the biased one, serve where train is False.
    They move at each pass: twice in an update that sees real and fake as two batches, and for each
    piece of an accumulated batch, by that piece's statistics.
    """

    over_batch = True

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool, condition: Any = None) -> jax.Array:
        channels = x.shape[-1:]
        scale, bias = self.scale_and_bias(x.shape[-1], condition)
        mean = self.variable('batch_stats', 'mean', jnp.zeros, channels)
        var = self.variable('batch_stats', 'var', jnp.ones, channels)
        if not train:
            return affine(x, mean.value, scale * self.inverse(var.value, scale.ndim), bias)
        m, v = moments(x)
        if self.is_mutable_collection('batch_stats') and not self.is_initializing():
            mean.value = self.momentum * mean.value + (1 - self.momentum) * m
            var.value = self.momentum * var.value + (1 - self.momentum) * v
        return affine(x, m, scale * self.inverse(v, scale.ndim), bias)

    def scale_and_bias(self, channels: int, condition: Any) -> tuple[jax.Array, jax.Array]:
        """Return what follows the normalisation: [C] each, or [B, C] by a condition."""
        del condition
        scale = self.param('scale', self.gamma_init, (channels,))
        return scale, self.param('bias', nn.initializers.zeros, (channels,))

    def inverse(self, variance: jax.Array, ndim: int) -> jax.Array:
        """Return 1 / the standard deviation of variances [C], of a number of axes."""
        return spread(lax.rsqrt(variance + self.eps), ndim)


def moments(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return mean and variance [C] of x [..., C] over everything else and over the devices."""
    wide, axes = x.astype(jnp.float32), tuple(range(x.ndim - 1))
    mean, square = parallel.pmean((wide.mean(axes), jnp.square(wide).mean(axes)))
    return mean, jnp.maximum(square - jnp.square(mean), 0)


def spread(x: jax.Array, ndim: int) -> jax.Array:
    """Return x [C] or [B, C] with axes of one pixel before its channels, ndim axes in all."""
    return x.reshape(*x.shape[:-1], *(1,) * (ndim - x.ndim), x.shape[-1])


def affine(x: jax.Array, mean: jax.Array, scale: jax.Array, bias: jax.Array) -> jax.Array:
    """Return (x - mean) * scale + bias in the dtype of x [B, ..., C], the rest [C] or [B, C]."""
    mean, scale, bias = (spread(a, x.ndim) for a in (mean, scale, bias))
    return ((x.astype(jnp.float32) - mean) * scale + bias).astype(x.dtype)


def standardize(x: jax.Array, axes: tuple[int, ...], eps: float) -> jax.Array:
    """Shift and scale x to mean 0 and variance 1 over axes, in float32."""
    wide = x.astype(jnp.float32)
    centred = wide - wide.mean(axes, keepdims=True)
    variance = jnp.square(centred).mean(axes, keepdims=True)
    return (centred * lax.rsqrt(variance + eps)).astype(x.dtype)


class InstanceNorm(Norm):
    """Normalise each channel of an example over its pixels (Ulyanov et al., arXiv:1607.08022)."""

    def axes(self, x: jax.Array) -> tuple[int, ...]:
        """Return the axes that one mean is taken over."""
        return tuple(range(1, x.ndim - 1))

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        del train
        scale = self.param('scale', self.gamma_init, x.shape[-1:])
        bias = self.param('bias', nn.initializers.zeros, x.shape[-1:])
        y = self.standard(x)
        return y * spread(scale, x.ndim).astype(x.dtype) + spread(bias, x.ndim).astype(x.dtype)

    def standard(self, x: jax.Array) -> jax.Array:
        """Return x of mean 0 and variance 1 over the axes."""
        return standardize(x, self.axes(x), self.eps)


class PlainInstanceNorm(InstanceNorm):
    """Normalise each channel of an example over its pixels; no scale and bias follow."""

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        del train
        return self.standard(x)


class LayerNorm(InstanceNorm):
    """Normalise an example over all its pixels and channels (Ba et al. 2016, arXiv:1607.06450)."""

    def axes(self, x: jax.Array) -> tuple[int, ...]:
        """Return the axes that one mean is taken over."""
        return tuple(range(1, x.ndim))


class GroupNorm(InstanceNorm):
    """Normalise an example over its pixels and over groups of channels (arXiv:1803.08494).

    Groups are of 16 channels, or of their largest common divisor with it.
    """

    def standard(self, x: jax.Array) -> jax.Array:
        """Return x of mean 0 and variance 1 over pixels and each group."""
        groups = x.reshape(*x.shape[:-1], -1, math.gcd(x.shape[-1], 16))
        axes = (*range(1, x.ndim - 1), x.ndim)
        return standardize(groups, axes, self.eps).reshape(x.shape)


class PixelNorm(Norm):
    """Scale the channels of each pixel to mean square 1 (Karras et al. 2018, arXiv:1710.10196)."""

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        del train
        square = jnp.square(x.astype(jnp.float32)).mean(-1, keepdims=True)
        return x * lax.rsqrt(square + self.eps).astype(x.dtype)


NORMS: dict[str, type[Norm]] = {
    'batch': BatchNorm,
    'instance': InstanceNorm,
    'plain_instance': PlainInstanceNorm,
    'group': GroupNorm,
    'layer': LayerNorm,
    'pixel': PixelNorm,
    'none': Norm,
}
