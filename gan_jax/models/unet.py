"""U-Net, pix2pix's generator, with PatchGAN (Isola et al. 2017, arXiv:1611.07004, section 6.1).

An encoder halves the image down to one pixel, or as far as its size allows; a decoder doubles it
again, each of its layers seeing what the encoder had at that size (Ronneberger et al. 2015,
arXiv:1505.04597). Its noise is dropout. The skips carry what the encoder had before its activation;
the authors' code, which works in place, carries it after, which the decoder's ReLU undoes.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core import keys
from gan_jax.core.keys import field
from gan_jax.errors import UserError
from gan_jax.models import patchgan
from gan_jax.nn import activations
from gan_jax.nn.conv import Conv, ConvTranspose
from gan_jax.nn.dropout import Dropout
from gan_jax.nn.translator import Translator

# Of 4x4 kernels that halve and double.
WINDOW = {'kernel': 4, 'stride': 2, 'padding': 1}


class Generator(Translator):
    """Map images [B, H, W, c] to images [B, H, W, C]; H and W are multiples of 2^halvings.

    Channels grow to 8 times the width. dropout: of the first `noisy` layers of the decoder; `keys`
    turn it on, in evaluation too. act: of the decoder; the encoder's is leaky_relu.
    """

    halvings: int = field(
        keys.count(0, 'Layers that halve; 0: all that the size allows, 8 at most.', low=0, high=16)
    )
    noisy: int = field(keys.count(3, 'Layers of the decoder with dropout.', low=0, high=16))
    bias: bool = field(keys.flag(False, 'Biases of all layers but the last, which has one.'))
    norm: str | tuple[str, ...] = 'batch'
    dropout: float = field(keys.number(0.5, 'Dropout rate of those layers.', low=0, below=1))

    def levels(self) -> int:
        """Return the number of layers that halve."""
        powers = (side & -side for side in self.shape[:2])
        return self.halvings or min(8, min(powers).bit_length() - 1)

    def widths(self) -> list[int]:
        """Return the channels after each halving."""
        return [self.width * min(2**i, 8) for i in range(self.levels())]

    def depth(self) -> int:
        """Return the number of normalised layers: not the encoder's first and last, nor the out."""
        return max(1, 2 * self.levels() - 3)

    def multiple(self) -> int:
        """Return what height and width of its images are multiples of."""
        return 2 ** self.levels()

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape`."""
        if self.levels() < 2:
            height, width = self.shape[:2]
            raise UserError(
                f'a U-Net of {self.levels()} halvings for size {height}x{width} is not allowed: '
                'height and width must be multiples of 4, and halvings 2 or more'
            )
        super().check()

    @nn.compact
    def __call__(
        self, images: jax.Array, *, train: bool, keys: jax.Array | None = None
    ) -> jax.Array:
        x, skips, norms = images, [], iter(self.norms())
        last = self.levels() - 1
        for i, features in enumerate(self.widths()):
            x = nn.leaky_relu(x, self.slope) if i else x
            x = Conv(features, **self.layer(self.bias), name=f'down_{i}')(x)
            if 0 < i < last:
                x = self.normalize(x, next(norms), f'norm_down_{i}', train)
            skips.append(x)
        for i in range(last, 0, -1):
            x = ConvTranspose(self.widths()[i - 1], **self.layer(self.bias), name=f'up_{i}')(
                self.act_fn(x)
            )
            x = self.normalize(x, next(norms), f'norm_up_{i}', train)
            if last - i < self.noisy:
                x = Dropout(self.dropout, name=f'dropout_{i}')(x, keys)
            x = jnp.concatenate([skips[i - 1], x], axis=-1)
        x = ConvTranspose(self.shape[2], **self.layer(True), name='out')(self.act_fn(x))
        return activations.get(self.out_act)(x)

    def layer(self, bias: bool) -> dict:
        """Return the options of a layer."""
        return {**WINDOW, **self.weights(), 'use_bias': bias}

    def act_fn(self, x: jax.Array) -> jax.Array:
        """Apply the decoder's activation."""
        return activations.get(self.act, self.slope)(x)


class Discriminator(patchgan.Discriminator):
    """Map images [B, H, W, C] to logits [B, h, w], one for each patch of 70x70 pixels."""
