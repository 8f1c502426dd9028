"""Conditional networks: DCGAN's, told the label (Mirza, Osindero 2014, arXiv:1411.1784).

The generator reads a learnt vector of the label beside z; the discriminator reads one more channel
of the image, made from such a vector.
"""

import jax
import jax.numpy as jnp

from gan_jax.core import keys
from gan_jax.core.keys import field
from gan_jax.errors import UserError
from gan_jax.models import dcgan
from gan_jax.nn.conditioning import LabelPlane, LabelVector


class Conditional(dcgan.Pyramid):
    """Add the label."""

    embed: int = field(keys.count(50, "Length of the label's vector."))

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape` and its classes."""
        super().check()
        if self.num_classes < 1:
            raise UserError('a conditional model needs labels; the data has none')

    def condition(self, x: jax.Array, label: jax.Array | None) -> jax.Array:
        """Tell the label to an input x; UserError where there is none."""
        if label is None:
            raise UserError('a conditional model needs a label for every example; got none')
        return self.joined(x, label)


class Generator(dcgan.Generator, Conditional):
    """Map z [B, z_dim] and label [B] to images [B, H, W, C]."""

    def joined(self, z: jax.Array, label: jax.Array) -> jax.Array:
        """Append the label's vector to z."""
        vector = LabelVector(self.num_classes, self.embed, name='label')(label)
        return jnp.concatenate([z, vector.astype(z.dtype)], axis=-1)


class Discriminator(dcgan.Discriminator, Conditional):
    """Map images [B, H, W, C] and label [B] to logits [B] and further heads."""

    def joined(self, images: jax.Array, label: jax.Array) -> jax.Array:
        """Append the label's channel to images."""
        return LabelPlane(self.num_classes, self.embed, name='label')(images, label)
