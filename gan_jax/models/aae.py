"""An adversarial autoencoder's networks (Makhzani et al. 2015, arXiv:1511.05644)."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core import keys as declare
from gan_jax.core.keys import field
from gan_jax.models import autoencoder, mlp
from gan_jax.models.vae import Z_DIM


class Encoder(autoencoder.Encoder):
    """Map images [B, H, W, C] to latents [B, z_dim]."""

    z_dim: int = field(Z_DIM)
    hidden: tuple[int, ...] = (256,)
    bounded: bool = field(
        declare.flag(False, 'Latents are within [-1, 1], as those of a uniform prior, by tanh.')
    )

    @nn.compact
    def __call__(
        self, images: jax.Array, *, train: bool, keys: jax.Array | None = None
    ) -> jax.Array:
        x = self.code(images, train, keys).reshape(len(images), -1)
        x = self.dense(self.z_dim, 'latent')(x)
        return jnp.tanh(x) if self.bounded else x


class Decoder(autoencoder.Decoder):
    """Map latents [B, z_dim] to logits of images [B, H, W, C]."""

    hidden: tuple[int, ...] = (256,)


class LatentDiscriminator(mlp.Discriminator):
    """Map latents [B, z_dim] to logits [B], and further heads."""

    hidden: tuple[int, ...] = (256,)
