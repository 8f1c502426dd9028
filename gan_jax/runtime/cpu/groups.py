"""Grouped convolutions on a CPU, where XLA has but a plain loop for their kernel gradients.

Each group is a dense convolution of its own channels, so that what `contractions.py` knows, to
every order of derivatives, serves here too. Groups of few channels are merged, with zeros where
one does not see the other: twice the products at four times their rate. Where every channel is its
own group there is nothing to multiply matrices of, and the taps are summed one by one.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from gan_jax.runtime.cpu import contractions
from gan_jax.runtime.cpu.geometry import Geometry

# Channels that a product should have at least, and parts that a layer should have at most.
NARROW, PARTS = 16, 32


def merging(channels: int, groups: int) -> int:
    """Return how many neighbouring groups are computed as one: a divisor of groups."""
    enough = max(min(NARROW, channels) * groups / channels, groups / PARTS)
    return next(n for n in range(1, groups + 1) if groups % n == 0 and n >= enough)


def merged(kernels: Sequence[jax.Array]) -> jax.Array:
    """Return the kernel of groups side by side, with zeros where they do not see each other.

    Each of n kernels is [kh, kw, in, out], the result [kh, kw, n in, n out].
    """
    zero, out = jnp.zeros((), kernels[0].dtype), kernels[0].shape[3]
    edges = [(i * out, (len(kernels) - 1 - i) * out, 0) for i in range(len(kernels))]
    rows = [lax.pad(w, zero, [(0, 0, 0)] * 3 + [e]) for w, e in zip(kernels, edges, strict=True)]
    return jnp.concatenate(rows, axis=2)


def depthwise(x: jax.Array, w: jax.Array, geometry: Geometry) -> jax.Array:
    """Return y from (x, w) with w [kh, kw, 1, C]: each tap is a product of arrays, not matrices."""
    g, s = geometry, geometry.stride
    edges = [(0, 0, 0), *((g.low[i], g.high(i), 0) for i in (0, 1)), (0, 0, 0)]
    x = lax.pad(x, jnp.zeros((), x.dtype), edges)
    (rows, columns), (b, *_, c) = g.out, x.shape

    def tap(i: int, j: int) -> jax.Array:
        end = (b, i + (rows - 1) * s + 1, j + (columns - 1) * s + 1, c)
        return lax.slice(x, (0, i, j, 0), end, (1, s, s, 1)) * w[i, j][None, None]

    first, *rest = (tap(i, j) for i in range(g.kernel[0]) for j in range(g.kernel[1]))
    return sum(rest, start=first)


# Compiled as a part of what calls it; what is kept is its trace, of many small convolutions.
@functools.partial(jax.jit, static_argnums=(2, 3))
def output(x: jax.Array, w: jax.Array, geometry: Geometry, groups: int) -> jax.Array:
    """Return y from (x, w) with w [kh, kw, in/groups, out]; group g makes the g-th part of out."""
    channels = x.shape[3]
    if groups == channels == w.shape[3]:
        return depthwise(x, w, geometry)
    n, kernels = merging(channels, groups), jnp.split(w, groups, axis=3)
    parts = enumerate(jnp.split(x, groups // n, axis=3))
    made = [
        contractions.output(part, merged(kernels[i * n : (i + 1) * n]), geometry)
        for i, part in parts
    ]
    return jnp.concatenate(made, axis=3)
