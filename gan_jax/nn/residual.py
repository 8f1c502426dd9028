"""Generators and discriminators of residual blocks, which SNGAN, WGAN-GP, SAGAN and BigGAN share.

He et al. 2016 (arXiv:1603.05027): normalise, activate, convolve, twice, beside a shortcut that sees
the block's input as it is. (Public code whose ReLUs work in place gives the shortcut the activated
input instead.) A 1x1 convolution and a resize by averages commute: shortcuts convolve the smaller
image. A 3x3 one and a resize beside it are one convolution.
"""

import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core import keys
from gan_jax.core.game import Verdict
from gan_jax.core.keys import field
from gan_jax.errors import UserError, choose
from gan_jax.nn import activations, resample
from gan_jax.nn.attention import SelfAttention
from gan_jax.nn.conv import Conv
from gan_jax.nn.dropout import Dropout
from gan_jax.nn.heads import Heads
from gan_jax.nn.minibatch import MinibatchStddev
from gan_jax.nn.network import OUT_ACT, Network, each
from gan_jax.nn.norm import Norm

POOLING: dict[str, Callable[..., jax.Array]] = {'sum': jnp.sum, 'mean': jnp.mean}


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


class ResidualDiscriminator(Residual, Heads):
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
    stddev_group: int = field(
        keys.count(
            0, 'Examples whose deviation the last block sees (arXiv:1710.10196); 0: none.', low=0
        )
    )

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
        if self.stddev_group == 1:
            raise UserError('stddev_group=1 has no deviation; allowed: 0, or 2 and more')
        super().check()
        choose(POOLING, self.pooling, 'pooling')

    def group(self) -> int:
        """Return the number of consecutive examples that are seen together."""
        return max(1, self.stddev_group)

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
            if self.stddev_group and i == self.depth() - 1:
                x = MinibatchStddev(self.stddev_group, name='stddev')(x)
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
