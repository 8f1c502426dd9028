"""Normalisations by name, over channels-last arrays [B, ..., C]."""

from collections.abc import Callable
from typing import ClassVar

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
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        channels = x.shape[-1:]
        scale = self.param('scale', self.gamma_init, channels)
        bias = self.param('bias', nn.initializers.zeros, channels)
        mean = self.variable('batch_stats', 'mean', jnp.zeros, channels)
        var = self.variable('batch_stats', 'var', jnp.ones, channels)
        if not train:
            return affine(x, mean.value, scale * lax.rsqrt(var.value + self.eps), bias)
        m, v = moments(x)
        if self.is_mutable_collection('batch_stats') and not self.is_initializing():
            mean.value = self.momentum * mean.value + (1 - self.momentum) * m
            var.value = self.momentum * var.value + (1 - self.momentum) * v
        return affine(x, m, scale * lax.rsqrt(v + self.eps), bias)


def moments(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return mean and variance [C] of x [..., C] over everything else and over the devices."""
    wide, axes = x.astype(jnp.float32), tuple(range(x.ndim - 1))
    mean, square = parallel.pmean((wide.mean(axes), jnp.square(wide).mean(axes)))
    return mean, jnp.maximum(square - jnp.square(mean), 0)


def affine(x: jax.Array, mean: jax.Array, scale: jax.Array, bias: jax.Array) -> jax.Array:
    """Return (x - mean) * scale + bias for x [..., C] and the rest [C], in the dtype of x."""
    ones = (1,) * (x.ndim - 1)
    mean, scale, bias = (a.reshape(*ones, -1) for a in (mean, scale, bias))
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
        ones = (1,) * (x.ndim - 1)
        scale = self.param('scale', self.gamma_init, x.shape[-1:]).reshape(*ones, -1)
        bias = self.param('bias', nn.initializers.zeros, x.shape[-1:]).reshape(*ones, -1)
        x = standardize(x, self.axes(x), self.eps)
        return x * scale.astype(x.dtype) + bias.astype(x.dtype)


class LayerNorm(InstanceNorm):
    """Normalise an example over all its pixels and channels (Ba et al. 2016, arXiv:1607.06450)."""

    def axes(self, x: jax.Array) -> tuple[int, ...]:
        """Return the axes that one mean is taken over."""
        return tuple(range(1, x.ndim))


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
    'layer': LayerNorm,
    'pixel': PixelNorm,
    'none': Norm,
}
