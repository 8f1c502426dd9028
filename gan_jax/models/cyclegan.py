"""CycleGAN's networks: residual blocks between layers that halve and double, and PatchGAN.

Zhu et al. 2017 (arXiv:1703.10593, section 7.2), with the generator of Johnson et al. 2016
(arXiv:1603.08155): nine blocks for images of 256x256, six for 128x128. Padding by reflection keeps
borders from being seen. Instance norm has no scale and bias in the authors' code.
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
from gan_jax.nn.translator import Translator


class Generator(Translator):
    """Map images [B, H, W, c] to images [B, H, W, C]; H and W are multiples of 2^halvings.

    edge: 0 leaves out the layers at the full size, so that the first halving reads the image and
    the last doubling makes it. Of the hidden layers those that are not normalised have a bias.
    """

    blocks: int = field(keys.count(9, 'Residual blocks, of two convolutions each.', high=1000))
    halvings: int = field(keys.count(2, 'Layers that halve the size, and that double it.', high=16))
    kernel: int = field(keys.count(3, 'Size of the kernels that halve and double.', high=256))
    edge: int = field(
        keys.count(7, 'Size of the first and of the last kernel, odd; 0: no such layer.', low=0)
    )
    padding: str = field(
        keys.choice('reflect', ('reflect', 'zero'), 'What lies beyond the border.')
    )
    out_bias: bool = field(keys.flag(True, 'Bias of the last layer.'))
    norm: str | tuple[str, ...] = 'plain_instance'

    def widths(self) -> list[int]:
        """Return the channels of each size, the largest size first."""
        return [self.width * 2**i for i in range(self.halvings + (self.edge > 0))]

    def depth(self) -> int:
        """Return the number of hidden layers."""
        return 2 * len(self.widths()) - 1 + 2 * self.blocks

    def multiple(self) -> int:
        """Return what height and width of its images are multiples of."""
        return 2**self.halvings

    def least(self) -> int:
        """Return the least height and width: two pixels in the blocks, which have a reflection."""
        step = self.multiple()
        return step * max(2, -(-(self.edge // 2 + 1) // step))

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape`."""
        super().check()
        if self.edge and self.edge % 2 == 0:
            raise UserError(f'edge {self.edge} is not allowed: it must be odd, or 0')
        if self.kernel < 2:
            raise UserError(f'kernel {self.kernel} is not allowed: it must be 2 or more')

    @nn.compact
    def __call__(
        self, images: jax.Array, *, train: bool, keys: jax.Array | None = None
    ) -> jax.Array:
        widths, x, i = self.widths(), images, 0
        if self.edge:
            x = self.finish(self.conv(x, widths[0], 'stem', self.edge, 0), 0, train, keys)
            i = 1
        for features in widths[i:]:
            options = self.resizing(i)
            x = Conv(features, name=f'down_{i}', **options)(x)
            x, i = self.finish(x, i, train, keys), i + 1
        for _ in range(self.blocks):
            x, i = self.block(x, i, train, keys), i + 2
        for features in widths[-2::-1]:
            x = self.double(x, features, f'up_{i}', i)
            x, i = self.finish(x, i, train, keys), i + 1
        if self.edge:
            x = self.conv(x, self.shape[2], 'out', self.edge)
        else:
            x = self.double(x, self.shape[2], 'out')
        return activations.get(self.out_act)(x)

    def block(self, x: jax.Array, i: int, train: bool, keys: jax.Array | None) -> jax.Array:
        """Apply the block of hidden layers i and i + 1, and add what came in."""
        y = self.finish(self.conv(x, x.shape[-1], f'block_{i}', 3, i), i, train, keys)
        y = self.conv(y, x.shape[-1], f'block_{i + 1}', 3, i + 1)
        return x + self.normalize(y, self.norms()[i + 1], f'norm_{i + 1}', train)

    def conv(
        self, x: jax.Array, features: int, name: str, kernel: int, layer: int | None = None
    ) -> jax.Array:
        """Convolve x [B, h, w, c] at its size, as hidden layer number `layer`."""
        n, padding = kernel // 2, kernel // 2
        if self.padding == 'reflect' and n:
            x, padding = jnp.pad(x, ((0, 0), (n, n), (n, n), (0, 0)), 'reflect'), 0
        options = {**self.weights(), 'use_bias': self.biased(layer)}
        return Conv(features, kernel, padding=padding, **options, name=name)(x)

    def double(self, x: jax.Array, features: int, name: str, layer: int | None = None) -> jax.Array:
        """Convolve x [B, h, w, c] to twice its size."""
        return ConvTranspose(
            features, output_padding=self.kernel % 2, name=name, **self.resizing(layer)
        )(x)

    def resizing(self, layer: int | None) -> dict:
        """Return the options of a layer that halves or doubles."""
        sizes = {'kernel': self.kernel, 'stride': 2, 'padding': (self.kernel - 1) // 2}
        return {**sizes, **self.weights(), 'use_bias': self.biased(layer)}

    def biased(self, layer: int | None) -> bool:
        """Return whether a hidden layer has a bias, None for the last one, which makes images."""
        return self.out_bias if layer is None else self.norms()[layer] == 'none'


class Discriminator(patchgan.Discriminator):
    """Map images [B, H, W, C] to logits [B, h, w], one for each patch of 70x70 pixels."""

    norm: str | tuple[str, ...] = 'plain_instance'
