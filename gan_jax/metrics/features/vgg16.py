"""The 512 features of VGG16's last convolution, averaged: a second space beside FID's, never FID.

It was trained on photos as FID's network was, with another architecture (arXiv:1409.1556).
"""

import jax
import jax.numpy as jnp

from gan_jax.errors import choose
from gan_jax.kinds.image import three_channels
from gan_jax.metrics.features.protocol import Extractor, LoadRun, Parallel
from gan_jax.metrics.inception.resize import RESIZERS, enlarge
from gan_jax.perceptual import vgg16, weights

SIZE = 224
NOTE = 'gray repeated to RGB, alpha dropped'


def make(how: str, path: str, load: LoadRun) -> Extractor:
    """Make the extractor; path is a file of the weights, '' for the installed package's.

    Raises:
      UserError: no such resizer, or the weights are not to be had.
    """
    del load
    choose(RESIZERS, how, 'resizer')
    found = weights.load(path)

    def run(convs: vgg16.Convs, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        images = enlarge(three_channels(images), how, SIZE).clip(0, 255)
        maps = vgg16.features(convs, images / 127.5 - 1)[-1]
        return maps.mean((1, 2)), jnp.zeros((len(maps), 0))

    return Extractor('vgg16', how, found.sha256, NOTE, Parallel(jax.jit(run), found.convs))
