"""Autoencoders: an encoder of images and a decoder into logits of images.

With `widths`, convolutions: each of the encoder's is followed by a 2x2 max pooling, each of the
decoder's follows a resize to the size that the encoder had there, so any size comes back. With
`hidden` fully connected layers on the code's side. Hinton, Salakhutdinov 2006 (Science 313).
"""

import math
from typing import Any

import flax.linen as nn
import jax

from gan_jax.core import keys
from gan_jax.core.keys import field
from gan_jax.nn.conv import Conv
from gan_jax.nn.network import Network


class Half(Network):
    """The options of encoder and decoder, each in the order in which its layers run."""

    widths: tuple[int, ...] = field(keys.counts((), 'Channels of each convolution.'))
    hidden: tuple[int, ...] = field(keys.counts((32,), 'Units of each fully connected layer.'))
    kernel: int = field(keys.count(3, 'Size of each kernel.', high=256))
    weight_init: str = 'glorot'

    def depth(self) -> int:
        """Return the number of hidden layers."""
        return len(self.widths) + len(self.hidden)

    def sizes(self) -> list[tuple[int, int]]:
        """Return the image's size before and after each halving, the largest first."""
        h, w = self.shape[:2]
        return [(-(-h // 2**i), -(-w // 2**i)) for i in range(len(self.widths) + 1)]

    def conv(self, features: int, name: str) -> Conv:
        """Return a convolution that keeps the size."""
        return Conv(features, self.kernel, **self.weights(), name=name)


class Encoder(Half):
    """Map images [B, H, W, C] to codes [B, hidden[-1]]; without hidden, [B, h, w, widths[-1]]."""

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool, keys: jax.Array | None = None) -> Any:
        return self.code(images, train, keys)

    def code(self, images: jax.Array, train: bool, keys: jax.Array | None) -> jax.Array:
        """Return what the hidden layers make of images."""
        x = images
        for i, features in enumerate(self.widths):
            x = self.finish(self.conv(features, f'layer_{i}')(x), i, train, keys)
            x = nn.max_pool(x, (2, 2), (2, 2), 'SAME')
        if self.hidden:
            x = x.reshape(len(x), -1)
        for i, units in enumerate(self.hidden, len(self.widths)):
            x = self.finish(self.dense(units, f'layer_{i}')(x), i, train, keys)
        return x


class Decoder(Half):
    """Map codes, flat or an image, to logits of images [B, H, W, C].

    hidden runs first. A flat code before convolutions is laid out by one more linear layer, with
    as many channels as widths[0].
    """

    hidden: tuple[int, ...] = ()

    @nn.compact
    def __call__(self, code: jax.Array, *, train: bool, keys: jax.Array | None = None) -> jax.Array:
        return self.logits(code, train, keys)

    def logits(self, code: jax.Array, train: bool, keys: jax.Array | None) -> jax.Array:
        """Return the logits of images."""
        x = code
        for i, units in enumerate(self.hidden):
            x = self.finish(self.dense(units, f'layer_{i}')(x), i, train, keys)
        if not self.widths:
            return self.dense(math.prod(self.shape), 'out')(x).reshape(-1, *self.shape)
        *larger, smallest = self.sizes()
        if x.ndim == 2:
            stem = (*smallest, self.widths[0])
            x = self.dense(math.prod(stem), 'stem')(x).reshape(-1, *stem)
        for i, (features, size) in enumerate(zip(self.widths, larger[::-1], strict=True)):
            x = jax.image.resize(x, (len(x), *size, x.shape[-1]), 'nearest')
            layer = len(self.hidden) + i
            x = self.finish(self.conv(features, f'layer_{layer}')(x), layer, train, keys)
        return self.conv(self.shape[2], 'out')(x)
