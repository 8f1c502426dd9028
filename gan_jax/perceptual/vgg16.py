"""VGG16's convolutions (Simonyan and Zisserman 2014, arXiv:1409.1556), trained on ImageNet."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from gan_jax.errors import UserError
from gan_jax.nn.conv import conv2d
from gan_jax.nn.resample import maxpool

# Convolutions between one halving of the image and the next.
BLOCKS = (2, 2, 3, 3, 3)
# The last block has to see a pixel.
SMALLEST = 2 ** (len(BLOCKS) - 1)
# Mean and deviation of ImageNet's colours in [-1, 1], as LPIPS rounds them.
SHIFT = np.array([[[[-0.030, -0.088, -0.188]]]], np.float32)
SCALE = np.array([[[[0.458, 0.448, 0.450]]]], np.float32)

Convs = Sequence[tuple[Any, Any]]


def features(convs: Convs, images: jax.Array, blocks: int = len(BLOCKS)) -> list[jax.Array]:
    """Return what each block makes, [B, h, w, C] after its last ReLU, of RGB images in [-1, 1].

    convs: (kernel HWIO, bias) of each convolution; blocks: how many, from the first, are wanted.
    All is in float32, on accelerators too.

    Raises:
      UserError: images [B, H, W, 3] that are too small.
    """
    if min(images.shape[1:3]) < SMALLEST:
        height, width = images.shape[1:3]
        raise UserError(
            f'images of {height}x{width} are too small for VGG16: it takes {SMALLEST}x{SMALLEST} '
            'and larger ones'
        )
    x, found, layers = (images - SHIFT) / SCALE, [], iter(convs)
    with jax.default_matmul_precision('highest'):
        for i, n in enumerate(BLOCKS[:blocks]):
            x = maxpool(x, 2) if i else x
            for _ in range(n):
                kernel, bias = next(layers)
                x = jax.nn.relu(conv2d(x, kernel) + bias.reshape(1, 1, 1, -1))
            found.append(x)
    return found
