"""The discriminator of residual blocks, which SNGAN, WGAN-GP, SAGAN and BigGAN share."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core import keys
from gan_jax.core.game import Verdict
from gan_jax.core.keys import field
from gan_jax.errors import UserError, choose
from gan_jax.nn import activations, resample
from gan_jax.nn.conv import Conv
from gan_jax.nn.heads import Heads
from gan_jax.nn.minibatch import SeesGroups
from gan_jax.nn.residual import Residual, halvings

POOLING: dict[str, Callable[..., jax.Array]] = {'sum': jnp.sum, 'mean': jnp.mean}


class ResidualDiscriminator(SeesGroups, Residual, Heads):
    """Map images [B, H, W, C] to logits [B]: blocks of which the first ones halve the image.

    The first block reads the image as it is, without normalisation. What pooling leaves are the
    features, of which further heads read.
    """

    halvings: int | None = field(
        keys.count(None, 'Blocks that halve the image; None for those of its size.', low=0)
    )
    pooling: str = field(
        keys.choice('sum', tuple(POOLING), 'How pixels of the last image become features.')
    )
    stddev_group: int = 0

    def multiples(self, n: int) -> tuple[int, ...]:
        """Return what the width is multiplied by for images that can be halved n times."""
        return (2,) * 4 if n < 4 else tuple(min(16, 2**i) for i in range(n + 1))

    def halving(self) -> int:
        """Return the number of blocks that halve the image."""
        if self.halvings is not None:
            return self.halvings
        n = halvings(self.shape)
        return n if n > 3 else max(1, n - 1)

    def depth(self) -> int:
        """Return the number of blocks."""
        return len(self.channels())

    def norms(self) -> tuple[str, ...]:
        """Return the normalisation of each block."""
        return ('none', *super().norms()[1:])

    def heights(self) -> tuple[int, ...]:
        """Return the height of the image that each block makes."""
        n = self.halving()
        return tuple(self.shape[0] // 2 ** min(i + 1, n) for i in range(len(self.channels())))

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape`."""
        n, sides = self.halving(), self.shape[:2]
        if n > len(self.channels()):
            raise UserError(f'halvings={n} of {len(self.channels())} blocks; allowed: as many')
        if any(side % 2**n for side in sides):
            raise UserError(
                f'size {sides[0]}x{sides[1]} cannot be halved {n} times; allowed: multiples of '
                f'{2**n}, or fewer halvings'
            )
        super().check()
        choose(POOLING, self.pooling, 'pooling')

    def inner(self, before: int, after: int) -> int:
        """Return the channels between the two convolutions of a block."""
        del after
        return before

    def shown(self, images: jax.Array, label: jax.Array | None) -> jax.Array:
        """Return what the first block reads."""
        del label
        return images

    def logit(self, features: jax.Array, label: jax.Array | None) -> jax.Array:
        """Return the logits [B] of features [B, n]."""
        del label
        return self.dense(1, 'logit')(features)[:, 0]

    @nn.compact
    def __call__(
        self,
        images: jax.Array,
        label: jax.Array | None = None,
        *,
        train: bool,
        keys: jax.Array | None = None,
    ) -> Verdict:
        x = self.shown(images, label)
        for i, width in enumerate(self.channels()):
            if i == self.depth() - 1:
                x = self.with_deviation(x)
            x = self.attend(self.block(x, i, width, train, keys), i)
        x = activations.get(self.act, self.slope)(x)
        features = POOLING[self.pooling](x, axis=(1, 2))
        return self.verdict(features, lambda: self.logit(features, label))

    def block(
        self, x: jax.Array, i: int, features: int, train: bool, keys: jax.Array | None
    ) -> jax.Array:
        """Apply block i to x [B, h, w, c]; the first neither normalises nor activates x."""
        name, halve = f'block_{i}', i < self.halving()
        inner = self.inner(x.shape[-1], features) if i else features
        y = self.before_conv(x, i, f'{name}_norm_1', train, None) if i else x
        y = self.conv(inner, f'{name}_conv_1')(y)
        y = self.before_conv(y, i, f'{name}_norm_2', train, None)
        last = resample.ConvPool if halve else Conv
        y = self.conv(features, f'{name}_conv_2', layer=last)(self.drop(y, i, keys))
        if halve:
            x = resample.avgpool(x, 2)
        if halve or x.shape[-1] != features:
            x = self.conv(features, f'{name}_shortcut', 1)(x)
        return x + y
