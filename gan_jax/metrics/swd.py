"""Sliced Wasserstein distance: of features, and of the patches of images at every scale.

Rabin et al., Wasserstein Barycenter and its Application to Texture Mixing (2011); for images
Karras et al., Progressive Growing of GANs (2018), arXiv:1710.10196, section 5.
"""

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics import estimate

VERSION = 1
PATCH = 7
PATCHES = 128
SMALLEST = 16


def sliced_wasserstein(x: np.ndarray, y: np.ndarray, directions: int = 512, seed: int = 0) -> float:
    """Compute the mean absolute difference of x [n, d] and y [m, d] sorted along random lines.

    Sets of different sizes are compared at the quantiles of the smaller one.
    """
    estimate.pair(x, y, 1, 'the sliced Wasserstein distance')
    lines = np.random.default_rng(seed).standard_normal((x.shape[1], directions))
    lines /= np.linalg.norm(lines, axis=0)
    a, b = (np.sort(np.asarray(z, np.float64) @ lines, axis=0) for z in (x, y))
    n = min(len(a), len(b))
    return float(np.abs(quantiles(a, n) - quantiles(b, n)).mean())


def quantiles(values: np.ndarray, n: int) -> np.ndarray:
    """Return n rows of sorted values [m, k], m >= n, evenly spread."""
    if len(values) == n:
        return values
    at = (np.arange(n) + 0.5) * (len(values) / n) - 0.5
    low = np.floor(at).astype(int)
    part = (at - low)[:, None]
    return values[low] * (1 - part) + values[np.minimum(low + 1, len(values) - 1)] * part


def pyramid(real: np.ndarray, fake: np.ndarray, seed: int = 0) -> dict[int, float]:
    """Compute the distance, times 1000, of 7x7 patches at each level of a Laplacian pyramid.

    Images uint8 [n, H, W, C] of one size. Returns {height: distance} from the full size down to
    16, and under 0 their mean, as progressive growing reports them.

    Raises:
      UserError: sizes that differ, or images smaller than 16 x 16.
    """
    if real.shape[1:] != fake.shape[1:]:
        raise UserError(f'images of one size, not {real.shape[1:]} and {fake.shape[1:]}')
    if min(real.shape[1:3]) < SMALLEST:
        raise UserError(f'the pyramid needs {SMALLEST} x {SMALLEST} pixels, not {real.shape[1:3]}')
    values = {}
    levels = zip(laplacian(real), laplacian(fake), strict=True)
    for a, b in levels:
        rng = np.random.default_rng([seed, a.shape[1]])
        x, y = descriptors(a, rng), descriptors(b, rng)
        values[a.shape[1]] = 1000 * sliced_wasserstein(x, y, seed=seed)
    return values | {0: float(np.mean(list(values.values())))}


def laplacian(images: np.ndarray):
    """Yield the differences between an image and its blurred self, then the smallest image."""
    images = np.asarray(images, np.float32)
    while min(images.shape[1:3]) >= 2 * SMALLEST:
        small = blur(images)[:, ::2, ::2]
        large = np.zeros_like(images)
        large[:, ::2, ::2] = 4 * small
        yield images - blur(large)
        images = small
    yield images


def blur(images: np.ndarray) -> np.ndarray:
    """Blur with the binomial filter 1 4 6 4 1 in both directions, mirrored at the edges."""
    taps = np.array([1, 4, 6, 4, 1], np.float32) / 16
    for axis in (1, 2):
        pads = [(2, 2) if a == axis else (0, 0) for a in range(4)]
        padded = np.pad(images, pads, mode='reflect')
        n = images.shape[axis]
        parts = [np.take(padded, range(i, i + n), axis) for i in range(5)]
        images = sum(t * p for t, p in zip(taps, parts, strict=True))
    return images


def descriptors(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw patches [n * 128, 7 * 7 * C] and scale each channel to mean 0 and deviation 1."""
    n, h, w, c = images.shape
    top = rng.integers(0, h - PATCH + 1, (n, PATCHES))
    left = rng.integers(0, w - PATCH + 1, (n, PATCHES))
    windows = np.lib.stride_tricks.sliding_window_view(images, (PATCH, PATCH), (1, 2))
    patches = windows[np.arange(n)[:, None], top, left].reshape(n * PATCHES, c, -1)
    deviation = np.maximum(patches.std((0, 2), keepdims=True), 1e-8)
    return ((patches - patches.mean((0, 2), keepdims=True)) / deviation).reshape(len(patches), -1)
