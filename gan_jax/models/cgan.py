"""Conditional networks: DCGAN's, with the label as one more channel.

An embedding of the label becomes a channel of the generator's smallest image, and a channel of the
image that the discriminator reads; Mirza, Osindero 2014 (1411.1784) for convolutions.
"""

import jax

from gan_jax.errors import UserError
from gan_jax.models import dcgan
from gan_jax.nn import init
from gan_jax.nn.conditioning import LabelPlane


class Conditional(dcgan.Pyramid):
    """Adds the label's channel. embed: length of the label's embedding."""

    embed: int = 50

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape` and its classes."""
        super().check()
        if self.num_classes < 1:
            raise UserError('a conditional model needs labels; the data has none')

    def condition(self, x: jax.Array, label: jax.Array | None) -> jax.Array:
        """Append the label's channel to x [B, h, w, c]; UserError where there is no label."""
        if label is None:
            raise UserError('a conditional model needs a label for every example; got none')
        weights = init.get(self.weight_init)
        return LabelPlane(self.num_classes, self.embed, weights, name='label')(x, label)


class Generator(dcgan.Generator, Conditional):
    """Map z [B, z_dim] and label [B] to images [B, H, W, C]."""


class Discriminator(dcgan.Discriminator, Conditional):
    """Map images [B, H, W, C] and label [B] to logits [B]."""
