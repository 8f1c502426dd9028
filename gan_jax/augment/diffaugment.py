"""DiffAugment: colour, translation and cutout (Zhao et al. 2020, arXiv:2006.10738)."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.augment import color, window

Shape = tuple[int, ...]
Draw = tuple[jax.Array, ...]


class Augmentation(NamedTuple):
    """Hold one augmentation of an image [H, W, C] in two parts, so that a draw can be given.

    draw: (key, shape of the image) -> what is random; apply: (image, *draw) -> image.
    """

    draw: Callable[[jax.Array, Shape], Draw]
    apply: Callable[..., jax.Array]


def color_draw(key: jax.Array, shape: Shape) -> Draw:
    """Return a shift of brightness in +-1/2, a saturation to 2, a contrast in 1/2 to 3/2."""
    del shape
    u = jax.random.uniform(key, (3,))
    return u[0] - 0.5, 2 * u[1], u[2] + 0.5


def change_color(
    image: jax.Array, brightness: jax.Array, saturation: jax.Array, contrast: jax.Array
) -> jax.Array:
    """Shift the brightness, scale the saturation, and the contrast about the image's mean."""
    image = color.saturation(color.brightness(image, brightness), saturation)
    return color.contrast(image, contrast, about=image.mean())


def translation_draw(key: jax.Array, shape: Shape) -> Draw:
    """Return a shift by rows and columns, ints of up to an eighth of the image either way."""
    u = jax.random.uniform(key, (2,))
    most = farthest(shape)
    return tuple(integer(u[i], 2 * most[i] + 1) - most[i] for i in (0, 1))


def translate(image: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
    """Shift an image; what comes in is zero."""
    return window.shift(image, rows, columns, farthest(image.shape))


def farthest(shape: Shape) -> tuple[int, int]:
    """Return by how many rows and columns an image is shifted at most."""
    return int(shape[0] / 8 + 0.5), int(shape[1] / 8 + 0.5)


def cutout_draw(key: jax.Array, shape: Shape) -> Draw:
    """Return the row and column about which a hole lies, from the first to past the last."""
    u = jax.random.uniform(key, (2,))
    return tuple(integer(u[i], shape[i] + 1 - holes(shape)[i] % 2) for i in (0, 1))


def cut_out(image: jax.Array, row: jax.Array, column: jax.Array) -> jax.Array:
    """Put a hole of half the image's height and width into it, a part of which may be outside."""
    height, width = holes(image.shape)
    return window.hole(image, (row - height // 2, column - width // 2), (height, width))


def holes(shape: Shape) -> tuple[int, int]:
    """Return the height and width of a hole."""
    return int(shape[0] / 2 + 0.5), int(shape[1] / 2 + 0.5)


def integer(u: jax.Array, n: int) -> jax.Array:
    """Return the int of 0 to n - 1 that a number of [0, 1) stands for."""
    return jnp.floor(u * n).astype(jnp.int32)


AUGMENTATIONS = {
    'color': Augmentation(color_draw, change_color),
    'translation': Augmentation(translation_draw, translate),
    'cutout': Augmentation(cutout_draw, cut_out),
}
