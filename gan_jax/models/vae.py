"""A variational autoencoder's halves (Kingma and Welling 2014, arXiv:1312.6114)."""

import flax.linen as nn
import jax

from gan_jax.core import keys as declare
from gan_jax.core.keys import field
from gan_jax.models import autoencoder

Z_DIM = declare.count(2, 'Length of the latent z.')


class Encoder(autoencoder.Encoder):
    """Map images [B, H, W, C] to mean and log variance of latents, [B, z_dim] each."""

    z_dim: int = field(Z_DIM)
    hidden: tuple[int, ...] = (256,)

    @nn.compact
    def __call__(
        self, images: jax.Array, *, train: bool, keys: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        x = self.code(images, train, keys).reshape(len(images), -1)
        return self.dense(self.z_dim, 'mean')(x), self.dense(self.z_dim, 'log_variance')(x)


class Decoder(autoencoder.Decoder):
    """Map latents [B, z_dim] to logits of images [B, H, W, C]."""

    hidden: tuple[int, ...] = (256,)
