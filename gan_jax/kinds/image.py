"""Images [H, W, C] of uint8, uint16 or float32: scaled to a range, transformed, shown, PNG."""

import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import kinds, pictures
from gan_jax.core import transforms
from gan_jax.errors import UserError, choose
from gan_jax.kinds import Field

RANGES = {'[-1,1]': (-1.0, 1.0), '[0,1]': (0.0, 1.0)}
LEVELS = {'uint8': 255, 'uint16': 65535}


class Image(kinds.Kind):
    """Scale pixels to config.data.range on the device, and floats of it back to uint8."""

    suffix = '.png'

    def finished(self, field: Field, options: Mapping[str, Any]) -> Field:
        """Return the field after its transforms, float32 in the range of the options."""
        choose(RANGES, options['range'], 'config.data.range')
        shape = field.shape
        for transform in transforms.parse(options['transforms']):
            shape = transform.shape(shape)
        return kinds.float_field(field, shape, options['range'])

    def resized(self, field: Field, resolution: int) -> Field:
        """Return the field after pooling to a height; raise UserError where it does not divide."""
        h, w, c = field.shape
        if resolution < 1 or h % resolution or w % (h // resolution):
            raise UserError(f'resolution {resolution} does not divide images of {h}x{w}')
        return kinds.float_field(field, (resolution, w // (h // resolution), c), field.span)

    def preprocess(
        self,
        x: jax.Array,
        field: Field,
        draw: kinds.Draw | None,
        options: Mapping[str, Any],
    ) -> jax.Array:
        """Return raw images [B, H, W, C] transformed and scaled; noise of a level if dequantised.

        Images of one example are transformed alike.
        """
        del field
        x = jnp.asarray(x)
        for transform in transforms.parse(options['transforms']):
            keys = None if draw is None else draw(transform.name, True)
            x = transform(x, keys)
        if draw is not None and options['dequantise']:
            return dequantise(x, draw('noise', False), options['range'])
        return scale(x, options['range'])

    def resize(self, x: jax.Array, resolution: int) -> jax.Array:
        """Average-pool images [B, H, W, C] to a height that divides H, and the width alike."""
        b, h, w, c = x.shape
        factor = h // resolution
        if factor == 1:
            return x
        return x.reshape(b, h // factor, factor, w // factor, factor, c).mean(axis=(2, 4))

    def final(self, x: np.ndarray, field: Field) -> np.ndarray:
        """Return floats of the field's range as uint8."""
        return to_uint8(np.asarray(x), field.span)

    def picture(self, examples: np.ndarray, field: Field) -> np.ndarray:
        """Lay images out in rows and columns."""
        del field
        return pictures.grid(examples)

    def picture_size(self, field: Field, rows: int, columns: int) -> tuple[int, int]:
        """Return the size (H, W) of a picture of rows and columns."""
        return pictures.grid_size(rows, columns, *field.shape[:2])

    def write(self, path: pathlib.Path, example: np.ndarray, field: Field) -> None:
        """Write a PNG."""
        del field
        pictures.save_png(path, example, durable=False)


KIND = Image()


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

    (x + U(0, 1)) / levels on [0, 1] for x of 0 to levels - 1 (Theis et al. 2016,
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


def to_uint8(images: np.ndarray, span: str) -> np.ndarray:
    """Convert float images in '[-1,1]' or '[0,1]' to uint8; see `to_levels`."""
    return to_levels(images, span, 'uint8')


def to_levels(images: np.ndarray, span: str, dtype: str) -> np.ndarray:
    """Convert float images in '[-1,1]' or '[0,1]' to a dtype of LEVELS, by rounding.

    What is beyond the range is clipped; values that are not a number become black.
    """
    low, levels = RANGES[span][0], float(LEVELS[dtype])
    images = np.nan_to_num(np.asarray(images, np.float32), nan=low, posinf=1.0, neginf=low)
    return np.rint(levels * (np.clip(images, low, 1.0) - low) / (1.0 - low)).astype(dtype)


def three_channels(images: jax.Array) -> jax.Array:
    """Return RGB: gray three times, alpha dropped; raise UserError for other channel counts."""
    channels = images.shape[-1]
    if channels not in (1, 3, 4):
        raise UserError(f'this network takes gray, RGB or RGBA images, not {channels} channels')
    return jnp.repeat(images, 3, axis=-1) if channels == 1 else images[..., :3]
