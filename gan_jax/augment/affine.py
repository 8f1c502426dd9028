"""Maps of the plane as matrices [3, 3] on (x, y, 1), in pixels from an image's middle, y down."""

import functools

import jax
import jax.numpy as jnp

from gan_jax.augment import Number


def scaling(x: Number, y: Number) -> jax.Array:
    """Return the map that multiplies coordinates."""
    return _rows((x, 0, 0), (0, y, 0), (0, 0, 1))


def rotation(angle: Number) -> jax.Array:
    """Return the turn by an angle in radians that takes x to y."""
    c, s = jnp.cos(angle), jnp.sin(angle)
    return _rows((c, -s, 0), (s, c, 0), (0, 0, 1))


def translation(x: Number, y: Number) -> jax.Array:
    """Return the map that adds to coordinates."""
    return _rows((1, 0, x), (0, 1, y), (0, 0, 1))


def product(*maps: jax.Array) -> jax.Array:
    """Return the map that applies the last one first."""
    # Sums of products: a matrix product may round its inputs to ten bits on a GPU.
    return functools.reduce(lambda a, b: (a[:, :, None] * b[None]).sum(1), maps)


def _rows(*rows: tuple[Number, ...]) -> jax.Array:
    return jnp.stack([jnp.stack([jnp.asarray(x, jnp.float32) for x in row]) for row in rows])
