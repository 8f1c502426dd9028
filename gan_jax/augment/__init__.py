"""Differentiable augmentations of images: pure functions of images and of what was drawn for them.

Terms draw and apply them to what a discriminator sees; `diffaugment` and `ada` are the published
sets. A generator's gradient passes through all of them.
"""

import jax

from gan_jax.errors import UserError

# what is drawn for an image
Number = jax.Array | float


def images_only(term: str, shape: tuple[int, ...]) -> None:
    """Refuse a term that augments images where the examples are something else.

    Raises:
      UserError: names the term and the shape.
    """
    if len(shape) != 3 or min(shape[:2]) < 2:
        raise UserError(
            f'terms.{term} is not allowed for examples of shape {shape}: it needs images '
            '[H, W, C] of at least 2x2 pixels'
        )
