"""Autoencoders whose latents follow a prior, so that images are made of draws from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.algorithms.autoencoder import Autoencoder
from gan_jax.algorithms.protocol import Batch, Maker, Space
from gan_jax.core import latent, rng
from gan_jax.core.state import TrainState


@dataclass(frozen=True)
class Sampled(Autoencoder):
    """What such autoencoders share; prior: draws a latent of a length from a key; z_dim: theirs."""

    prior: Callable[[jax.Array, int], jax.Array] = latent.normal
    z_dim: int = 2

    def draw(self, state: TrainState, key: jax.Array, n: int, **options: Any) -> jax.Array:
        """Return n latents of the prior [n, z_dim]; latent i does not depend on n."""
        del state, options
        return self.draws(rng.example_keys(key, n))

    def draws(self, keys: jax.Array) -> jax.Array:
        """Return a latent of the prior for each key [n]."""
        return jax.vmap(lambda key: self.prior(key, self.z_dim))(keys)

    def from_prior(self) -> Maker:
        """Return what makes images of draws from the prior; its space reads images, too."""
        space = Space(self.draw, self.decode, encode=self.encode)
        return Maker('image', self.sample, spaces={'z': space})

    def sample(
        self, state: TrainState, key: jax.Array, n: int, given: Any = None, label: Any = None
    ) -> jax.Array:
        """Return n images of the prior, of random classes where there are classes, none given."""
        del given
        label = self.some_labels(key, n) if label is None else label
        return self.decode(state, self.draw(state, key, n), label)

    def some_labels(self, key: jax.Array, n: int) -> jax.Array | None:
        """Return random classes [n] where there are any."""
        del key, n
        return None

    def grid(self, state: TrainState, key: jax.Array, batch: Batch) -> jax.Array:
        """Return images of the data, what comes back of them, and images of the prior."""
        rows = self.strip(state, key, batch)
        return jnp.stack([*rows, self.sample(state, key, len(rows[0]))])
