"""The augmentations of ADA, each applied with a probability (Karras et al. 2020, arXiv:2006.06676).

The pipeline of the paper's appendix B as far as it helps: pixel blitting, general geometric and
colour transformations, and cutout. `draw` makes what is random, `apply` is a function of it.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.augment import Number, affine, color, resample, window


class Shares(NamedTuple):
    """Hold how probable each group is, as a multiple of p; 0 leaves the group out."""

    blit: float = 1.0
    geometric: float = 1.0
    color: float = 1.0
    cutout: float = 0.0


class Draw(NamedTuple):
    """Hold what is random about images, in the order in which it is applied; as it is, nothing.

    Of one image, or with an axis [B] of several. mirror, luma_flip, cutout: 0 or 1; quarters:
    quarter turns; step: (x, y) as shares of the size, which become whole pixels; zoom, stretch
    (in x; in y its inverse), contrast, saturation: factors; before, after (the stretch), hue:
    radians; move: (x, y) as shares of the size; corner: (row, column) of the hole, as shares.
    """

    mirror: Number = 0.0
    quarters: Number = 0.0
    step: tuple[Number, Number] = (0.0, 0.0)
    zoom: Number = 1.0
    before: Number = 0.0
    stretch: Number = 1.0
    after: Number = 0.0
    move: tuple[Number, Number] = (0.0, 0.0)
    brightness: Number = 0.0
    contrast: Number = 1.0
    luma_flip: Number = 0.0
    hue: Number = 0.0
    saturation: Number = 1.0
    cutout: Number = 0.0
    corner: tuple[Number, Number] = (0.0, 0.0)


NOTHING = Draw()
# how many numbers make a draw
STRENGTHS = 17


def draw(key: jax.Array, p: Number, shares: Shares) -> Draw:
    """Return what is random about one image, of which each part is applied with its chance."""
    blit, geometric, colors, cutout = (p * share for share in shares)
    # two turns of this chance leave an image without any with a chance of 1 - p
    turn = 1 - jnp.sqrt(1 - jnp.minimum(geometric, 1.0))
    moves = (geometric, turn, geometric, turn, geometric)
    # last the hole and its place, which does nothing without one
    chances = jnp.stack([*map(jnp.float32, (*[blit] * 3, *moves, *[colors] * 5, cutout, 1.0))])
    # One draw for all, and behind a barrier: XLA would repeat it in everything that reads of it.
    u = jax.lax.optimization_barrier(jax.random.uniform(key, (len(chances) + STRENGTHS,)))
    chosen, drawn = u[: len(chances)] < chances, everything(u[len(chances) :])

    def pick(i, value, nothing):
        return jax.tree.map(lambda v, n: jnp.where(chosen[i], v, n), value, nothing)

    return Draw(*map(pick, range(len(drawn)), drawn, NOTHING))


def everything(u: jax.Array) -> Draw:
    """Return the draw of all parts that uniform numbers [17] of [0, 1) make.

    The strengths are those of the paper's appendix B.
    """
    around = 2 * u - 1
    # between the steps of 2^-23 in which u comes, so that none is infinite
    normal = math.sqrt(2) * jax.lax.erf_inv(around[10:] + 2**-23)
    return Draw(
        mirror=jnp.floor(2 * u[0]),
        quarters=jnp.floor(4 * u[1]),
        step=(0.125 * around[2], 0.125 * around[3]),
        zoom=jnp.exp2(0.2 * normal[0]),
        before=math.pi * around[4],
        stretch=jnp.exp2(0.2 * normal[1]),
        after=math.pi * around[5],
        move=(0.125 * normal[2], 0.125 * normal[3]),
        brightness=0.2 * normal[4],
        contrast=jnp.exp2(0.5 * normal[5]),
        luma_flip=jnp.floor(2 * u[6]),
        hue=math.pi * around[7],
        saturation=jnp.exp2(normal[6]),
        cutout=jnp.float32(1.0),
        corner=(u[8] - 0.25, u[9] - 0.25),
    )


def apply(images: jax.Array, drawn: Draw, shares: Shares) -> jax.Array:
    """Return images [B, H, W, C] changed by draws [B]; those that nothing moves keep their bits."""
    if shares.blit or shares.geometric:
        images = move(images, drawn)
    if shares.color:
        images = jax.vmap(change_color)(images, drawn)
    if shares.cutout:
        images = jax.vmap(cut_out)(images, drawn)
    return images


def move(images: jax.Array, drawn: Draw) -> jax.Array:
    """Return images [B, H, W, C] after the geometric changes of draws [B]."""
    inverse = jax.vmap(lambda one: inverse_map(one, *images.shape[1:3]))(drawn)
    moved = (inverse != jnp.eye(3)[None]).any((1, 2))
    return jnp.where(moved[:, None, None, None], resample.warp(images, inverse), images)


def inverse_map(drawn: Draw, height: int, width: int) -> jax.Array:
    """Return where the pixels of an image come from under a draw, as a map [3, 3]."""
    return affine.product(
        affine.scaling(1 - 2 * drawn.mirror, 1),
        affine.rotation(math.pi / 2 * drawn.quarters),
        affine.translation(-jnp.round(drawn.step[0] * width), -jnp.round(drawn.step[1] * height)),
        affine.scaling(1 / drawn.zoom, 1 / drawn.zoom),
        affine.rotation(drawn.before),
        affine.scaling(1 / drawn.stretch, drawn.stretch),
        affine.rotation(drawn.after),
        affine.translation(-drawn.move[0] * width, -drawn.move[1] * height),
    )


def change_color(image: jax.Array, drawn: Draw) -> jax.Array:
    """Return an image [H, W, C] in the colours of a draw; hue needs three channels."""
    image = color.contrast(color.brightness(image, drawn.brightness), drawn.contrast)
    image = color.luma_flip(image, drawn.luma_flip)
    if image.shape[-1] == 3:
        image = color.hue(image, drawn.hue)
    return color.saturation(image, drawn.saturation)


def cut_out(image: jax.Array, drawn: Draw) -> jax.Array:
    """Return an image [H, W, C] with the hole of a draw, half as high and wide."""
    height, width = image.shape[:2]
    corner = (drawn.corner[0] * height - 0.5, drawn.corner[1] * width - 0.5)
    holed = window.hole(image, corner, (height / 2, width / 2))
    return jnp.where(drawn.cutout > 0, holed, image)
