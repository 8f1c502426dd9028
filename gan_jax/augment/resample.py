"""Images under affine maps, by a wavelet's filter (Karras et al. 2020, arXiv:2006.06676, B.2).

Pixels are doubled by the low-pass filter of the sym6 wavelet, looked up by bilinear interpolation,
and halved by the same filter; what lies outside of an image is its reflection.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

# Daubechies' least asymmetric orthogonal wavelet of six vanishing moments, to a sum of 1.
SYM6 = np.array([
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633,
    0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252,
    -0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148,
]) / np.sqrt(2.0)  # fmt: skip
# taps of the halving filter before the middle of a pair of pixels
BEFORE = len(SYM6) // 2 - 1


@functools.cache
def doubling(n: int) -> np.ndarray:
    """Return the matrix from n pixels to one period of the doubled, reflected line [4 (n-1), n].

    Doubled pixel k lies at k / 2 of the pixels, since the filter's weight is about its sixth tap.
    """
    matrix = np.zeros((4 * (n - 1), n), np.float32)
    for k in range(len(matrix)):
        for tap, weight in enumerate(SYM6[::-1]):
            place = k + tap - len(SYM6) // 2
            if place % 2 == 0:
                matrix[k, reflected(place // 2, n)] += 2 * weight
    return matrix


@functools.cache
def halving(n: int) -> np.ndarray:
    """Return the matrix from the 2n + 10 doubled pixels around a line of n to the line."""
    matrix = np.zeros((n, 2 * n + 2 * BEFORE), np.float32)
    for i in range(n):
        matrix[i, 2 * i : 2 * i + len(SYM6)] = SYM6
    return matrix


def reflected(place: int, n: int) -> int:
    """Return the pixel of a line of n that is seen at any place."""
    place %= 2 * (n - 1)
    return min(place, 2 * (n - 1) - place)


def warp(images: jax.Array, inverse: jax.Array) -> jax.Array:
    """Return images [B, H, W, C] moved by affine maps, given their inverses [B, 3, 3].

    Images are of at least 2x2 pixels.
    """
    height, width = images.shape[1:3]
    doubled = _product(images, doubling(height), doubling(width))
    seen = _bilinear(doubled, *_places(inverse, height, width))
    return _product(seen, halving(height), halving(width))


def _product(images: jax.Array, rows: np.ndarray, columns: np.ndarray) -> jax.Array:
    """Return rows @ images @ columns^T for every image and channel."""
    exact = jax.lax.Precision.HIGHEST
    images = jnp.einsum('ih,bhwc->biwc', rows, images, precision=exact)
    return jnp.einsum('jw,biwc->bijc', columns, images, precision=exact)


def _places(inverse: jax.Array, height: int, width: int) -> tuple[jax.Array, jax.Array]:
    """Return where doubled pixels of the result come from: rows and columns, [B, 2H+10, 2W+10]."""
    x, y = (
        (np.arange(-BEFORE, 2 * n + BEFORE, dtype=np.float32) - (n - 1)) / 2
        for n in (width, height)
    )
    x, y = x[None, None, :], y[None, :, None]
    columns, rows = (
        inverse[:, i, 0, None, None] * x
        + inverse[:, i, 1, None, None] * y
        + inverse[:, i, 2, None, None]
        for i in (0, 1)
    )
    return 2 * rows + (height - 1), 2 * columns + (width - 1)


def _bilinear(images: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
    """Return values of periodic images [B, H, W, C] at places [B, h, w].

    All images are one table: on a CPU the transpose of a look into it takes a third of the time of
    a scatter that has the images as an axis.
    """
    b, height, width, channels = images.shape
    table, start = images.reshape(-1, channels), (np.arange(b) * (height * width))[:, None, None]
    top, left = jnp.floor(rows), jnp.floor(columns)
    down, right = rows - top, columns - left
    found = jnp.zeros((*rows.shape, channels), images.dtype)
    for i, row_weight in enumerate((1 - down, down)):
        for j, column_weight in enumerate((1 - right, right)):
            row = (top.astype(jnp.int32) + i) % height
            column = (left.astype(jnp.int32) + j) % width
            values = table.at[start + row * width + column].get(mode='promise_in_bounds')
            found = found + values * (row_weight * column_weight)[..., None]
    return found
