"""StyleGAN2's networks (Karras et al. 2020, arXiv:1912.04958), from the papers.

The generator maps z to w, of which each layer of its synthesis makes the styles that scale the
channels it convolves; `nn.mapping` and `nn.synthesis` are its halves, `nn.style_based` mixes and
truncates. The discriminator halves the image by filtered convolutions, and sees the standard
deviation over groups of images. With classes both map the label, too, and the logit is a product
with what the discriminator has made of it (arXiv:1802.05637, 2006.06676).

All weights are N(0, 1) and scaled at run time (arXiv:1710.10196).
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core.game import Verdict
from gan_jax.nn import init, resample
from gan_jax.nn.activations import scaled_leaky_relu
from gan_jax.nn.conv import Conv
from gan_jax.nn.dense import Dense
from gan_jax.nn.mapping import Mapping
from gan_jax.nn.minibatch import SeesGroups
from gan_jax.nn.style_based import StyleBased
from gan_jax.nn.styled import Styled
from gan_jax.nn.synthesis import Synthesis


class Generator(StyleBased, Styled):
    """Map z [B, z_dim] to images [B, H, W, C], of a label [B] where there are classes."""

    def make_synthesis(self) -> Synthesis:
        """Return the network that makes images of w."""
        return Synthesis(
            self.smallest(),
            self.shape[2],
            self.channels(),
            self.architecture,
            self.clamp,
            self.dtypes(),
        )


class Discriminator(SeesGroups, Styled):
    """Map images [B, H, W, C] to logits [B] and features, of labels [B] where there are classes."""

    architecture: str = 'residual'

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
        x: Any = None
        for i, dtype in reversed(list(enumerate(self.dtypes()))):
            if x is None or self.architecture == 'skip':
                width, name = self.channels()[i], f'stage_{i}_image'
                seen = self.conv(images.astype(dtype), width, name, 1)
                x = seen if x is None else x.astype(dtype) + seen
            if i:
                x = self.stage(x.astype(dtype), i)
                if self.architecture == 'skip':
                    images = resample.filtered_down(images, resample.TAPS)
        x = x.astype(jnp.float32)
        x = self.with_deviation(x)
        x = self.conv(x, self.channels()[0], 'stage_0_conv')
        x = scaled_leaky_relu(
            self.dense(self.channels()[0], 'stage_0_dense')(x.reshape(len(x), -1))
        )
        return Verdict(self.logit(x, label), features=x)

    def stage(self, x: jax.Array, i: int) -> jax.Array:
        """Apply the convolutions of stage i > 0 to x [B, h, w, c], the last of which halves it."""
        after, width = self.channels()[i - 1 : i + 1]
        residual, name = self.architecture == 'residual', f'stage_{i}'
        gain = math.sqrt(0.5) if residual else 1.0
        y = self.conv(x, width, f'{name}_conv_0')
        y = self.conv(y, after, f'{name}_conv_1', layer=resample.FilteredDown, gain=gain)
        if not residual:
            return y
        options = init.equalized(gain).layer()
        shortcut = resample.FilteredDown(
            after, 1, use_bias=False, **options, name=f'{name}_shortcut'
        )
        return y + shortcut(x)

    def logit(self, features: jax.Array, label: jax.Array | None) -> jax.Array:
        """Return the logits [B] of features [B, n]."""
        if not self.num_classes:
            return self.dense(1, 'logit')(features)[:, 0]
        n = self.channels()[0]
        told = Mapping(n, self.layers, self.num_classes, name='mapping')(None, label)
        return (self.dense(n, 'logit')(features) * told).sum(-1) / math.sqrt(n)

    def conv(
        self,
        x: jax.Array,
        features: int,
        name: str,
        kernel: int = 3,
        layer: type[Conv] = Conv,
        gain: float = 1.0,
    ) -> jax.Array:
        """Convolve and activate x [B, h, w, c]."""
        made = layer(features, kernel, **init.equalized(1.0).layer(), name=name)
        return scaled_leaky_relu(made(x), gain, self.clamp)

    def dense(self, features: int, name: str) -> Dense:
        """Return a fully connected layer."""
        return Dense(features, **init.equalized(1.0).layer(), name=name)
