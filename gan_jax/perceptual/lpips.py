"""LPIPS on VGG16: how different two images look (Zhang et al. 2018, arXiv:1801.03924), version 0.1.

The features of each block are brought to length 1 in every pixel; the distance is their squared
difference, weighted by channel, averaged over pixels and summed over blocks.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from gan_jax.kinds.image import RANGES, three_channels
from gan_jax.nn.resample import avgpool
from gan_jax.perceptual import vgg16
from gan_jax.perceptual.weights import Weights

# As StyleGAN's measurements do, which shrink larger images first (arXiv:1812.04948).
LARGEST = 256
# The square of what the published code adds to a length.
EPSILON = 1e-20


def variables(weights: Weights) -> dict[str, Any]:
    """Return what the functions below are called with, a pytree of arrays on the device."""
    return jax.device_put({'convs': weights.convs, 'heads': weights.heads})


def seen(images: jax.Array, span: str) -> jax.Array:
    """Return images [B, H, W, C] of a range '[-1,1]' or '[0,1]' as RGB in [-1, 1].

    Those of twice 256 pixels or more are averaged over squares, to less than that.

    Raises:
      UserError: a number of channels that is not gray, RGB or RGBA.
    """
    low, high = RANGES[span]
    images = three_channels((images - low) * (2 / (high - low)) - 1)
    return avgpool(images, max(1, min(images.shape[1:3]) // LARGEST))


def embed(given: Any, images: jax.Array) -> list[jax.Array]:
    """Return vectors [B, n] of RGB images in [-1, 1], whose squared distances are LPIPS's parts.

    Raises:
      UserError: images below 16x16.
    """
    blocks = vgg16.features(given['convs'], images)
    return [weighted(x, head) for x, head in zip(blocks, given['heads'], strict=True)]


def weighted(x: jax.Array, head: jax.Array) -> jax.Array:
    """Return features [B, h, w, C] as [B, h w C], of length 1 and scaled by a head [C]."""
    squares = jnp.sum(x * x, axis=-1, keepdims=True)
    scale = jnp.sqrt(head / (x.shape[1] * x.shape[2])).reshape(1, 1, 1, -1)
    return (x * lax.rsqrt(squares + EPSILON) * scale).reshape(len(x), -1)


def parts(a: Sequence[jax.Array], b: Sequence[jax.Array]) -> jax.Array:
    """Return the distance of each block [blocks, B] between two results of `embed`."""
    return jnp.stack([jnp.sum(jnp.square(x - y), axis=1) for x, y in zip(a, b, strict=True)])


def between(both: Sequence[jax.Array]) -> jax.Array:
    """Return the distance of each block [blocks, B] between both halves of one `embed`."""
    n = len(both[0]) // 2
    return parts([x[:n] for x in both], [x[n:] for x in both])


def distance(given: Any, a: jax.Array, b: jax.Array) -> jax.Array:
    """Return LPIPS [B] of RGB images [B, H, W, 3] in [-1, 1]; of equal ones 0.

    Raises:
      UserError: images below 16x16.
    """
    return between(embed(given, jnp.concatenate([a, b]))).sum(0)
