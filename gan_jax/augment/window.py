"""What of an image [H, W, C] is seen: the image shifted, or with a hole; all else is zero."""

import jax
import jax.numpy as jnp

from gan_jax.augment import Number


def shift(
    image: jax.Array, rows: jax.Array, columns: jax.Array, most: tuple[int, int]
) -> jax.Array:
    """Return the image whose pixel (i, j) is (i + rows, j + columns) of this one.

    rows, columns: ints of -most to most.
    """
    padded = jnp.pad(image, ((most[0], most[0]), (most[1], most[1]), (0, 0)))
    return jax.lax.dynamic_slice(padded, (most[0] + rows, most[1] + columns, 0), image.shape)


def hole(
    image: jax.Array,
    corner: tuple[Number, Number],
    size: tuple[float, float],
) -> jax.Array:
    """Return the image without the pixels from a corner (row, column) on, of a size in pixels."""
    rows, columns = (
        (jnp.arange(n) >= first) & (jnp.arange(n) < first + side)
        for n, first, side in zip(image.shape[:2], corner, size, strict=True)
    )
    return jnp.where(rows[:, None, None] & columns[None, :, None], 0.0, image)
