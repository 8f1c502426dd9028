"""Fully connected networks of any depth, as in Goodfellow et al. 2014 (1406.2661)."""

import math

import flax.linen as nn
import jax

from gan_jax.core import keys
from gan_jax.core.game import Verdict
from gan_jax.core.keys import field
from gan_jax.nn import activations
from gan_jax.nn.heads import Heads
from gan_jax.nn.network import OUT_ACT, Network


class Generator(Network):
    """Map z [B, z_dim] to images [B, H, W, C] through layers of `hidden` units."""

    z_dim: int = field(keys.count(100, 'Length of the latent vector z.'))
    hidden: tuple[int, ...] = field(keys.counts((128,), 'Units of each hidden layer.'))
    act: str = 'leaky_relu'
    out_act: str = field(OUT_ACT)
    weight_init: str = 'glorot'

    def depth(self) -> int:
        """Return the number of hidden layers."""
        return len(self.hidden)

    @nn.compact
    def __call__(
        self,
        z: jax.Array,
        label: jax.Array | None = None,
        *,
        train: bool,
        keys: jax.Array | None = None,
    ) -> jax.Array:
        del label
        x = z
        for i, units in enumerate(self.hidden):
            x = self.finish(self.dense(units, f'dense_{i}')(x), i, train, keys)
        x = self.dense(math.prod(self.shape), 'out')(x)
        return activations.get(self.out_act)(x).reshape(-1, *self.shape)


class Discriminator(Heads):
    """Map images [B, H, W, C] through layers of `hidden` units to logits [B], and further heads."""

    hidden: tuple[int, ...] = field(keys.counts((128,), 'Units of each hidden layer.'))
    act: str = 'leaky_relu'
    weight_init: str = 'glorot'

    def depth(self) -> int:
        """Return the number of hidden layers."""
        return len(self.hidden)

    @nn.compact
    def __call__(
        self,
        images: jax.Array,
        label: jax.Array | None = None,
        *,
        train: bool,
        keys: jax.Array | None = None,
    ) -> Verdict:
        del label
        x = images.reshape(len(images), -1)
        for i, units in enumerate(self.hidden):
            x = self.finish(self.dense(units, f'dense_{i}')(x), i, train, keys)
        return self.verdict(x, lambda: self.dense(1, 'logit')(x)[:, 0])
