"""Sliced Wasserstein distance of image patches at each level of a Laplacian pyramid.

Karras et al., Progressive Growing of GANs (2018), arXiv:1710.10196, section 5.
"""

import dataclasses
import hashlib
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics.evaluators import protocol
from gan_jax.metrics.evaluators.swd import sliced_wasserstein

VERSION = 2
PATCH = 7
PATCHES = 128
SMALLEST = 16


@dataclasses.dataclass(frozen=True)
class Evaluator(protocol.Evaluator):
    """Compare patches of the images at every scale."""

    pixels: ClassVar[bool] = True

    def __call__(self, pair: protocol.Pair) -> Iterator[protocol.Value]:
        """Yield the distance at each height, and the mean."""
        for height, value in pyramid(*pair.images(), seed=pair.seed).items():
            yield protocol.Value(f'pyramid-{height or "mean"}', value, VERSION, {})


def pyramid(real: np.ndarray, fake: np.ndarray, seed: int = 0) -> dict[int, float]:
    """Compute the distance, times 1000, of 7x7 patches at each level of a Laplacian pyramid.

    Images uint8 [n, H, W, C] of one size. Returns {height: distance} from the full size down to
    16, and under 0 their mean. Where the patches of an image lie depends on the seed and on its
    pixels alone: a set against itself, in whatever order, is exactly 0, and different images have
    independent places, as in the paper. Two samples of one distribution are above 0 by what their
    sizes leave to chance.

    Raises:
      UserError: sizes that differ, or images smaller than 16 x 16.
    """
    if real.shape[1:] != fake.shape[1:]:
        raise UserError(f'images of one size, not {real.shape[1:]} and {fake.shape[1:]}')
    if min(real.shape[1:3]) < SMALLEST:
        raise UserError(f'the pyramid needs {SMALLEST} x {SMALLEST} pixels, not {real.shape[1:3]}')
    (real, real_keys), (fake, fake_keys) = by_content(real), by_content(fake)
    values = {}
    for a, b in zip(laplacian(real), laplacian(fake), strict=True):
        x, y = descriptors(a, real_keys, seed), descriptors(b, fake_keys, seed)
        values[a.shape[1]] = 1000 * sliced_wasserstein(x, y, seed=seed)
    return values | {0: float(np.mean(list(values.values())))}


def by_content(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return images sorted by a hash of their pixels, and the hashes, uint64 [n]."""
    hashes = [hashlib.blake2b(np.ascontiguousarray(x), digest_size=8).digest() for x in images]
    keys = np.frombuffer(b''.join(hashes), np.uint64)
    order = np.argsort(keys, kind='stable')
    return images[order], keys[order]


def laplacian(images: np.ndarray) -> Iterator[np.ndarray]:
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


def descriptors(images: np.ndarray, keys: np.ndarray, seed: int) -> np.ndarray:
    """Draw patches [n * 128, 7 * 7 * C] and scale each channel of the set to mean 0, deviation 1.

    Image i draws its places from (seed, height, keys[i]).
    """
    n, h, w, c = images.shape
    limits = np.array([h, w])[:, None] - PATCH + 1
    places = np.stack(
        [np.random.default_rng([seed, h, k]).integers(0, limits, (2, PATCHES)) for k in keys]
    )
    windows = np.lib.stride_tricks.sliding_window_view(images, (PATCH, PATCH), (1, 2))
    patches = windows[np.arange(n)[:, None], places[:, 0], places[:, 1]]
    patches = patches.reshape(n * PATCHES, c, -1)
    deviation = np.maximum(patches.std((0, 2), keepdims=True), 1e-8)
    return ((patches - patches.mean((0, 2), keepdims=True)) / deviation).reshape(len(patches), -1)
