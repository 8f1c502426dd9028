"""Ways to make an image larger or smaller by a whole factor."""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.nn.conv import Conv, ConvTranspose, conv2d, conv_transpose2d

# [1, 2, 1] convolved with [1, 1]: bilinear, and StyleGAN's filter.
TAPS = (1 / 8, 3 / 8, 3 / 8, 1 / 8)


def nearest_neighbour(x: jax.Array, factor: int) -> jax.Array:
    """Repeat each pixel of x [B, H, W, C] factor x factor times."""
    b, h, w, c = x.shape
    x = x.reshape(b, h, 1, w, 1, c)
    x = jnp.broadcast_to(x, (b, h, factor, w, factor, c))
    return x.reshape(b, h * factor, w * factor, c)


def bilinear(x: jax.Array, factor: int) -> jax.Array:
    """Interpolate x [B, H, W, C] to [B, factor H, factor W, C], half-pixel centres."""
    b, h, w, c = x.shape
    return jax.image.resize(x, (b, h * factor, w * factor, c), 'bilinear')


def filtered_down(x: jax.Array, taps: tuple[float, ...]) -> jax.Array:
    """Halve the size of x [B, H, W, C]: both axes filtered, every other pixel dropped.

    taps: an even number that sum to 1, the same from both ends; (1, 3, 3, 1) / 8 is bilinear.
    Beyond the border is zero, as in StyleGAN (Karras et al. 2020, arXiv:1912.04958). Of an odd
    size half of it is rounded down.
    """
    for axis in (1, 2):
        x = _down(x, taps, axis)
    return x


def filtered_up(x: jax.Array, taps: tuple[float, ...]) -> jax.Array:
    """Double the size of x [B, H, W, C]: zeros between the pixels, then both axes filtered.

    It is the transpose of `filtered_down`, times 4, so that a constant image stays as bright.
    """
    for axis in (1, 2):
        x = _up(x, taps, axis)
    return x


def filtered(x: jax.Array, taps: tuple[float, ...], low: int, high: int) -> jax.Array:
    """Filter both axes of x [B, H, W, C], with zeros before and after each; negative: cropped.

    taps: the same from both ends. The size grows by low + high + 1 - len(taps). Sums of shifted
    images: XLA's depthwise convolution of a CPU is far slower, its gradients most of all.
    """
    for axis in (1, 2):
        edges = [(0, 0, 0)] * x.ndim
        edges[axis] = (low, high, 0)
        wide = jax.lax.pad(x, jnp.zeros((), x.dtype), edges)
        n = wide.shape[axis] + 1 - len(taps)
        parts = [
            tap * jax.lax.slice_in_dim(wide, t, t + n, axis=axis) for t, tap in enumerate(taps)
        ]
        x = functools.reduce(jnp.add, parts)
    return x


def _shifted(x: jax.Array, axis: int, by: int) -> jax.Array:
    """Return x[i + by] along an axis, zero beyond the border."""
    edges = [(0, 0, 0)] * x.ndim
    edges[axis] = (-by, by, 0)
    return jax.lax.pad(x, jnp.zeros((), x.dtype), edges)


def _down(x: jax.Array, taps: tuple[float, ...], axis: int) -> jax.Array:
    """Return sum_t taps[t] x[2 i + t + 1 - len(taps) / 2] along an axis."""
    n = x.shape[axis] // 2
    if x.shape[axis] % 2:
        x = jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, int(a == axis), 0) for a in range(x.ndim)])
    pairs = x.reshape(*x.shape[:axis], -1, 2, *x.shape[axis + 1 :])
    halves = [h.squeeze(axis + 1) for h in jnp.split(pairs, 2, axis + 1)]
    first = 1 - len(taps) // 2
    parts = [(tap, divmod(first + t, 2)) for t, tap in enumerate(taps)]
    found = functools.reduce(
        jnp.add, (tap * _shifted(halves[odd], axis, by) for tap, (by, odd) in parts)
    )
    return jax.lax.slice_in_dim(found, 0, n, axis=axis)


def _up(x: jax.Array, taps: tuple[float, ...], axis: int) -> jax.Array:
    """Return both phases of the transpose of `_down`, times 2, along an axis."""
    first = 1 - len(taps) // 2

    def phase(odd: int) -> jax.Array:
        parts = [(tap, divmod(odd - first - t, 2)) for t, tap in enumerate(taps)]
        return functools.reduce(
            jnp.add, (2 * tap * _shifted(x, axis, by) for tap, (by, rest) in parts if not rest)
        )

    both = jnp.stack([phase(0), phase(1)], axis + 1)
    return both.reshape(*x.shape[:axis], 2 * x.shape[axis], *x.shape[axis + 1 :])


def depth_to_space(x: jax.Array, factor: int) -> jax.Array:
    """Lay channels [B, H, W, factor factor C] out as pixels [B, factor H, factor W, C].

    The sub-pixel shuffle of Shi et al. 2016 (arXiv:1609.05158).
    """
    b, h, w, _ = x.shape
    x = x.reshape(b, h, w, factor, factor, -1).swapaxes(2, 3)
    return x.reshape(b, h * factor, w * factor, -1)


def avgpool(x: jax.Array, factor: int) -> jax.Array:
    """Average blocks of factor x factor pixels; a rest at the border is dropped."""
    return nn.avg_pool(x, (factor, factor), (factor, factor))


def maxpool(x: jax.Array, factor: int) -> jax.Array:
    """Take the largest of blocks of factor x factor pixels; a rest at the border is dropped.

    XLA has no fast gradient of its own pooling on a CPU, but of the largest along an axis.
    """
    b, h, w, c = x.shape
    h, w = h // factor, w // factor
    blocks = x[:, : h * factor, : w * factor].reshape(b, h, factor, w, factor, c)
    return blocks.max((2, 4))


def smeared(kernel: jax.Array) -> jax.Array:
    """Return the kernel [kh + 1, kw + 1, ...] of a convolution of sums of 2x2 pixels."""
    low, high = jnp.pad(kernel, ((0, 1), *[(0, 0)] * 3)), jnp.pad(kernel, ((1, 0), *[(0, 0)] * 3))
    rows = low + high
    return jnp.pad(rows, ((0, 0), (0, 1), *[(0, 0)] * 2)) + jnp.pad(
        rows, ((0, 0), (1, 0), *[(0, 0)] * 2)
    )


class ConvPool(Conv):
    """Convolve and average blocks of 2x2 pixels, as one convolution of stride 2: 4/9 of the work.

    The kernel is odd and the padding what keeps the size of even images.
    """

    def convolve(self, x: jax.Array, kernel: jax.Array) -> jax.Array:
        """Apply a kernel [kh, kw, in, out]."""
        return conv2d(x, smeared(kernel) / 4, 2, len(kernel) // 2)


class UpConv(Conv):
    """Repeat each pixel 2x2 times and convolve, as one transposed convolution: 4/9 of the work.

    The kernel is odd and the padding what keeps the size.
    """

    def convolve(self, x: jax.Array, kernel: jax.Array) -> jax.Array:
        """Apply a kernel [kh, kw, in, out]."""
        return conv_transpose2d(x, smeared(kernel[::-1, ::-1]), 2, len(kernel) // 2)


class FilteredDown(Conv):
    """Filter with `TAPS` and convolve with stride 2, from H to H / 2 (arXiv:1912.04958).

    The kernel is 1 or 3 pixels wide.
    """

    def convolve(self, x: jax.Array, kernel: jax.Array) -> jax.Array:
        """Apply a kernel [kh, kw, in, out]."""
        if len(kernel) == 1:
            return conv2d(filtered_down(x, TAPS), kernel)
        return conv2d(filtered(x, TAPS, 2, 2), kernel, 2, 'VALID')


def filtered_conv_up(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolve x [B, H, W, in], transposed with stride 2, and filter with `TAPS`, to 2 H.

    kernel: [kh, kw, in, out], 1 or 3 pixels wide, in the order of a transposed convolution
    (arXiv:1912.04958).
    """
    if len(kernel) == 1:
        return filtered_up(conv2d(x, kernel), TAPS)
    # Of the pixels that are made one in four is not zero: taps of sum 2 keep the brightness.
    return filtered(conv_transpose2d(x, kernel, 2, 0), tuple(2 * tap for tap in TAPS), 1, 1)


class FilteredUp(Conv):
    """Convolve the pixels of an image and double its size, filtered; the kernel is 1 pixel wide."""

    def convolve(self, x: jax.Array, kernel: jax.Array) -> jax.Array:
        """Apply a kernel [1, 1, in, out]."""
        return filtered_conv_up(x, kernel)


def resized(resize: Callable[[jax.Array, int], jax.Array]) -> Callable[..., jax.Array]:
    """Return the layer that resizes first and convolves then (Odena et al. 2016, Distill)."""

    def up(x: jax.Array, features: int, stride: int, **options) -> jax.Array:
        return Conv(features, **options)(resize(x, stride))

    return up


def transposed(x: jax.Array, features: int, stride: int, **options) -> jax.Array:
    """Convolve with fractional stride (Radford et al. 2016, arXiv:1511.06434)."""
    return ConvTranspose(features, stride=stride, **options)(x)


def shuffled(x: jax.Array, features: int, stride: int, **options) -> jax.Array:
    """Convolve into stride x stride times the channels and lay them out as pixels."""
    return depth_to_space(Conv(features * stride**2, **options)(x), stride)


RESIZE: dict[str, Callable[[jax.Array, int], jax.Array]] = {
    'nearest': nearest_neighbour,
    'bilinear': bilinear,
}
UP: dict[str, Callable[..., jax.Array]] = {
    'conv_transpose': transposed,
    'nearest_conv': resized(nearest_neighbour),
    'bilinear_conv': resized(bilinear),
    'pixelshuffle': shuffled,
}
POOL: dict[str, Callable[[jax.Array, int], jax.Array]] = {'avgpool': avgpool, 'maxpool': maxpool}
