"""A VGG16 of few channels, for tests that need no real one: quick to compile and to run."""

import contextlib

import numpy as np
import pytest

from gan_jax.perceptual import vgg16, weights

WIDTHS = (4, 4, 6, 6, 8)


def narrow_weights():
    """Return weights of the layout; biases of 1 keep ReLUs away from where all are 0."""
    draw, convs, before = np.random.default_rng(0), [], 3
    for width, n in zip(WIDTHS, vgg16.BLOCKS, strict=False):
        for _ in range(n):
            kernel = draw.normal(0, np.sqrt(2 / (9 * before)), (3, 3, before, width))
            convs.append((kernel.astype(np.float32), np.full(width, 1.0, np.float32)))
            before = width
    heads = [draw.uniform(0, 1, width).astype(np.float32) for width in WIDTHS]
    return weights.Weights(convs, heads[: len(vgg16.BLOCKS)], 'f' * 64)


def narrow():
    """Return them as the functions of `lpips` take them."""
    found = narrow_weights()
    return {'convs': found.convs, 'heads': found.heads}


@contextlib.contextmanager
def two_layers():
    """Let two convolutions stand for the installed network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vgg16, 'BLOCKS', (1, 1))
        patch.setattr(weights, 'load', narrow_weights)
        yield
