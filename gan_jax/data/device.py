"""What happens to a batch on the device: gather, flip, scale, dequantise, pool. Pure jax."""

import jax
import jax.numpy as jnp

from gan_jax.errors import UserError

RANGES = {'[-1,1]': (-1.0, 1.0), '[0,1]': (0.0, 1.0)}
LEVELS = {'uint8': 255, 'uint16': 65535}


def flip(images: jax.Array, keys: jax.Array) -> jax.Array:
    """Mirror each image [B, H, W, C] left to right with probability 1/2, by its own key [B]."""
    mirrored = jax.vmap(jax.random.bernoulli)(keys)
    return jnp.where(mirrored[:, None, None, None], images[:, :, ::-1, :], images)


def scale(images: jax.Array, span: str) -> jax.Array:
    """Scale integer images to float32 in '[-1,1]' or '[0,1]'; floats pass as they are."""
    levels = LEVELS.get(images.dtype.name)
    if levels is None:
        return images.astype(jnp.float32)
    whole = images.astype(jnp.int32)
    if span == '[-1,1]':
        whole = 2 * whole - levels
    # whole numbers up to the one step that rounds: the same bits in every program around it
    return whole.astype(jnp.float32) / levels


def dequantise(images: jax.Array, keys: jax.Array, span: str) -> jax.Array:
    """Scale integer images with noise of one level added; floats pass as they are.

    (x + U(0, 1)) / levels on [0, 1] for x of 0 to levels - 1 (Theis et al., 2016,
    arXiv:1511.01844). The noise has as many bits as the sum holds, and levels is a power of two:
    nothing is rounded, so that no compiler's way of fusing it can change a bit.
    """
    top = LEVELS.get(images.dtype.name)
    if top is None:
        return scale(images, span)
    low, high = RANGES[span]
    grains = 2**23 // (top + 1)
    noise = jax.vmap(lambda key: jax.random.uniform(key, images.shape[1:]))(keys)
    noise = jnp.floor(noise * grains) / grains
    return (images.astype(jnp.float32) + noise) * ((high - low) / (top + 1)) + low


def pool(images: jax.Array, height: int) -> jax.Array:
    """Average-pool images [B, H, W, C] to a height that divides H, and the width alike."""
    b, h, w, c = images.shape
    factor = h // height
    if factor == 1:
        return images
    return images.reshape(b, h // factor, factor, w // factor, factor, c).mean(axis=(2, 4))


def check_resolution(shape: tuple[int, ...], height: int | None) -> tuple[int, ...]:
    """Return the shape (H, W, C) after pooling; raise UserError where it does not divide."""
    if height is None:
        return shape
    h, w, c = shape
    if height < 1 or h % height or w % (h // height):
        raise UserError(f'resolution {height} does not divide images of {h}x{w}')
    return height, w // (h // height), c
