"""Random keys: every draw is a function of (seed, purpose, step, index in the global batch)."""

import zlib
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.runtime import parallel
from gan_jax.runtime.cpu import threefry


def root(seed: int) -> jax.Array:
    """Return the root key of a seed."""
    return jax.random.key(seed, impl=threefry.generator())


def wrap(key_data: jax.Array) -> jax.Array:
    """Return the key that `jax.random.key_data` took apart."""
    return jax.random.wrap_key_data(key_data, impl=threefry.generator())


def fold(key: jax.Array, purpose: str, step: jax.Array | int | None = None) -> jax.Array:
    """Derive the key of one purpose, and of one step where one is given, from a run's root key.

    Of the keys [members] of several runs at once come as many.
    """
    key = numbered(key, zlib.crc32(purpose.encode()))
    return key if step is None else numbered(key, step)


def numbered(key: jax.Array, number: jax.Array | int) -> jax.Array:
    """Derive the key of a number, as of one of several batches; of keys [members] as many."""
    if key.ndim:
        return jax.vmap(jax.random.fold_in, in_axes=(0, None))(key, number)
    return jax.random.fold_in(key, number)


def example_keys(key: jax.Array, n: int) -> jax.Array:
    """Return one key per example of this device's part of the batch, as typed keys [n].

    Keys depend on the example's index in the global batch, so draws from them do not depend on
    the number of devices. Of keys [members] come keys [members, n].
    """
    if key.ndim:
        return jax.vmap(lambda one: example_keys(one, n))(key)
    index = parallel.index() * n + jnp.arange(n)
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, index)


def split_each(keys: jax.Array, purpose: str) -> jax.Array:
    """Derive the keys of one purpose from per-example keys [n]."""
    return jax.vmap(lambda key: fold(key, purpose))(keys)


def normal_each(keys: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
    """Draw N(0, 1) of a shape from each of per-example keys [n]."""
    return jax.vmap(lambda key: jax.random.normal(key, shape, dtype))(keys)
