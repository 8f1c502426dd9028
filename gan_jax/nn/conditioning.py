"""How a class label enters a network."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.nn import init
from gan_jax.nn.dense import Dense


class LabelPlane(nn.Module):
    """Append one channel made from the label to images x [B, H, W, C].

    label [B] int32 in 0..num_classes-1 -> embedding of `features` numbers -> H W pixels. The way
    Mirza, Osindero 2014 (1411.1784) is mostly run on images.
    """

    num_classes: int
    features: int
    weights: init.Init

    @nn.compact
    def __call__(self, x: jax.Array, label: jax.Array) -> jax.Array:
        b, h, w, _ = x.shape
        embedding = nn.Embed(self.num_classes, self.features, name='embedding')(label)
        plane = Dense(h * w, kernel_init=self.weights.kernel, gain=self.weights.gain, name='plane')
        channel = plane(embedding.astype(x.dtype)).reshape(b, h, w, 1)
        return jnp.concatenate([x, channel], axis=-1)
