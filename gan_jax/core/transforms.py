"""Random transforms of images on the device, by per-example keys: a table by name.

config.data.transforms holds any of them with spaces between: 'flip jitter:286,256'.
"""

import dataclasses
import functools
import re
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.errors import UserError, choose

Shape = tuple[int, ...]
# A number of pixels, as text.
PIXELS = re.compile(r'[1-9][0-9]{0,6}')


@dataclasses.dataclass(frozen=True)
class Flip:
    """Mirror each image left to right with probability 1/2."""

    name = 'flip'

    def shape(self, shape: Shape) -> Shape:
        """Return the shape (H, W, C) after it."""
        return shape

    def __call__(self, images: jax.Array, keys: jax.Array | None) -> jax.Array:
        if keys is None:
            return images
        mirrored = jax.vmap(jax.random.bernoulli)(keys)
        return jnp.where(mirrored[:, None, None, None], images[:, :, ::-1, :], images)


@dataclasses.dataclass(frozen=True)
class Crop:
    """Cut a square out of each image at a random place; from the middle without keys."""

    side: int
    name = 'crop'

    def shape(self, shape: Shape) -> Shape:
        """Return the shape (H, W, C) after it; raise UserError for images that are too small."""
        if min(shape[:2]) < self.side:
            raise UserError(
                f"config.data.transforms='crop:{self.side}' is larger than images of "
                f'{shape[0]}x{shape[1]}'
            )
        return (self.side, self.side, *shape[2:])

    def __call__(self, images: jax.Array, keys: jax.Array | None) -> jax.Array:
        room = jnp.asarray([n - self.side for n in images.shape[1:3]])
        if keys is None:
            places = jnp.broadcast_to(room // 2, (len(images), 2))
        else:
            places = jax.vmap(lambda key: jax.random.randint(key, (2,), 0, room + 1))(keys)
        size = (self.side, self.side, images.shape[3])

        def cut(image: jax.Array, place: jax.Array) -> jax.Array:
            return jax.lax.dynamic_slice(image, (place[0], place[1], 0), size)

        return jax.vmap(cut)(images, places)


@dataclasses.dataclass(frozen=True)
class Jitter:
    """Enlarge each image to a square and cut a smaller one out, as pix2pix does.

    Without keys images are resized to the smaller one (Isola et al. 2017, arXiv:1611.07004).
    """

    large: int
    side: int
    name = 'jitter'

    def shape(self, shape: Shape) -> Shape:
        """Return the shape (H, W, C) after it."""
        return (self.side, self.side, *shape[2:])

    def __call__(self, images: jax.Array, keys: jax.Array | None) -> jax.Array:
        if keys is None:
            return resized(images, self.side)
        return Crop(self.side)(resized(images, self.large), keys)


def resized(images: jax.Array, side: int) -> jax.Array:
    """Resize images [B, H, W, C] to squares by cubic interpolation, rounded where integers are."""
    if images.shape[1:3] == (side, side):
        return images
    shape = (len(images), side, side, images.shape[3])
    found = jax.image.resize(images.astype(jnp.float32), shape, 'cubic')
    if not jnp.issubdtype(images.dtype, jnp.integer):
        return found.astype(images.dtype)
    top = jnp.iinfo(images.dtype).max
    return jnp.clip(jnp.round(found), 0, top).astype(images.dtype)


# each with how many sizes it takes
TABLE: dict[str, tuple[Any, int]] = {'flip': (Flip, 0), 'crop': (Crop, 1), 'jitter': (Jitter, 2)}


@functools.cache
def parse(text: str) -> tuple[Any, ...]:
    """Return the transforms that a text names, in its order.

    Raises:
      UserError: there is none of a name, or it takes other sizes.
    """
    found = []
    for word in text.split():
        name, _, rest = word.partition(':')
        make, count = choose(TABLE, name, 'config.data.transforms')
        sizes = rest.split(',') if rest else []
        if len(sizes) != count or not all(map(PIXELS.fullmatch, sizes)):
            raise UserError(
                f"config.data.transforms='{text}': {name} takes {count} sizes in pixels, such as "
                "'flip', 'crop:256' or 'jitter:286,256'"
            )
        found.append(make(*map(int, sizes)))
    if any(isinstance(t, Jitter) and t.large < t.side for t in found):
        raise UserError(f"config.data.transforms='{text}': jitter takes the larger size first")
    return tuple(found)
