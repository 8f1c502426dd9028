"""Convolutions in NHWC whose kernels are HWIO, in the conventions of torch and of Keras.

A convolution is one trilinear form of image x, kernel w and output y,

    T(x, w, y) = sum  x[n, s a + k - p, i] w[k, i, o] y[n, a, o]      over n, a, k, i, o

and its three partial contractions are everything there is to compute: the output from (x, w), the
gradient of the input from (y, w), the gradient of the kernel from (x, y). The derivatives of each
of the three are the other two, so rules that say so hold to every order.

XLA's CPU backend is slow where an operand is dilated, which is how it writes the last two for
strides above 1: there, the rules choose what runs. Elsewhere XLA derives and chooses.
`benchmarks/conv.py` has the timings.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from gan_jax.nn import init

Padding = str | int
Initializer = Callable[..., jax.Array]


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


class Geometry(NamedTuple):
    """The static part of the trilinear form: all that is not an array."""

    size: tuple[int, ...]  # height and width of x
    kernel: tuple[int, ...]
    stride: int
    low: tuple[int, ...]  # padding before each axis of x
    out: tuple[int, ...]  # height and width of y

    def high(self, axis: int) -> int:
        """Return the padding after an axis of x, negative where its end is never read."""
        reach = (self.out[axis] - 1) * self.stride + self.kernel[axis]
        return reach - self.low[axis] - self.size[axis]


Contraction = Callable[[jax.Array, jax.Array, Geometry], jax.Array]


def plain_output(x: jax.Array, w: jax.Array, geometry: Geometry) -> jax.Array:
    """Return y from (x, w), a strided convolution."""
    return lax.conv_general_dilated(
        x,
        w,
        (geometry.stride,) * 2,
        [(geometry.low[i], geometry.high(i)) for i in (0, 1)],
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    )


def plain_input_gradient(y: jax.Array, w: jax.Array, geometry: Geometry) -> jax.Array:
    """Return x from (y, w), a transposed convolution: y with zeros between its pixels."""
    k = geometry.kernel
    return lax.conv_general_dilated(
        y,
        w[::-1, ::-1],
        (1, 1),
        [(k[i] - 1 - geometry.low[i], k[i] - 1 - geometry.high(i)) for i in (0, 1)],
        lhs_dilation=(geometry.stride,) * 2,
        dimension_numbers=('NHWC', 'HWOI', 'NHWC'),
    )


def plain_kernel_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """Return w from (x, y): x convolved with y as a kernel that has zeros between its pixels."""
    return lax.conv_general_dilated(
        x,
        y,
        (1, 1),
        [(geometry.low[i], geometry.high(i)) for i in (0, 1)],
        rhs_dilation=(geometry.stride,) * 2,
        dimension_numbers=('CHWN', 'IHWO', 'HWNC'),
    )


def phase(geometry: Geometry, axis: int, v: int) -> tuple[slice, tuple[int, int]]:
    """Return what makes the pixels v, v + s, v + 2 s ... of x: taps of the kernel, padding of y."""
    s, k = geometry.stride, geometry.kernel[axis]
    shift, first = divmod(v + geometry.low[axis], s)
    taps, pixels = len(range(first, k, s)), -(-geometry.size[axis] // s)
    return slice(first, k, s), (taps - 1 - shift, pixels + shift - geometry.out[axis])


def phased_input_gradient(y: jax.Array, w: jax.Array, geometry: Geometry) -> jax.Array:
    """Return x from (y, w) without multiplying by zeros.

    Pixels of x that lie s apart see the same taps of the kernel, so each of the s x s phases is a
    convolution of y with 1 / s^2 of the kernel; the results are interleaved.
    """
    s, (h, w_) = geometry.stride, geometry.size

    def one(i: int, j: int) -> jax.Array:
        (rows, above), (columns, beside) = phase(geometry, 0, i), phase(geometry, 1, j)
        taps, numbers = w[rows, columns][::-1, ::-1], ('NHWC', 'HWOI', 'NHWC')
        pads = (above, beside)
        return lax.conv_general_dilated(y, taps, (1, 1), pads, dimension_numbers=numbers)

    x = jnp.stack([jnp.stack([one(i, j) for j in range(s)], 3) for i in range(s)], 2)
    b, m, _, n, _, c = x.shape
    return x.reshape(b, m * s, n * s, c)[:, :h, :w_]


def blocked_input_gradient(y: jax.Array, w: jax.Array, geometry: Geometry) -> jax.Array:
    """Return x from (y, w) for kernels of whole blocks of s x s taps.

    One convolution of y with all blocks gives s^2 c channels, which are the pixels of s x s blocks
    of x; a few pixels more at the border than the phases, but products that are wide enough.
    """
    s, (h, w_), (top, left) = geometry.stride, geometry.size, geometry.low
    (p, q), (c, d) = (k // s for k in geometry.kernel), w.shape[2:]
    blocks = w.reshape(p, s, q, s, c, d)[::-1, :, ::-1].transpose(0, 2, 5, 1, 3, 4)
    blocks = blocks.reshape(p, q, d, s * s * c)
    pads = ((p - 1, p - 1), (q - 1, q - 1))
    numbers = ('NHWC', 'HWIO', 'NHWC')
    x = lax.conv_general_dilated(y, blocks, (1, 1), pads, dimension_numbers=numbers)
    b, m, n, _ = x.shape
    x = x.reshape(b, m, n, s, s, c).swapaxes(2, 3).reshape(b, m * s, n * s, c)
    # Pixels that no window reaches have no gradient.
    x = jnp.pad(x, ((0, 0), (0, max(0, top + h - m * s)), (0, max(0, left + w_ - n * s)), (0, 0)))
    return x[:, top : top + h, left : left + w_]


def tapped_kernel_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """Return w from (x, y) tap by tap: each is one product of matrices over all pixels of y."""
    s, (kh, kw), (h, w) = geometry.stride, geometry.kernel, geometry.out
    pads = [(geometry.low[i], max(0, geometry.high(i))) for i in (0, 1)]
    x, pixels = jnp.pad(x, ((0, 0), *pads, (0, 0))), y.reshape(-1, y.shape[-1])

    def tap(i: int, j: int) -> jax.Array:
        seen = x[:, i : i + s * (h - 1) + 1 : s, j : j + s * (w - 1) + 1 : s]
        return lax.dot_general(seen.reshape(-1, x.shape[-1]), pixels, (((0,), (0,)), ((), ())))

    taps = jnp.stack([tap(i, j) for i in range(kh) for j in range(kw)])
    return taps.reshape(kh, kw, *taps.shape[1:])


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def output(x: jax.Array, w: jax.Array, geometry: Geometry) -> jax.Array:
    """Return y from (x, w) by what is fast on a CPU."""
    return plain_output(x, w, geometry)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def input_gradient(y: jax.Array, w: jax.Array, geometry: Geometry) -> jax.Array:
    """Return x from (y, w) by what is fast on a CPU."""
    # Few channels make phases whose products are too thin; phases without taps are none.
    if w.shape[2] <= 64 and not any(k % geometry.stride for k in geometry.kernel):
        return blocked_input_gradient(y, w, geometry)
    thin = w.shape[2] < 8 or min(geometry.kernel) < geometry.stride
    return (plain_input_gradient if thin else phased_input_gradient)(y, w, geometry)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def kernel_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """Return w from (x, y) by what is fast on a CPU."""
    wide = x.shape[-1] >= 128
    return (tapped_kernel_gradient if wide else plain_kernel_gradient)(x, y, geometry)


def keep(contraction: Contraction) -> Callable:
    """Return the forward half of a contraction's rule: all that its derivatives need."""

    def forward(a: jax.Array, b: jax.Array, geometry: Geometry):
        return contraction(a, b, geometry), (a, b)

    return forward


def output_rule(g: Geometry, saved: tuple[jax.Array, jax.Array], y: jax.Array):
    """Return the gradients of x and w."""
    x, w = saved
    return input_gradient(y, w, g), kernel_gradient(x, y, g)


def input_gradient_rule(g: Geometry, saved: tuple[jax.Array, jax.Array], x: jax.Array):
    """Return the gradients of y and w."""
    y, w = saved
    return output(x, w, g), kernel_gradient(x, y, g)


def kernel_gradient_rule(g: Geometry, saved: tuple[jax.Array, jax.Array], w: jax.Array):
    """Return the gradients of x and y."""
    x, y = saved
    return input_gradient(y, w, g), output(x, w, g)


output.defvjp(keep(output), output_rule)
input_gradient.defvjp(keep(input_gradient), input_gradient_rule)
kernel_gradient.defvjp(keep(kernel_gradient), kernel_gradient_rule)


def ruled(geometry: Geometry) -> bool:
    """Return whether the rules above choose: strides above 1 on a CPU."""
    return geometry.stride > 1 and jax.default_backend() == 'cpu'


def conv2d(
    x: jax.Array, kernel: jax.Array, stride: int = 1, padding: Padding = 'SAME'
) -> jax.Array:
    """Convolve x [B, H, W, in] with kernel [kh, kw, in, out].

    padding: 'SAME', 'VALID', or the number of zeros on each side of each axis, as in torch.
    """
    size, k = x.shape[1:3], kernel.shape[:2]
    low = tuple(pads(n, m, stride, padding)[0] for n, m in zip(size, k, strict=True))
    out = tuple(out_size(n, m, stride, padding) for n, m in zip(size, k, strict=True))
    geometry = Geometry(size, k, stride, low, out)
    return (output if ruled(geometry) else plain_output)(x, kernel, geometry)


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
    transpose = input_gradient if ruled(geometry) else plain_input_gradient
    return transpose(x, kernel.swapaxes(2, 3), geometry)


class Conv(nn.Module):
    """Convolve images [B, H, W, in] into [B, H', W', features], in the dtype of the input.

    gain: None, or that of an equalized learning rate, see `init.equalize`.
    """

    features: int
    kernel: int | tuple[int, int] = 3
    stride: int = 1
    padding: Padding = 'SAME'
    use_bias: bool = True
    kernel_init: Initializer = init.normal().kernel
    gain: float | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        k = (self.kernel,) * 2 if isinstance(self.kernel, int) else tuple(self.kernel)
        kernel = self.param('kernel', self.kernel_init, (*k, x.shape[-1], self.features))
        y = self.convolve(x, init.equalize(kernel, self.gain).astype(x.dtype))
        if self.use_bias:
            bias = self.param('bias', nn.initializers.zeros, (self.features,))
            y = y + bias.astype(x.dtype).reshape(1, 1, 1, -1)
        return y

    def convolve(self, x: jax.Array, kernel: jax.Array) -> jax.Array:
        """Apply a kernel [kh, kw, in, out]."""
        return conv2d(x, kernel, self.stride, self.padding)


class ConvTranspose(Conv):
    """Convolve images [B, H, W, in] into [B, H', W', features], transposed as torch does."""

    output_padding: int = 0

    def convolve(self, x: jax.Array, kernel: jax.Array) -> jax.Array:
        """Apply a kernel [kh, kw, in, out]."""
        return conv_transpose2d(x, kernel, self.stride, self.padding, self.output_padding)
