"""How a class label enters a network."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.nn.dense import Dense


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
