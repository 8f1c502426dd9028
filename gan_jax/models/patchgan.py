"""PatchGAN: a discriminator that judges patches (Isola et al. 2017, arXiv:1611.07004, section 6.1).

Patches of 70x70 pixels with three layers that halve the size; of 16x16 with one, 34x34 with two,
142x142 with four; with none, single pixels.
"""

import flax.linen as nn
import jax

from gan_jax.core import keys
from gan_jax.core.keys import field
from gan_jax.errors import UserError
from gan_jax.nn.conv import Conv, out_size
from gan_jax.nn.network import Network


class Discriminator(Network):
    """Map images [B, H, W, C] to logits [B, h, w], one for each patch.

    It knows no classes; to be told a source, it gets the source's channels with the image's.
    Only layers that are not normalised have a bias.
    """

    width: int = field(keys.count(64, 'Channels of the first layer; at most 8 times as many.'))
    layers: int = field(keys.count(3, 'Layers that halve the size.', low=0, high=16))
    norm: str | tuple[str, ...] = 'batch'
    act: str = 'leaky_relu'

    def stack(self) -> list[tuple[int, int]]:
        """Return channels and stride of each hidden layer; one more than those that halve."""
        n = max(1, self.layers) + 1
        return [(self.width * min(2**i, 8), 2 if i < self.layers else 1) for i in range(n)]

    def window(self) -> dict[str, int]:
        """Return kernel size and padding of all layers."""
        return {'kernel': 4, 'padding': 1} if self.layers else {'kernel': 1, 'padding': 0}

    def depth(self) -> int:
        """Return the number of hidden layers."""
        return len(self.stack())

    def norms(self) -> tuple[str, ...]:
        """Return the normalisation of each hidden layer; the one that reads the image has none."""
        return ('none', *super().norms()[1:])

    def check(self) -> None:
        """Raise UserError where no patch fits into `shape`."""
        super().check()
        for size in self.shape[:2]:
            left = size
            for stride in (*(s for _, s in self.stack()), 1):
                left = out_size(left, stride=stride, **self.window())
            if left < 1:
                raise UserError(
                    f'size {self.shape[0]}x{self.shape[1]}: too small for a discriminator of '
                    f'patches with layers={self.layers}; allowed: larger sizes or fewer layers'
                )

    @nn.compact
    def __call__(
        self,
        images: jax.Array,
        label: jax.Array | None = None,
        *,
        train: bool,
        keys: jax.Array | None = None,
    ) -> jax.Array:
        del label
        x, options = images, {**self.window(), **self.weights()}
        for i, (features, stride) in enumerate(self.stack()):
            bias = self.norms()[i] == 'none'
            x = Conv(features, stride=stride, use_bias=bias, name=f'layer_{i}', **options)(x)
            x = self.finish(x, i, train, keys)
        return Conv(1, name='out', **options)(x)[..., 0]
