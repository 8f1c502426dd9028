"""ProGAN's networks (Karras et al. 2018, arXiv:1710.10196), from the paper.

Both are stages of two 3x3 convolutions each, from an image of 4x4 pixels on; stage i has a 1x1
convolution to and from an image of its own resolution, by which it is faded in: the generator's
image is (1 - a) times the one of the stages before, enlarged, and a times its own; the
discriminator mixes the features of the smaller image into its own alike. The share a follows from
the level of `core.growth`; it is 1 of all stages where nothing grows (`algorithm='gan'`).

Weights are N(0, 1) and scaled at run time (equalised learning rate), pixels of the generator have
features of mean square 1, and the discriminator's last convolution sees the standard deviation over
groups of images. The discriminator changes the number of features before it halves the image.
Labels are told as in cGANs of its time: beside z, and by projection (arXiv:1802.05637).
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core import keys
from gan_jax.core.game import Verdict
from gan_jax.core.keys import field
from gan_jax.errors import UserError, choose
from gan_jax.nn import init
from gan_jax.nn.conditioning import LabelVector, Projection
from gan_jax.nn.conv import Conv
from gan_jax.nn.dense import Dense
from gan_jax.nn.minibatch import SeesGroups
from gan_jax.nn.network import each
from gan_jax.nn.norm import PixelNorm
from gan_jax.nn.resample import RESIZE, UpConv, avgpool
from gan_jax.nn.stages import Growing, fade

# He's before an activation, 1 before none; that of z is smaller, for it has mean square 1 already.
GAIN, LINEAR, LATENT = math.sqrt(2), 1.0, math.sqrt(2) / 4
EPSILON = 1e-8


def activate(x: jax.Array) -> jax.Array:
    """Apply leaky ReLU of slope 0.2."""
    return jax.nn.leaky_relu(x, 0.2)


class Progressive(Growing):
    """The options of both networks."""

    FAMILY = 'a ProGAN'

    width: int = field(keys.count(512, 'Most channels of a stage.'))
    base: int = field(keys.count(8192, 'Stage i = 0, 1, ... has base / 2^(i + 1), at most width.'))
    widths: tuple[int, ...] = field(
        keys.counts((), 'Channels of each stage, from 4x4 on; empty for those of width and base.')
    )

    def channels(self) -> tuple[int, ...]:
        """Return the channels of each stage; of all, where `shape` is a smaller one."""
        n = self.doublings() + 1
        if len(self.widths) == 1:
            return self.widths * n
        return self.widths or tuple(
            max(1, min(self.width, self.base // 2 ** (i + 1))) for i in range(n)
        )

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape`."""
        super().check()
        _: tuple[int, ...] = each(self.channels(), self.doublings() + 1, 'widths')

    def told(self, label: jax.Array | None) -> jax.Array:
        """Return a label; raise UserError where there is none."""
        if label is None:
            raise UserError('a conditional model needs a label for every example; got none')
        return label

    def conv(
        self, features: int, name: str, kernel: int = 3, gain: float = GAIN, layer: type = Conv
    ) -> Conv:
        """Return a convolution of equalised learning rate that keeps the size, or doubles it."""
        made: Conv = layer(features, kernel, **init.equalized(gain).layer(), name=name)
        return made

    def dense(self, features: int, name: str, gain: float = GAIN) -> Dense:
        """Return a fully connected layer of equalised learning rate."""
        return Dense(features, **init.equalized(gain).layer(), name=name)


class Generator(Progressive):
    """Map z [B, z_dim], which it normalises, to images [B, H, W, C].

    With classes a learnt vector of the label [B] stands beside z, normalised with it.
    """

    z_dim: int = field(keys.count(512, 'Length of the latent vector z.'))
    up: str = field(keys.choice('nearest', tuple(RESIZE), 'How images and features are enlarged.'))

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape`."""
        super().check()
        choose(RESIZE, self.up, 'up')

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
        level = self.level()
        if self.num_classes:
            layer = LabelVector(self.num_classes, self.z_dim, name='label')
            z = jnp.concatenate([z, layer(self.told(label)).astype(z.dtype)], axis=-1)
        first = (*self.smallest(), self.channels()[0])
        x = self.dense(math.prod(first), 'stage_0_dense', LATENT)(self.normalize(z))
        x = self.finish(x.reshape(-1, *first))
        x = self.finish(self.conv(first[-1], 'stage_0_conv')(x))
        image = self.image(x, 0)
        for i in range(1, self.doublings() + 1):
            x = self.stage(x, i)
            image = fade(RESIZE[self.up](image, 2), self.image(x, i), level, i)
        return image

    def stage(self, x: jax.Array, i: int) -> jax.Array:
        """Double the size of x [B, h, w, c], and apply the convolutions of stage i > 0."""
        width, name = self.channels()[i], f'stage_{i}_conv_1'
        if self.up == 'nearest':
            x = self.conv(width, name, layer=UpConv)(x)
        else:
            x = self.conv(width, name)(RESIZE[self.up](x, 2))
        return self.finish(self.conv(width, f'stage_{i}_conv_2')(self.finish(x)))

    def image(self, x: jax.Array, i: int) -> jax.Array:
        """Return the image that stage i makes of its features x [B, h, w, c]."""
        return self.conv(self.shape[2], f'stage_{i}_image', 1, LINEAR)(x)

    def finish(self, x: jax.Array) -> jax.Array:
        """Activate and normalise x [B, h, w, c]."""
        return self.normalize(activate(x))

    def normalize(self, x: jax.Array) -> jax.Array:
        """Give the channels of x [B, ..., c] mean square 1."""
        return PixelNorm(eps=EPSILON)(x, train=False)


class Discriminator(SeesGroups, Progressive):
    """Map images [B, H, W, C] to logits [B] and features.

    With classes the logit has the product of the features with a vector of the label [B] in it.
    """

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
        level = self.level()
        x = self.seen(images, self.doublings())
        for i in range(self.doublings(), 0, -1):
            images = avgpool(images, 2)
            x = fade(self.seen(images, i - 1), self.halve(self.stage(x, i)), level, i)
        x = self.with_deviation(x)
        x = activate(self.conv(self.channels()[0], 'stage_0_conv')(x))
        x = activate(self.dense(self.channels()[0], 'stage_0_dense')(x.reshape(len(x), -1)))
        logit = self.dense(1, 'logit', LINEAR)(x)[:, 0]
        if self.num_classes:
            layer = Projection(
                self.num_classes, **init.equalized(LINEAR).layer(), name='projection'
            )
            logit = logit + layer(x, self.told(label))
        return Verdict(logit, features=x)

    def seen(self, images: jax.Array, i: int) -> jax.Array:
        """Return the features that stage i starts with of images of its resolution."""
        return activate(self.conv(self.channels()[i], f'stage_{i}_image', 1)(images))

    def halve(self, x: jax.Array) -> jax.Array:
        """Return features x [B, h, w, c] of half the size."""
        return avgpool(x, 2)

    def stage(self, x: jax.Array, i: int) -> jax.Array:
        """Apply the convolutions of stage i > 0 to x [B, h, w, c]."""
        after, width = self.channels()[i - 1 : i + 1]
        x = activate(self.conv(width, f'stage_{i}_conv_1')(x))
        return activate(self.conv(after, f'stage_{i}_conv_2')(x))
