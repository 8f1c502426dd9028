"""SRResNet, which enlarges images, and SRGAN's discriminator.

Ledig et al. 2017 (arXiv:1609.04802, figure 4): residual blocks at the size of the small image, then
a sub-pixel convolution for each doubling.
"""

import flax.linen as nn
import jax

from gan_jax.core import keys
from gan_jax.core.keys import field
from gan_jax.errors import UserError
from gan_jax.models import dcgan
from gan_jax.nn import activations, resample
from gan_jax.nn.conv import Conv
from gan_jax.nn.network import OUT_ACT, Network


class Generator(Network):
    """Map images [B, h, w, C] of any size to images [B, factor h, factor w, C]."""

    factor: int = field(keys.count(4, 'By how much images are enlarged, a power of 2.', high=64))
    width: int = field(keys.count(64, 'Channels of the blocks.'))
    blocks: int = field(keys.count(16, 'Residual blocks.', high=1000))
    kernel: int = field(keys.count(9, 'Size of the first and of the last kernel.', high=256))
    norm: str | tuple[str, ...] = 'batch'
    weight_init: str = 'torch'
    out_act: str = field(OUT_ACT)

    def depth(self) -> int:
        """Return the number of layers that are normalised."""
        return 2 * self.blocks + 1

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape`."""
        super().check()
        if self.factor < 2 or self.factor & (self.factor - 1):
            raise UserError(f'factor {self.factor} is not allowed: it must be 2, 4, 8, ...')
        if any(side % self.factor for side in self.shape[:2]):
            height, width = self.shape[:2]
            raise UserError(
                f'size {height}x{width} is not allowed: factor {self.factor} does not divide it'
            )

    @nn.compact
    def __call__(
        self, images: jax.Array, *, train: bool, keys: jax.Array | None = None
    ) -> jax.Array:
        del keys
        first = x = self.prelu(self.conv(images, self.width, 'stem', self.kernel), 'stem')
        for i in range(self.blocks):
            x = self.block(x, i, train)
        x = self.conv(x, self.width, 'middle')
        x = first + self.normalize(x, self.norms()[-1], 'norm_middle', train)
        for i in range(self.factor.bit_length() - 1):
            x = resample.depth_to_space(self.conv(x, 4 * self.width, f'up_{i}'), 2)
            x = self.prelu(x, f'up_{i}')
        x = self.conv(x, self.shape[2], 'out', self.kernel)
        return activations.get(self.out_act)(x)

    def block(self, x: jax.Array, i: int, train: bool) -> jax.Array:
        """Apply block i: convolve and normalise twice, and add what came in."""
        y = x
        for j in range(2):
            y = self.conv(y, self.width, f'block_{i}_{j}')
            y = self.normalize(y, self.norms()[2 * i + j], f'norm_{i}_{j}', train)
            y = y if j else self.prelu(y, f'block_{i}')
        return x + y

    def conv(self, x: jax.Array, features: int, name: str, kernel: int = 3) -> jax.Array:
        """Convolve x [B, h, w, c] at its size."""
        return Conv(features, kernel, **self.weights(), name=name)(x)

    def prelu(self, x: jax.Array, name: str) -> jax.Array:
        """Return x where it is positive, and a learnt multiple of it elsewhere."""
        return nn.PReLU(negative_slope_init=0.25, name=f'prelu_{name}')(x)


class Discriminator(dcgan.Discriminator):
    """Map images [B, H, W, C] to logits [B]: eight convolutions, four of which halve."""

    widths: tuple[int, ...] = (64, 64, 128, 128, 256, 256, 512, 512)
    strides: int | tuple[int, ...] = (1, 2, 1, 2, 1, 2, 1, 2)
    kernel: int | tuple[int, ...] = 3
    hidden: tuple[int, ...] = (1024,)
    norm: str | tuple[str, ...] = 'batch'
    weight_init: str = 'torch'
