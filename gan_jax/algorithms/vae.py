"""A variational autoencoder (Kingma and Welling 2014, arXiv:1312.6114)."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax import models
from gan_jax.algorithms import autoencoder
from gan_jax.algorithms.autoencoder import PARTS, Apply, Losses
from gan_jax.algorithms.protocol import Batch, Maker
from gan_jax.algorithms.sampling import Sampled
from gan_jax.core import keys, latent, rng
from gan_jax.core.losses.protocol import cross_entropy

KEYS: dict[str, Any] = {
    **{name: key for name, key in autoencoder.KEYS.items() if name != 'noise'},
    'model': models.declare('vae', *PARTS),
    'beta': keys.number(
        1.0, 'Weight of the divergence from the prior; 1 for a bound on the likelihood.', low=0
    ),
}
check = autoencoder.check


@dataclass(frozen=True)
class VAE(Sampled):
    """Train an encoder into normal distributions of latents, and a decoder of draws from them.

    beta: weight of the divergence (Higgins et al. 2017).
    """

    beta: float = 1.0

    def losses(self, run: Apply, batch: Batch, keys: jax.Array) -> Losses:
        """Return minus the evidence lower bound of each image and its two parts, in nats.

        The expectation is taken by one draw of the latent; with beta the bound is weighted.
        """
        image = batch['image']
        mean, log_variance = run('encoder', image)
        noise = rng.normal_each(rng.split_each(keys, 'latent'), mean.shape[1:])
        logits = run('decoder', mean + jnp.exp(log_variance / 2) * noise)
        error = cross_entropy(logits, image).sum(axis=(1, 2, 3))
        apart = divergence(mean, log_variance)
        return {'loss': error + self.beta * apart, 'reconstruction': error, 'kl': apart}

    def point(self, encoded: Any) -> jax.Array:
        """Return the means of the latents."""
        return encoded[0]

    def makers(self) -> dict[str, Maker]:
        """Return what is made of given images, and of draws from the prior."""
        return {**super().makers(), 'prior': self.from_prior()}


def divergence(mean: jax.Array, log_variance: jax.Array) -> jax.Array:
    """Return KL(N(mean, variance) || N(0, 1)) [B] of independent numbers [B, n], in nats."""
    variance = jnp.exp(log_variance)
    return 0.5 * (jnp.square(mean) + variance - 1 - log_variance).sum(-1)


def build(config: Any, spec: Any) -> VAE:
    """Build the autoencoder that a resolved config describes, for images of a spec."""
    return VAE(
        **autoencoder.common(config, spec, *PARTS),
        prior=latent.PRIORS['normal'],
        z_dim=config.model.encoder.z_dim,
        beta=config.beta,
    )
