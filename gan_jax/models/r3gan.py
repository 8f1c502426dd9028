"""R3GAN's networks (Huang et al. 2024, arXiv:2501.05441), from the paper.

Both are stages of one resolution each. A stage is residual blocks x + P(a(G(a(E(x))))) with a 1x1
convolution E to `expansion` times the width, a grouped 3x3 one G, a 1x1 one P back, and a(x) =
leaky_relu(x + bias): ResNeXt's blocks (arXiv:1611.05431), inverted, without normalisation. Between
stages images are resampled bilinearly, and a 1x1 convolution changes the width where it differs.
The generator starts from a learnt image of 4x4 pixels whose channels a linear map of (z, label)
scales; the discriminator ends in a learnt weighted sum over such an image, and a linear map. With
classes its logit is the inner product with a learnt vector of the label (arXiv:1802.05637).

Weights start by Fixup (arXiv:1901.09321): P is zero, E and G are scaled by L^(-1/4), L being the
number of blocks of a network.
"""

import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax import errors
from gan_jax.core import keys
from gan_jax.core.game import Verdict
from gan_jax.core.keys import field
from gan_jax.errors import UserError
from gan_jax.nn import resample
from gan_jax.nn.conditioning import LabelVector
from gan_jax.nn.conv import Conv, Initializer
from gan_jax.nn.dense import Dense
from gan_jax.nn.network import each
from gan_jax.nn.stages import Staged

# Slope of the activation.
SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))


class Size(NamedTuple):
    """Say how wide a network is: `width` channels up to a resolution, then ever half of them."""

    width: int
    until: int
    blocks: int


# L is the paper's, whose CIFAR-10 and FFHQ networks it gives; M and S are for less arithmetic.
SIZES = {'S': Size(128, 8, 1), 'M': Size(384, 16, 2), 'L': Size(768, 32, 2)}


def scaled(gain: float) -> Initializer:
    """Draw kernels from N(0, gain^2 / fan in)."""
    return nn.initializers.variance_scaling(gain**2, 'fan_in', 'normal') if gain else zeros


def zeros(key: jax.Array, shape: tuple[int, ...], dtype=jnp.float32) -> jax.Array:
    """Return zeros, whatever the key."""
    del key
    return jnp.zeros(shape, dtype)


class Block(nn.Module):
    """Add to x [B, H, W, C] what three convolutions make of it; gain: of the first two."""

    inner: int
    groups: int
    kernel: int
    gain: float

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        start = scaled(self.gain)
        y = Conv(self.inner, 1, kernel_init=start, name='expand')(x)
        y = jax.nn.leaky_relu(y, SLOPE)
        y = Conv(self.inner, self.kernel, kernel_init=start, groups=self.groups, name='mix')(y)
        y = jax.nn.leaky_relu(y, SLOPE)
        last = Conv(x.shape[-1], 1, use_bias=False, kernel_init=scaled(0), name='project')
        return x + last(y)


class Pyramid(Staged):
    """The options of both networks."""

    FAMILY = 'an R3GAN'

    size: str = field(keys.choice('L', tuple(SIZES), "Width and depth; L is the paper's."))
    widths: tuple[int, ...] = field(
        keys.counts((), 'Channels of each stage, from 4x4 on; empty for those of the size.')
    )
    blocks: tuple[int, ...] = field(
        keys.counts((), 'Residual blocks of each stage; empty for those of the size.')
    )
    cardinality: tuple[int, ...] = field(
        keys.counts((), 'Groups of the 3x3 convolutions of a stage; empty: of 16 channels each.')
    )
    expansion: int = field(keys.count(2, 'Factor of the width within a block.'))
    kernel: int = field(keys.count(3, 'Size of the grouped kernels.', high=256))
    embed: int = field(keys.count(64, "Length of the label's vector."))

    def stages(self) -> list[tuple[int, int, int]]:
        """Return width, number of blocks and groups of each stage.

        Raises:
          UserError: a tuple has another length than there are stages.
        """
        n, size = self.doublings() + 1, SIZES[self.size]
        own = tuple(max(16, size.width * size.until // max(size.until, 4 * 2**i)) for i in range(n))
        widths: tuple[int, ...] = each(self.widths or own, n, 'widths')
        blocks: tuple[int, ...] = each(self.blocks or (size.blocks,) * n, n, 'blocks')
        sixteens = tuple(max(1, width * self.expansion // 16) for width in widths)
        groups: tuple[int, ...] = each(self.cardinality or sixteens, n, 'cardinality')
        return list(zip(widths, blocks, groups, strict=True))

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape`."""
        errors.choose(SIZES, self.size, 'size')
        super().check()
        for width, _, groups in self.stages():
            if width * self.expansion % groups:
                raise UserError(
                    f'{width} channels times expansion {self.expansion} do not divide into '
                    f'cardinality {groups}; allowed: widths that are multiples of 8'
                )

    def stage(self, x: jax.Array, i: int) -> jax.Array:
        """Apply the blocks of stage i to x [B, h, w, c]."""
        stages = self.stages()
        width, blocks, groups = stages[i]
        gain = GAIN * sum(n for _, n, _ in stages) ** -0.25
        for j in range(blocks):
            name = f'stage_{i}_block_{j}'
            x = Block(width * self.expansion, groups, self.kernel, gain, name=name)(x)
        return x

    def widen(self, x: jax.Array, i: int) -> jax.Array:
        """Bring x [B, h, w, c] to the width of stage i."""
        width, *_ = self.stages()[i]
        return x if x.shape[-1] == width else self.linear(x, width, f'stage_{i}_width')

    def linear(self, x: jax.Array, features: int, name: str) -> jax.Array:
        """Apply a 1x1 convolution without a bias."""
        return Conv(features, 1, use_bias=False, kernel_init=scaled(1), name=name)(x)

    def label_vector(self, label: jax.Array | None, scale: float) -> jax.Array:
        """Return a learnt vector [B, embed] of a label, N(0, scale^2) at the start."""
        if label is None:
            raise UserError('a conditional model needs a label for every example; got none')
        start = nn.initializers.normal(scale)
        return LabelVector(self.num_classes, self.embed, embedding_init=start, name='label')(label)


class Generator(Pyramid):
    """Map z [B, z_dim] to images [B, H, W, C], of a label [B] where there are classes."""

    z_dim: int = field(keys.count(64, 'Length of the latent vector z.'))

    @nn.compact
    def __call__(
        self,
        z: jax.Array,
        label: jax.Array | None = None,
        *,
        train: bool,
        keys: jax.Array | None = None,
    ) -> jax.Array:
        del train, keys
        if self.num_classes:
            z = jnp.concatenate([z, self.label_vector(label, 1.0).astype(z.dtype)], axis=-1)
        width, *_ = self.stages()[0]
        basis = self.param('basis', nn.initializers.normal(1.0), (*self.smallest(), width))
        scales = Dense(width, use_bias=False, kernel_init=scaled(1), name='scales')(z)
        x = basis[None].astype(z.dtype) * scales[:, None, None]
        for i in range(len(self.stages())):
            if i:
                x = resample.filtered_up(self.widen(x, i), resample.TAPS)
            x = self.stage(x, i)
        return self.linear(x, self.shape[2], 'image')


class Discriminator(Pyramid):
    """Map images [B, H, W, C] to logits [B], of a label [B] where there are classes."""

    embed: int = 768

    @nn.compact
    def __call__(
        self,
        images: jax.Array,
        label: jax.Array | None = None,
        *,
        train: bool,
        keys: jax.Array | None = None,
    ) -> Verdict:
        del train, keys
        last = len(self.stages()) - 1
        x = self.linear(images, self.stages()[last][0], 'image')
        for i in range(last, -1, -1):
            if i < last:
                x = self.widen(resample.filtered_down(x, resample.TAPS), i)
            x = self.stage(x, i)
        pixels = math.prod(self.smallest())
        basis = self.param('basis', nn.initializers.normal(pixels**-0.5), x.shape[1:])
        x = (x * basis[None].astype(x.dtype)).sum((1, 2))
        width = self.embed if self.num_classes else 1
        y = Dense(width, use_bias=False, kernel_init=scaled(1), name='logit')(x)
        if self.num_classes:
            y = y * self.label_vector(label, self.embed**-0.5).astype(y.dtype)
        return Verdict(y.sum(-1), features=x)
