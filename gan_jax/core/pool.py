"""A pool of images that a generator made before, which its discriminator goes on seeing.

Shrivastava et al. 2017 (arXiv:1612.07828, section 2.3), as CycleGAN uses it (arXiv:1703.10593).
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from gan_jax.core import rng
from gan_jax.runtime import parallel

Pool = dict[str, jax.Array]


def empty(size: int, shape: tuple[int, ...]) -> Pool:
    """Return a pool with room for a number of images."""
    return {'images': jnp.zeros((size, *shape)), 'held': jnp.zeros((), jnp.int32)}


def exchange(pool: Pool, made: jax.Array, key: jax.Array) -> tuple[Pool, jax.Array]:
    """Return the pool after a batch of new images [B, ...], and what is shown in their place.

    One after the other: until the pool is full, an image is kept and shown; then half of them are
    shown as they are, and half take the place of a random one, which is shown. `made` is this
    device's part of the batch; the pool is that of the whole batch, the same on all devices.
    """
    everywhere = parallel.gather(made)
    numbers = jnp.arange(len(everywhere))
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, numbers)
    pool, shown = lax.scan(_one, pool, (everywhere, keys))
    own = parallel.index() * len(made)
    return pool, lax.dynamic_slice_in_dim(shown, own, len(made))


def _one(pool: Pool, given: Any) -> tuple[Pool, jax.Array]:
    """Return the pool after one image, and the image to show."""
    image, key = given
    size = len(pool['images'])
    full = pool['held'] >= size
    old = full & jax.random.bernoulli(rng.fold(key, 'old'))
    place = jnp.where(full, jax.random.randint(rng.fold(key, 'place'), (), 0, size), pool['held'])
    there = pool['images'][place]
    kept = jnp.where(full & ~old, there, image)
    pool = {
        'images': pool['images'].at[place].set(kept),
        'held': jnp.minimum(pool['held'] + 1, size),
    }
    return pool, jnp.where(old, there, image)
