"""A plain or denoising autoencoder: no discriminator, the same loop."""

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from gan_jax import models
from gan_jax.algorithms.protocol import Batch, Context, Maker, Phase, Procedure
from gan_jax.core import keys, nodes, optim, rng
from gan_jax.core.losses.protocol import cross_entropy
from gan_jax.core.state import Mean, Metrics, TrainState, apply, apply_averaged, init_net
from gan_jax.core.update import advance, update
from gan_jax.errors import UserError

KEYS: nodes.Keys = {
    'model': models.declare('autoencoder', 'encoder', 'decoder'),
    'optim': {'encoder': optim.KEYS, 'decoder': optim.KEYS},
    'noise': keys.number(
        0.0, 'Standard deviation of the noise that is to be removed.', low=0, high=1000
    ),
    'sample': {'columns': keys.count(8, 'Images in the picture of a run.', learns=False)},
}


@dataclass(frozen=True)
class Autoencoder(Procedure):
    """Train an encoder and a decoder to give images back (Vincent et al. 2008, for the noise)."""

    encoder: nn.Module
    decoder: nn.Module
    tx: dict[str, optax.GradientTransformationExtraArgs]
    shape: tuple[int, int, int]
    batch_size: int
    images: int
    noise: float = 0.0
    accum: int = 1
    columns: int = 10

    def init(self, key: jax.Array) -> TrainState:
        """Return untrained networks 'encoder' and 'decoder'."""
        image = jnp.zeros((2, *self.shape))
        encoder = init_net(self.encoder, self.tx['encoder'], rng.fold(key, 'encoder'), image)
        latent, _ = apply(self.encoder, encoder, image)
        decoder = init_net(self.decoder, self.tx['decoder'], rng.fold(key, 'decoder'), latent)
        return TrainState.create({'encoder': encoder, 'decoder': decoder})

    def train_step(self, state: TrainState, batch: Batch, ctx: Context) -> Any:
        """Update both networks on the cross-entropy of pixels in [0, 1]."""

        def loss_fn(nets, batch, keys):
            image = batch['image']
            latent, encoder = apply(self.encoder, nets['encoder'], self._noised(image, keys))
            logits, decoder = apply(self.decoder, nets['decoder'], latent)
            losses = cross_entropy(logits, image).mean(axis=(1, 2, 3))
            nets = {'encoder': encoder, 'decoder': decoder}
            return losses.mean(), (nets, {'loss': Mean.of(losses)})

        key = rng.fold(ctx.key, 'noise', state.step)
        names = ('encoder', 'decoder')
        state, metrics = update(state, names, loss_fn, self.tx, batch, key, accum=self.accum)
        return advance(state, batch), metrics

    def reconstruct(self, state: TrainState, images: jax.Array) -> jax.Array:
        """Return what the decoder makes of the latents of images [n, H, W, C]."""
        latent = apply_averaged(self.encoder, state.nets['encoder'], images)
        return jax.nn.sigmoid(apply_averaged(self.decoder, state.nets['decoder'], latent))

    def makers(self) -> dict[str, Maker]:
        """Return the reconstruction of given images."""
        return {'reconstruction': Maker('image', self.make, given=('image',))}

    def make(
        self, state: TrainState, key: jax.Array, n: int, given: Batch, label: Any = None
    ) -> jax.Array:
        """Return the reconstructions of n images."""
        del key, n, label
        return self.reconstruct(state, given['image'])

    def validate(self, state: TrainState, batch: Batch, key: jax.Array) -> Metrics:
        """Return the cross-entropy of pixels of images that are not noised."""
        del key
        latent = apply_averaged(self.encoder, state.nets['encoder'], batch['image'])
        logits = apply_averaged(self.decoder, state.nets['decoder'], latent)
        return {'loss': Mean.of(cross_entropy(logits, batch['image']).mean(axis=(1, 2, 3)))}

    def grid(self, state: TrainState, key: jax.Array, batch: Batch) -> jax.Array:
        """Return the first images of the data, and below each what comes back of it."""
        given = batch['image'][: self.columns]
        seen = self._noised(given, rng.example_keys(key, len(given)))
        rows = [given, seen] if self.noise else [given]
        return jnp.stack([*rows, self.reconstruct(state, seen)])

    def phases(self) -> tuple[Phase, ...]:
        """Return the one stretch of the run."""
        return (Phase(self.images, 0, self.batch_size),)

    def _noised(self, images, keys):
        if not self.noise:
            return images
        noise = rng.normal_each(keys, self.shape)
        return jnp.clip(images + self.noise * noise, 0.0, 1.0)


def check(config: Any) -> None:
    """Refuse data that is not in [0, 1], as the targets of a cross-entropy are.

    Raises:
      UserError: names data.range.
    """
    if config.data.range != '[0,1]':
        raise UserError(
            f"data.range={config.data.range!r} is not allowed: an autoencoder takes '[0,1]'"
        )


def build(config: Any, spec: Any) -> Autoencoder:
    """Build the autoencoder that a resolved config describes, for images of a spec."""
    parts = ('encoder', 'decoder')
    return Autoencoder(
        **{p: models.build(config.model, p, spec.shape, config.precision) for p in parts},
        tx={part: optim.make(config.optim[part], f'optim.{part}.') for part in parts},
        shape=spec.shape,
        batch_size=config.batch_size,
        images=config.duration,
        noise=config.noise,
        accum=config.accumulate,
        columns=config.sample.columns,
    )
