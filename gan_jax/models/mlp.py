"""Fully connected networks of any depth, as in Goodfellow et al. 2014 (1406.2661)."""

import math

import flax.linen as nn
import jax

from gan_jax.core import keys
from gan_jax.core.game import Verdict
from gan_jax.core.keys import field
from gan_jax.nn import activations
from gan_jax.nn.heads import Heads
from gan_jax.nn.network import OUT_ACT, Network, each
from gan_jax.nn.noise import Noise


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


class Layers(Network):
    """Hidden layers that read an image; noise: of the image and of the output of each layer."""

    hidden: tuple[int, ...] = field(keys.counts((128,), 'Units of each hidden layer.'))
    act: str = 'leaky_relu'
    weight_init: str = 'glorot'
    noise: float | tuple[float, ...] = field(
        keys.number(
            0.0, 'Standard deviation of noise on the image, then each layer.', low=0, each=True
        )
    )

    def depth(self) -> int:
        """Return the number of hidden layers."""
        return len(self.hidden)

    def check(self) -> None:
        """Raise UserError where the options do not make a network."""
        super().check()
        self.noises()

    def noises(self) -> tuple[float, ...]:
        """Return the noise of the image and of each hidden layer."""
        return each(self.noise, 1 + self.depth(), 'noise')

    def through_hidden(self, images: jax.Array, train: bool, keys: jax.Array | None) -> jax.Array:
        """Return the output [B, n] of the last hidden layer."""
        first, *noises = self.noises()
        x = Noise(first, name='noise')(images.reshape(len(images), -1), keys)
        for i, (units, sigma) in enumerate(zip(self.hidden, noises, strict=True)):
            x = self.finish(self.dense(units, f'dense_{i}')(x), i, train, keys)
            x = Noise(sigma, name=f'noise_{i}')(x, keys)
        return x


class Discriminator(Layers, Heads):
    """Map images [B, H, W, C] through layers of `hidden` units to logits [B], and further heads."""

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
        x = self.through_hidden(images, train, keys)
        return self.verdict(x, lambda: self.dense(1, 'logit')(x)[:, 0])


class Classifier(Layers):
    """Map images [B, H, W, C] to (features [B, hidden[-1]], logits [B, num_classes])."""

    @nn.compact
    def __call__(
        self, images: jax.Array, *, train: bool, keys: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        x = self.through_hidden(images, train, keys)
        return x, self.dense(self.num_classes, 'out')(x)
