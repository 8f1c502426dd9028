"""Convolutions as products of matrices, over tiles of the image.

Blocks of s x s pixels become pixels of s^2 times the channels, so that a convolution of stride s
with kernels of r s x r s taps is one of stride 1 with r x r taps. Its outputs are then computed in
tiles of m x m, from inputs of (m + r - 1) x (m + r - 1), by Winograd's minimal filtering (Lavin and
Gray 2015, arXiv:1509.09308). Along one axis it is the identity

    sum_i,j  x[i + j] w[j] y[i]  =  sum_t  (B x)[t] (G w)[t] (A y)[t]

with m + r - 1 products t in place of m r, so that all three partial contractions of the form that
a convolution is (see `contractions.py`) are: transform two arrays, multiply their matrices, and
apply the transpose of the third array's transform. What is transformed once is shared by the
contractions of a training step. With m = 1 nothing is saved, A is all ones, and the tiles of all
taps make one matrix: the way for images of few channels.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_jax.runtime.cpu.geometry import Geometry

Matrix = Sequence[Sequence[float]]


class Filtering(NamedTuple):
    """The three transforms of one axis, a row for each product."""

    outputs: Matrix  # A: products x m
    kernel: Matrix  # G: products x r
    inputs: Matrix  # B: products x (m + r - 1)


# By (m, r): polynomials are multiplied at the points 0, 1 and infinity, and at -1 for r = 3, where
# the transforms are exact but for the sums themselves. More points would cost digits.
MINIMAL = {
    (2, 2): Filtering(
        [[1, 0], [1, 1], [0, 1]],
        [[1, 0], [1, 1], [0, 1]],
        [[1, -1, 0], [0, 1, 0], [0, -1, 1]],
    ),
    (2, 3): Filtering(
        [[1, 0], [1, 1], [1, -1], [0, -1]],
        [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]],
        [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
    ),
}


def filtering(m: int, r: int) -> Filtering:
    """Return the transforms for tiles of m outputs and r taps."""
    return MINIMAL[m, r] if m > 1 else Filtering([[1]], np.eye(r).tolist(), np.eye(r).tolist())


def unstack(x: jax.Array, axis: int) -> list[jax.Array]:
    """Return the slices along an axis; the transpose is a concatenation, which XLA does well."""
    return [part.squeeze(axis) for part in lax.split(x, (1,) * x.shape[axis], axis)]


def combine(row: Sequence[float], parts: Sequence[jax.Array]) -> jax.Array:
    """Return the sum of parts, weighted by a row of a transform."""
    terms = [
        p if c == 1 else -p if c == -1 else c * p for c, p in zip(row, parts, strict=True) if c
    ]
    return sum(terms[1:], start=terms[0])


def both(
    down: Matrix, across: Matrix, rows: Sequence[jax.Array], columns: Callable
) -> list[jax.Array]:
    """Transform rows, then the columns that each sum of them is taken apart into."""
    sums = [columns(combine(row, rows)) for row in down]
    return [combine(column, parts) for parts in sums for column in across]


def windows(x: jax.Array, axis: int, tiles: int, size: int) -> list[jax.Array]:
    """Return the pixels of all tiles, of a size that may overlap the next, one by one.

    `axis` counts blocks of m pixels, the axis after it the pixels of a block.
    """
    m, parts = x.shape[axis + 1], unstack(x, axis + 1)
    return [lax.slice_in_dim(parts[i % m], i // m, i // m + tiles, axis=axis) for i in range(size)]


class Tiles(NamedTuple):
    """A convolution of images of a batch and channels, in tiles of m x m outputs."""

    geometry: Geometry
    batch: int
    channels: int  # of x
    features: int  # of y
    m: int

    @property
    def taps(self) -> tuple[int, ...]:
        """Return r of each axis: how many blocks of the stride the kernel reaches over."""
        return tuple(-(-k // self.geometry.stride) for k in self.geometry.kernel)

    @property
    def grid(self) -> tuple[int, ...]:
        """Return how many tiles there are along each axis."""
        return tuple(-(-n // self.m) for n in self.geometry.out)

    @property
    def transforms(self) -> list[Filtering]:
        """Return the transforms of both axes."""
        return [filtering(self.m, r) for r in self.taps]

    def inputs(self, x: jax.Array) -> list[jax.Array]:
        """Transform x [B, H, W, C] into matrices [tiles, s^2 C]."""
        g, m, s, (h, w) = self.geometry, self.m, self.geometry.stride, self.grid
        size, (down, across) = [m + r - 1 for r in self.taps], self.transforms
        blocks = [self.grid[i] + -(-(self.taps[i] - 1) // m) for i in (0, 1)]
        high = [m * s * blocks[i] - g.low[i] - g.size[i] for i in (0, 1)]
        edges = [(0, 0, 0), (g.low[0], high[0], 0), (g.low[1], high[1], 0), (0, 0, 0)]
        x = lax.pad(x, jnp.zeros((), x.dtype), edges)
        x = x.reshape(self.batch, blocks[0], m, s, -1, s * self.channels)

        def columns(y: jax.Array) -> list[jax.Array]:
            y = y.reshape(self.batch, h, s, blocks[1], m, s * self.channels)
            return windows(y, 3, w, size[1])

        found = both(down.inputs, across.inputs, windows(x, 1, h, size[0]), columns)
        return self.joined([y.swapaxes(2, 3).reshape(-1, s * s * self.channels) for y in found], 1)

    def kernels(self, w: jax.Array) -> list[jax.Array]:
        """Transform w [kh, kw, C, D] into matrices [s^2 C, D]."""
        s, (h, k), (p, q) = self.geometry.stride, self.geometry.kernel, self.taps
        down, across = self.transforms
        w = jnp.pad(w, ((0, p * s - h), (0, q * s - k), (0, 0), (0, 0)))
        rows = unstack(w.reshape(p, s, q, s, self.channels, self.features), 0)
        found = both(down.kernel, across.kernel, rows, lambda w: unstack(w, 1))
        return self.joined([w.reshape(-1, self.features) for w in found], 0)

    def outputs(self, y: jax.Array) -> list[jax.Array]:
        """Transform y [B, H', W', D] into matrices [tiles, D]."""
        m, (h, w), out = self.m, self.grid, self.geometry.out
        down, across = self.transforms
        y = jnp.pad(y, ((0, 0), (0, m * h - out[0]), (0, m * w - out[1]), (0, 0)))
        rows = unstack(y.reshape(self.batch, h, m, w, m, self.features), 2)
        found = both(down.outputs, across.outputs, rows, lambda y: unstack(y, 3))
        return [y.reshape(-1, self.features) for y in found]

    def joined(self, parts: list[jax.Array], axis: int) -> list[jax.Array]:
        """Return the matrices, or where y is in each of their products, all as one."""
        return [jnp.concatenate(parts, axis)] if self.m == 1 else parts


def over(transform: Callable, a: list[jax.Array], b: list[jax.Array], axes, shape) -> jax.Array:
    """Return the array whose transform is contracted with products of a and b over axes."""
    products = [lax.dot_general(i, j, (axes, ((), ()))) for i, j in zip(a, b, strict=True)]
    like = jax.ShapeDtypeStruct(shape, products[0].dtype)
    return jax.linear_transpose(transform, like)(products)[0]


@functools.partial(jax.jit, static_argnums=(2, 3))
def output(x: jax.Array, w: jax.Array, geometry: Geometry, m: int) -> jax.Array:
    """Return y from (x, w)."""
    t = Tiles(geometry, len(x), w.shape[2], w.shape[3], m)
    shape = (t.batch, *geometry.out, t.features)
    return over(t.outputs, t.inputs(x), t.kernels(w), ((1,), (0,)), shape)


@functools.partial(jax.jit, static_argnums=(2, 3))
def input_gradient(y: jax.Array, w: jax.Array, geometry: Geometry, m: int) -> jax.Array:
    """Return x from (y, w)."""
    t = Tiles(geometry, len(y), w.shape[2], w.shape[3], m)
    shape = (t.batch, *geometry.size, t.channels)
    return over(t.inputs, t.outputs(y), t.kernels(w), ((1,), (1,)), shape)


@functools.partial(jax.jit, static_argnums=(2, 3))
def kernel_gradient(x: jax.Array, y: jax.Array, geometry: Geometry, m: int) -> jax.Array:
    """Return w from (x, y)."""
    t = Tiles(geometry, len(x), x.shape[3], y.shape[3], m)
    shape = (*geometry.kernel, t.channels, t.features)
    return over(t.kernels, t.inputs(x), t.outputs(y), ((0,), (0,)), shape)
