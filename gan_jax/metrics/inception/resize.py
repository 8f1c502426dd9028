"""Bring images to the Inception network's 299 x 299, in the three ways that numbers are made.

'legacy': bilinear between pixel centres, no antialiasing, as pytorch-fid does in PyTorch.
'tf1':    bilinear from the corner, no antialiasing, as TensorFlow 1 does, and torch-fidelity.
'clean':  antialiased bicubic as PIL does, in float, as clean-fid (Parmar et al., On Aliased
          Resizing, 2022, arXiv:2104.11222).

All three are linear and separable, so each is a matrix per axis.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_jax.errors import choose


class Resizer(NamedTuple):
    """Hold how the weights of one axis are made and what becomes of the result, 0..255."""

    matrix: Callable[[int, int], np.ndarray]
    scale: Callable[[jax.Array], jax.Array]


def bilinear(source: np.ndarray, size: int) -> np.ndarray:
    """Return weights [out, in] that interpolate at positions `source` [out] of an axis."""
    source = np.maximum(source, 0)
    low = np.minimum(np.floor(source).astype(int), size - 1)
    part = source - low
    weights = np.zeros((len(source), size))
    rows = np.arange(len(source))
    np.add.at(weights, (rows, low), 1 - part)
    np.add.at(weights, (rows, np.minimum(low + 1, size - 1)), part)
    return weights


def centred(size: int, out: int) -> np.ndarray:
    """Interpolate between pixel centres."""
    return bilinear((np.arange(out) + 0.5) * (size / out) - 0.5, size)


def cornered(size: int, out: int) -> np.ndarray:
    """Interpolate from the corner of the first pixel, as TensorFlow 1 did."""
    return bilinear(np.arange(out) * (size / out), size)


def bicubic(size: int, out: int) -> np.ndarray:
    """Interpolate with the cubic of Keys (1981), a = -1/2, widened where the image shrinks."""
    scale = size / out
    width = max(scale, 1.0)
    middle = (np.arange(out)[:, None] + 0.5) * scale
    pixel = np.arange(size)[None]
    first = np.maximum((middle - 2 * width + 0.5).astype(int), 0)
    last = np.minimum((middle + 2 * width + 0.5).astype(int), size)
    weights = keys((pixel - middle + 0.5) / width) * ((pixel >= first) & (pixel < last))
    return weights / weights.sum(1, keepdims=True)


def keys(x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def unit(x: jax.Array) -> jax.Array:
    """Scale 0..255 to -1..1."""
    return x * (2 / 255) - 1


def graph(x: jax.Array) -> jax.Array:
    """Scale as the TensorFlow graph does."""
    return (x - 128) / 128


RESIZERS = {
    'legacy': Resizer(centred, unit),
    'tf1': Resizer(cornered, graph),
    'clean': Resizer(bicubic, lambda x: graph(jnp.clip(x, 0, 255))),
}


def resize(images: jax.Array, name: str, size: int = 299) -> jax.Array:
    """Return images [B, H, W, C] of 0..255 as [B, size, size, C] in the network's range.

    Raises:
      UserError: no resizer of that name.
    """
    return choose(RESIZERS, name, 'resizer').scale(enlarge(images, name, size))


def enlarge(images: jax.Array, name: str, size: int = 299) -> jax.Array:
    """Return images [B, size, size, C] that still run over 0..255."""
    images = jnp.asarray(images, jnp.float32)
    for equation, axis in (('ow,bhwc->bhoc', 2), ('oh,bhwc->bowc', 1)):
        if images.shape[axis] != size:
            weights = RESIZERS[name].matrix(images.shape[axis], size).astype(np.float32)
            images = jnp.einsum(equation, weights, images, precision=lax.Precision.HIGHEST)
    return images
