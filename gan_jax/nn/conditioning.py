"""How a class label enters a network."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.nn import init
from gan_jax.nn.conv import Initializer
from gan_jax.nn.dense import Dense
from gan_jax.nn.norm import BatchNorm
from gan_jax.nn.reparametrise import Reparametrisation, plain


class LabelVector(nn.Embed):
    """Look up a learnt vector [B, features] of labels [B] int32 in 0..num_embeddings-1.

    It starts as N(0, 1), as loud as a latent: a network hardly hears labels that start much
    smaller than its other inputs.
    """

    embedding_init: nn.initializers.Initializer = nn.initializers.normal(1.0)


class LabelPlane(nn.Module):
    """Append one channel made from the label to images x [B, H, W, C].

    label [B] int32 in 0..num_classes-1 -> vector of `features` numbers -> H W pixels of unit
    variance. The way Mirza, Osindero 2014 (arXiv:1411.1784) is mostly run on images.
    """

    num_classes: int
    features: int

    @nn.compact
    def __call__(self, x: jax.Array, label: jax.Array) -> jax.Array:
        b, h, w, _ = x.shape
        vector = LabelVector(self.num_classes, self.features, name='embedding')(label)
        to_plane = Dense(h * w, kernel_init=nn.initializers.lecun_normal(), name='plane')
        plane = to_plane(vector.astype(x.dtype))
        return jnp.concatenate([x, plane.reshape(b, h, w, 1)], axis=-1)


class LabelBatchNorm(BatchNorm):
    """Batch norm whose scale and bias are those of the example's class (arXiv:1610.07629).

    condition: labels [B] int32 in 0..num_classes-1. The statistics are those of all classes.
    """

    num_classes: int = 1

    def scale_and_bias(self, channels: int, condition: Any) -> tuple[jax.Array, jax.Array]:
        """Return the rows [B, C] of two tables [num_classes, C]."""
        table = (self.num_classes, channels)
        scale = self.param('scale', self.gamma_init, table)
        return scale[condition], self.param('bias', nn.initializers.zeros, table)[condition]


class VectorBatchNorm(BatchNorm):
    """Batch norm whose scale and bias are linear in a vector, as in BigGAN (arXiv:1809.11096).

    condition: vectors [B, n]. The scale is 1 + a product with them.
    """

    kernel_init: Initializer = init.normal().kernel
    reparametrise: Reparametrisation = plain

    def scale_and_bias(self, channels: int, condition: Any) -> tuple[jax.Array, jax.Array]:
        """Return [B, C] each."""
        made = [
            Dense(channels, False, self.kernel_init, self.reparametrise, name=name)(condition)
            for name in ('scale', 'bias')
        ]
        return 1 + made[0], made[1]


class Projection(nn.Module):
    """Return the product [B] of features [B, n] with the vector of their class.

    Miyato, Koyama 2018 (arXiv:1802.05637), to be added to a discriminator's logit. label: [B] int32
    in 0..num_classes-1.
    """

    num_classes: int
    kernel_init: Initializer = init.normal().kernel
    reparametrise: Reparametrisation = plain

    @nn.compact
    def __call__(self, features: jax.Array, label: jax.Array) -> jax.Array:
        vectors = Dense(
            self.num_classes, False, self.kernel_init, self.reparametrise, name='classes'
        )
        return jnp.take_along_axis(vectors(features), label[:, None], axis=1)[:, 0]
