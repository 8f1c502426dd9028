"""A conditional adversarial autoencoder's networks (Zhang et al. 2017, arXiv:1702.08423).

Labels are ordered classes, such as ages. The decoder is told one as numbers of which the first ones
are 1 and the others -1, so that what one age adds, the next ones have too; they are repeated until
they are as many as those of the latent, so that they are as loud.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core.game import Verdict
from gan_jax.errors import UserError
from gan_jax.models import aae, autoencoder, mlp
from gan_jax.nn.conditioning import Projection


class Encoder(aae.Encoder):
    """Map images [B, H, W, C] to latents [B, z_dim]."""

    z_dim: int = 50
    bounded: bool = True


class Decoder(autoencoder.Decoder):
    """Map latents [B, z_dim] and labels [B] to logits of images [B, H, W, C]."""

    hidden: tuple[int, ...] = (256,)

    def check(self) -> None:
        """Raise UserError where there is nothing to be told."""
        super().check()
        if self.num_classes < 2:
            raise UserError('model.classes=0 is not allowed: the decoder is told one of 2 or more')

    @nn.compact
    def __call__(
        self,
        code: jax.Array,
        label: jax.Array | None = None,
        *,
        train: bool,
        keys: jax.Array | None = None,
    ) -> jax.Array:
        if label is None:
            raise UserError('a conditional model needs a label for every example; got none')
        told = ordinal(label, self.num_classes).astype(code.dtype)
        times = max(1, code.shape[-1] // told.shape[-1])
        return self.logits(jnp.concatenate([code, jnp.tile(told, times)], axis=-1), train, keys)


class LatentDiscriminator(aae.LatentDiscriminator):
    """Map latents [B, z_dim] to logits [B], and further heads."""


class Discriminator(mlp.Layers):
    """Map images [B, H, W, C] and labels [B] to logits [B] (arXiv:1802.05637), fully connected."""

    hidden: tuple[int, ...] = (256, 256)

    @nn.compact
    def __call__(
        self,
        images: jax.Array,
        label: jax.Array,
        *,
        train: bool,
        keys: jax.Array | None = None,
    ) -> Verdict:
        x = self.through_hidden(images, train, keys)
        told = Projection(self.num_classes, **self.weights(), name='projection')(x, label)
        return Verdict(self.dense(1, 'logit')(x)[:, 0] + told, features=x)


def ordinal(label: jax.Array, classes: int) -> jax.Array:
    """Return labels [B] as [B, classes - 1] numbers, of which the first `label` are 1, else -1."""
    return jnp.where(jnp.arange(classes - 1)[None] < label[:, None], 1.0, -1.0)
