"""Threefry-2x32 written out, so that draws fuse into what uses them.

The numbers are those of jax's own default generator, bit for bit. Its program for CPUs is a loop
for each draw, and a step of a small network that draws for every example makes dozens of them:
the loops took most of the step (`benchmarks/compare.py`).
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import random as extend

from gan_jax.runtime.cpu import tuning

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA


def threefry(key: jax.Array, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return two words for counters x, y, uint32 of any shape (Salmon et al. 2011, 20 rounds)."""
    a, b = key[0], key[1]
    keys = (a, b, a ^ b ^ jnp.uint32(PARITY))
    x, y = x + keys[0], y + keys[1]
    for group in range(5):
        for rotation in ROTATIONS[group % 2]:
            x = x + y
            y = x ^ ((y << jnp.uint32(rotation)) | (y >> jnp.uint32(32 - rotation)))
        x = x + keys[(group + 1) % 3]
        y = y + keys[(group + 2) % 3] + jnp.uint32(group + 1)
    return x, y


def seed(value: jax.Array | int) -> jax.Array:
    """Return the key, uint32 [2], of an integer seed."""
    low = jnp.asarray(value).astype(jnp.uint32)
    return jnp.stack([jnp.zeros_like(low), low])


def fold_in(key: jax.Array, data: jax.Array | int) -> jax.Array:
    """Return the key derived from a key and a number."""
    return jnp.stack(threefry(key, *seed(data)))


def split(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return keys uint32 [*shape, 2] derived from one."""
    return jnp.stack(threefry(key, *_counters(shape)), axis=-1)


def random_bits(key: jax.Array, width: int, shape: tuple[int, ...]) -> jax.Array:
    """Return random unsigned integers of 8, 16 or 32 bits."""
    high, low = threefry(key, *_counters(shape))
    return (high ^ low).astype({8: jnp.uint8, 16: jnp.uint16, 32: jnp.uint32}[width])


def _counters(shape: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    """Return the high and low words of 0, 1, 2, ... in a shape of less than 2^32 elements."""
    low = jnp.zeros((), jnp.uint32)
    for axis in range(len(shape)):
        low = low * jnp.uint32(shape[axis]) + jax.lax.broadcasted_iota(jnp.uint32, shape, axis)
    return jnp.zeros_like(low), low


FUSED = extend.define_prng_impl(
    key_shape=(2,),
    seed=seed,
    split=split,
    random_bits=random_bits,
    fold_in=fold_in,
    name='threefry2x32_fused',
    tag='fry!',
)


def generator() -> Any:
    """Return what to make keys with: the generator of this file, or jax's own of the same bits."""
    return FUSED if tuning.enabled() else 'threefry2x32'
