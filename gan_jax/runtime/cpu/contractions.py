"""The three contractions that make up convolutions and all their derivatives.

A convolution is one trilinear form of image x, kernel w and output y,

    T(x, w, y) = sum  x[n, s a + k - p, i] w[k, i, o] y[n, a, o]      over n, a, k, i, o

and its three partial contractions are everything there is to compute: the output from (x, w), the
gradient of the input from (y, w), the gradient of the kernel from (x, y). The derivatives of each
of the three are the other two, so rules that say so hold to every order.

XLA leaves time on the table on a CPU: there the rules choose what runs. Elsewhere XLA derives and
chooses. `benchmarks/conv.py` has the timings.
"""

import contextlib
import contextvars
import functools
import math
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
from jax import lax

from gan_jax.runtime.cpu import tiles, tuning
from gan_jax.runtime.cpu.geometry import Geometry

# Fewer channels than THIN are those of images; from WIDE on, products of matrices are worth it.
THIN, WIDE = 8, 64

Contraction = Callable[[jax.Array, jax.Array, Geometry], jax.Array]


def padded_first(x: jax.Array, w: jax.Array, strides, padding, **options) -> jax.Array:
    """Convolve as lax.conv_general_dilated does, images smaller than the kernel too.

    XLA takes the one with fewer pixels for the kernel and reverses it, before it pads. On a CPU it
    then has but a plain loop, a hundred times slower, and for some strides it ends the process.
    Such images are padded here, behind a barrier: XLA would fold the padding back otherwise.
    """
    names = options['dimension_numbers'][:2]
    image, kernel = (
        math.prod(a.shape[n.index(i)] for i in 'HW') for a, n in zip((x, w), names, strict=True)
    )
    if image < kernel:
        holes = options.pop('lhs_dilation', (1, 1))
        edges = {axis: (*padding[i], holes[i] - 1) for i, axis in enumerate('HW')}
        zero = jnp.zeros((), x.dtype)
        x = lax.optimization_barrier(lax.pad(x, zero, [edges.get(n, (0, 0, 0)) for n in names[0]]))
        padding = [(0, 0), (0, 0)]
    return lax.conv_general_dilated(x, w, strides, padding, **options)


def plain_output(
    x: jax.Array,
    w: jax.Array,
    geometry: Geometry,
    convolve: Callable = lax.conv_general_dilated,
    **options,
) -> jax.Array:
    """Return y from (x, w), a strided convolution; options are further ones of lax."""
    return convolve(
        x,
        w,
        (geometry.stride,) * 2,
        [(geometry.low[i], geometry.high(i)) for i in (0, 1)],
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        **options,
    )


def plain_input_gradient(
    y: jax.Array, w: jax.Array, geometry: Geometry, convolve: Callable = lax.conv_general_dilated
) -> jax.Array:
    """Return x from (y, w), a transposed convolution: y with zeros between its pixels."""
    k = geometry.kernel
    return convolve(
        y,
        w[::-1, ::-1],
        (1, 1),
        [(k[i] - 1 - geometry.low[i], k[i] - 1 - geometry.high(i)) for i in (0, 1)],
        lhs_dilation=(geometry.stride,) * 2,
        dimension_numbers=('NHWC', 'HWOI', 'NHWC'),
    )


def plain_kernel_gradient(
    x: jax.Array, y: jax.Array, geometry: Geometry, convolve: Callable = lax.conv_general_dilated
) -> jax.Array:
    """Return w from (x, y): x convolved with y as a kernel that has zeros between its pixels."""
    return convolve(
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
        return padded_first(y, taps, (1, 1), pads, dimension_numbers=numbers)

    x = jnp.stack([jnp.stack([one(i, j) for j in range(s)], 3) for i in range(s)], 2)
    b, m, _, n, _, c = x.shape
    return x.reshape(b, m * s, n * s, c)[:, :h, :w_]


def wide(geometry: Geometry, channels: int, features: int) -> bool:
    """Return whether tiles of 2 x 2 outputs pay: products as wide as they are many."""
    s = geometry.stride
    whole = all(k % s == 0 and (2, k // s) in tiles.MINIMAL for k in geometry.kernel)
    return whole and s * s * channels >= WIDE and features >= WIDE and min(geometry.out) > 1


def turned(w: jax.Array) -> jax.Array:
    """Return the kernel of the transposed geometry."""
    return w[::-1, ::-1].swapaxes(2, 3)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def output(x: jax.Array, w: jax.Array, geometry: Geometry) -> jax.Array:
    """Return y from (x, w) by what is fast on a CPU."""
    channels, features = w.shape[2:]
    if wide(geometry, channels, features):
        return tiles.output(x, w, geometry, 2)
    if channels < THIN and geometry.stride > 1:
        return tiles.output(x, w, geometry, 1)
    if features < THIN and geometry.stride == 1:
        return tiles.input_gradient(x, turned(w), geometry.transposed(), 1)
    return plain_output(x, w, geometry, padded_first)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def input_gradient(y: jax.Array, w: jax.Array, geometry: Geometry) -> jax.Array:
    """Return x from (y, w) by what is fast on a CPU."""
    channels, features = w.shape[2:]
    if wide(geometry, channels, features):
        return tiles.input_gradient(y, w, geometry, 2)
    if channels < THIN or geometry.out == (1, 1):
        return tiles.input_gradient(y, w, geometry, 1)
    if 1 < geometry.stride <= min(geometry.kernel):
        return phased_input_gradient(y, w, geometry)
    return plain_input_gradient(y, w, geometry, padded_first)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def kernel_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """Return w from (x, y) by what is fast on a CPU."""
    channels, features = x.shape[3], y.shape[3]
    if (geometry.kernel, geometry.stride, geometry.low) == ((1, 1), 1, (0, 0)):
        return (x.reshape(-1, channels).T @ y.reshape(-1, features))[None, None]
    if wide(geometry, channels, features):
        return tiles.kernel_gradient(x, y, geometry, 2)
    if channels < THIN and geometry.stride > 1:
        return tiles.kernel_gradient(x, y, geometry, 1)
    if features < THIN and geometry.stride == 1:
        return turned(tiles.kernel_gradient(y, x, geometry.transposed(), 1))
    return plain_kernel_gradient(x, y, geometry, padded_first)


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


PLAIN = contextvars.ContextVar('PLAIN', default=False)


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Trace with plain XLA convolutions, for FLOP counts."""
    token = PLAIN.set(True)
    try:
        yield
    finally:
        PLAIN.reset(token)


def chosen() -> bool:
    """Return whether convolutions are traced as the rules above choose, not as XLA's own."""
    return jax.default_backend() == 'cpu' and tuning.enabled() and not PLAIN.get()
