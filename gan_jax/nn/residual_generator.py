"""The generator of residual blocks, which SNGAN, WGAN-GP, SAGAN and BigGAN share."""

import math
from typing import Any

import flax.linen as nn
import jax

from gan_jax.core import keys
from gan_jax.core.keys import field
from gan_jax.errors import UserError, choose
from gan_jax.nn import activations, resample
from gan_jax.nn.network import OUT_ACT
from gan_jax.nn.residual import Residual


class ResidualGenerator(Residual):
    """Map z [B, z_dim] to images [B, H, W, C]: a stem, and blocks that double it each.

    `norm` and `dropout` are one value, or one for each block and, last, for what makes the image.
    """

    z_dim: int = field(keys.count(128, 'Length of the latent vector z.'))
    norm: str | tuple[str, ...] = 'batch'
    up: str = field(
        keys.choice('nearest', tuple(resample.RESIZE), 'How a block enlarges its input.')
    )
    out_act: str = field(OUT_ACT)

    def multiples(self, n: int) -> tuple[int, ...]:
        """Return what the width is multiplied by for images that can be halved n times."""
        return (4,) * (n + 1) if n < 4 else tuple(min(16, 2**i) for i in range(n, -1, -1))

    def depth(self) -> int:
        """Return the number of layers that may be normalised: the blocks and the last."""
        return len(self.channels())

    def stem_size(self) -> tuple[int, int]:
        """Return height and width of the stem's image."""
        factor = 2 ** (len(self.channels()) - 1)
        return self.shape[0] // factor, self.shape[1] // factor

    def heights(self) -> tuple[int, ...]:
        """Return the height of the image that each block makes."""
        stem = self.stem_size()[0]
        return tuple(stem * 2**i for i in range(1, len(self.channels())))

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape`."""
        h, w = self.shape[:2]
        factor = 2 ** (len(self.channels()) - 1)
        if factor < 2 or h % factor or w % factor:
            asked = max(factor, 8)
            raise UserError(
                f'size {h}x{w}: a generator of {len(self.channels()) - 1} blocks cannot make it; '
                f'allowed: multiples of {asked}, such as {max(asked, h // asked * asked)}'
            )
        super().check()
        choose(resample.RESIZE, self.up, 'up')
        activations.get(self.out_act)

    def told(self, z: jax.Array, label: jax.Array | None) -> tuple[jax.Array, list[Any]]:
        """Return what the stem reads, and what the normalisations of each block are told."""
        del label
        return z, [None] * (len(self.channels()) - 1)

    @nn.compact
    def __call__(
        self,
        z: jax.Array,
        label: jax.Array | None = None,
        *,
        train: bool,
        keys: jax.Array | None = None,
    ) -> jax.Array:
        start, conditions = self.told(z, label)
        first, *widths = self.channels()
        size = (*self.stem_size(), first)
        x = self.dense(math.prod(size), 'stem')(start).reshape(-1, *size)
        for i, (features, condition) in enumerate(zip(widths, conditions, strict=True)):
            x = self.attend(self.block(x, i, features, train, condition, keys), i)
        x = self.normalize(x, self.norms()[-1], 'norm_out', train)
        x = self.drop(activations.get(self.act, self.slope)(x), len(widths), keys)
        return activations.get(self.out_act)(self.conv(self.shape[2], 'out')(x))

    def block(
        self,
        x: jax.Array,
        i: int,
        features: int,
        train: bool,
        condition: Any,
        keys: jax.Array | None,
    ) -> jax.Array:
        """Apply block i, which doubles the size of x [B, h, w, c]."""
        name, resize = f'block_{i}', resample.RESIZE[self.up]
        y = self.before_conv(x, i, f'{name}_norm_1', train, condition)
        if self.up == 'nearest':
            y = self.conv(features, f'{name}_conv_1', layer=resample.UpConv)(y)
        else:
            y = self.conv(features, f'{name}_conv_1')(resize(y, 2))
        y = self.before_conv(y, i, f'{name}_norm_2', train, condition)
        y = self.conv(features, f'{name}_conv_2')(self.drop(y, i, keys))
        return y + resize(self.conv(features, f'{name}_shortcut', 1)(x), 2)
