"""Convolutions in NHWC whose kernels are HWIO, in the conventions of torch and of Keras."""

from collections.abc import Callable

import flax.linen as nn
import jax

from gan_jax.nn import init
from gan_jax.nn.reparametrise import Reparametrisation, plain
from gan_jax.runtime.cpu import contractions
from gan_jax.runtime.cpu import groups as grouped
from gan_jax.runtime.cpu.geometry import Geometry

Initializer = Callable[..., jax.Array]
Padding = str | int


def pads(size: int, kernel: int, stride: int, padding: Padding) -> tuple[int, int]:
    """Return the padding before and after one axis of a convolution's input."""
    if padding == 'SAME':
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        return total // 2, total - total // 2
    p = 0 if padding == 'VALID' else int(padding)
    return p, p


def out_size(size: int, kernel: int, stride: int, padding: Padding) -> int:
    """Return the size of one axis after a convolution."""
    return (size + sum(pads(size, kernel, stride, padding)) - kernel) // stride + 1


def transposed_size(size: int, kernel: int, stride: int, padding: Padding) -> int:
    """Return the size of one axis after a transposed convolution."""
    if padding == 'SAME':
        return size * stride
    p = 0 if padding == 'VALID' else int(padding)
    return (size - 1) * stride + kernel - 2 * p


def conv2d(
    x: jax.Array,
    kernel: jax.Array,
    stride: int = 1,
    padding: Padding = 'SAME',
    groups: int = 1,
) -> jax.Array:
    """Convolve x [B, H, W, in] with kernel [kh, kw, in / groups, out].

    padding: 'SAME', 'VALID', or the number of zeros on each side of each axis, as in torch.
    groups: equal parts of the channels; each part of out is made from its part of in alone.
    """
    size, k = x.shape[1:3], kernel.shape[:2]
    low = tuple(pads(n, m, stride, padding)[0] for n, m in zip(size, k, strict=True))
    out = tuple(out_size(n, m, stride, padding) for n, m in zip(size, k, strict=True))
    geometry = Geometry(size, k, stride, low, out)
    if not contractions.chosen():
        return contractions.plain_output(x, kernel, geometry, feature_group_count=groups)
    if groups > 1:
        return grouped.output(x, kernel, geometry, groups)
    return contractions.output(x, kernel, geometry)


def conv_transpose2d(
    x: jax.Array,
    kernel: jax.Array,
    stride: int = 1,
    padding: Padding = 'SAME',
    output_padding: int = 0,
) -> jax.Array:
    """Convolve x [B, H, W, in] with kernel [kh, kw, in, out], transposed.

    The gradient of a convolution from out to in channels, as torch's ConvTranspose2d and Keras'
    Conv2DTranspose: 'SAME' makes H x stride; an int p makes (H - 1) stride - 2 p + kh +
    output_padding, as 'VALID' does with p = 0.
    """
    out, k = x.shape[1:3], kernel.shape[:2]
    low = tuple(pads(stride, m, stride, padding)[0] for m in k)
    size = tuple(
        transposed_size(n, m, stride, padding) + output_padding for n, m in zip(out, k, strict=True)
    )
    geometry = Geometry(size, k, stride, low, out)
    kernel = kernel.swapaxes(2, 3)
    if contractions.chosen():
        return contractions.input_gradient(x, kernel, geometry)
    return contractions.plain_input_gradient(x, kernel, geometry)


class Conv(nn.Module):
    """Convolve images [B, H, W, in] into [B, H', W', features], in the dtype of the input.

    reparametrise: what the kernel is computed from, see `nn.reparametrise`; groups: equal parts of
    the channels, of which each part of the output is made from its part of the input alone.
    """

    features: int
    kernel: int | tuple[int, int] = 3
    stride: int = 1
    padding: Padding = 'SAME'
    use_bias: bool = True
    kernel_init: Initializer = init.normal().kernel
    reparametrise: Reparametrisation = plain
    groups: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        k = (self.kernel,) * 2 if isinstance(self.kernel, int) else tuple(self.kernel)
        shape = (*k, x.shape[-1] // self.groups, self.features)
        kernel = self.param('kernel', self.kernel_init, shape)
        y = self.convolve(x, self.reparametrise(self, 'kernel', kernel).astype(x.dtype))
        if self.use_bias:
            bias = self.param('bias', nn.initializers.zeros, (self.features,))
            y = y + bias.astype(x.dtype).reshape(1, 1, 1, -1)
        return y

    def convolve(self, x: jax.Array, kernel: jax.Array) -> jax.Array:
        """Apply a kernel [kh, kw, in / groups, out]."""
        return conv2d(x, kernel, self.stride, self.padding, self.groups)


class ConvTranspose(Conv):
    """Convolve images [B, H, W, in] into [B, H', W', features], transposed as torch does.

    It has no groups.
    """

    output_padding: int = 0

    def convolve(self, x: jax.Array, kernel: jax.Array) -> jax.Array:
        """Apply a kernel [kh, kw, in, out]."""
        return conv_transpose2d(x, kernel, self.stride, self.padding, self.output_padding)
