"""What residual generators and discriminators share, of SNGAN, WGAN-GP, SAGAN and BigGAN.

He et al. 2016 (arXiv:1603.05027): normalise, activate, convolve, twice, beside a shortcut that sees
the block's input as it is. (Public code whose ReLUs work in place gives the shortcut the activated
input instead.) A 1x1 convolution and a resize by averages commute: shortcuts convolve the smaller
image. A 3x3 one and a resize beside it are one convolution.
"""

from typing import Any

import jax

from gan_jax.core import keys
from gan_jax.core.keys import field
from gan_jax.errors import UserError
from gan_jax.nn import activations
from gan_jax.nn.attention import SelfAttention
from gan_jax.nn.conv import Conv
from gan_jax.nn.dropout import Dropout
from gan_jax.nn.network import Network, each
from gan_jax.nn.norm import Norm


def halvings(shape: tuple[int, ...]) -> int:
    """Return how often images [H, W, C] can be halved before a side is odd or below 4."""
    sides, n = shape[:2], 0
    while all(side % 2 == 0 and side >= 8 for side in sides):
        sides, n = tuple(side // 2 for side in sides), n + 1
    return n


class Residual(Network):
    """The options of both networks.

    width: what the published sizes of a family differ in; its multiples are those of SNGAN and of
    BigGAN at 32x32, 64x64 and 128x128, and go on from there. attention: heights of the images that
    a self-attention layer follows.
    """

    width: int = field(keys.count(64, 'Channels of which the blocks have multiples.'))
    widths: tuple[int, ...] = field(
        keys.counts((), 'Channels of (stem and) blocks; () for multiples of width.')
    )
    attention: tuple[int, ...] = field(
        keys.counts((), 'Heights of the images that self-attention follows.')
    )
    weight_init: str = 'orthogonal'

    def channels(self) -> tuple[int, ...]:
        """Return the channels of each block, and before them those of a stem."""
        return self.widths or tuple(self.width * m for m in self.multiples(halvings(self.shape)))

    def multiples(self, n: int) -> tuple[int, ...]:
        """Return what the width is multiplied by for images that can be halved n times."""
        raise NotImplementedError

    def heights(self) -> tuple[int, ...]:
        """Return the height of the image that each block makes."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape`."""
        super().check()
        made = self.heights()
        for height in self.attention:
            if height not in made:
                there = ', '.join(str(h) for h in dict.fromkeys(made))
                raise UserError(f'attention at {height}; available: {there}')
            channels = self.channels()[-len(made) :][made.index(height)]
            if channels < 8 or height < 2:
                raise UserError(
                    f'attention at {height}, where images have {channels} channels; allowed: 8 '
                    'or more, and at least 2 pixels'
                )

    def conv(self, features: int, name: str, kernel: int = 3, layer: type[Conv] = Conv) -> Conv:
        """Return a convolution that keeps the size, or one that resizes, too."""
        return layer(features, kernel, **self.weights(), name=name)

    def block_norm(self, kind: str, name: str) -> Norm:
        """Return the normalisation of a name, as blocks use it."""
        return self.norm_layer(kind, name)

    def before_conv(self, x: jax.Array, i: int, name: str, train: bool, condition: Any) -> Any:
        """Normalise and activate what a convolution of block i reads."""
        told = {} if condition is None else {'condition': condition}
        x = self.block_norm(self.norms()[i], name)(x, train=train, **told)
        return activations.get(self.act, self.slope)(x)

    def attend(self, x: jax.Array, i: int) -> jax.Array:
        """Apply self-attention after block i, where it is the first of a height that has it."""
        height = x.shape[1]
        if height not in self.attention or self.heights().index(height) != i:
            return x
        return SelfAttention(**self.weights(), name=f'attention_{height}')(x)

    def drop(self, x: jax.Array, i: int, keys: jax.Array | None) -> jax.Array:
        """Apply the dropout of block i."""
        rate = each(self.dropout, self.depth(), 'dropout')[i]
        return Dropout(rate, name=f'block_{i}_dropout')(x, keys)
