"""Changes of colour of an image [H, W, C]; the axis of grey is the mean over the channels."""

import math

import jax
import jax.numpy as jnp

from gan_jax.augment import Number


def brightness(image: jax.Array, shift: Number) -> jax.Array:
    """Add a shift to all values."""
    return image + shift


def contrast(image: jax.Array, factor: Number, about: Number = 0.0) -> jax.Array:
    """Move all values away from one that stays, `about`, by a factor."""
    return image + (factor - 1) * (image - about)


def saturation(image: jax.Array, factor: Number) -> jax.Array:
    """Move every pixel away from its grey by a factor."""
    return image + (factor - 1) * (image - grey(image))


def luma_flip(image: jax.Array, flip: Number) -> jax.Array:
    """Negate the grey of every pixel where `flip` is 1, and keep its colour; 0 keeps the image."""
    return image - 2 * flip * grey(image)


def hue(image: jax.Array, angle: Number) -> jax.Array:
    """Turn the colours of an image of three channels about the axis of grey, by radians."""
    axial = (1 - jnp.cos(angle)) * (grey(image) - image)
    across = (jnp.roll(image, 1, axis=-1) - jnp.roll(image, -1, axis=-1)) / math.sqrt(3.0)
    return image + axial + jnp.sin(angle) * across


def grey(image: jax.Array) -> jax.Array:
    """Return the mean over the channels, [H, W, 1]."""
    return image.mean(axis=-1, keepdims=True)
