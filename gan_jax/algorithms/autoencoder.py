"""A plain or denoising autoencoder: no discriminator, the same loop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from gan_jax import models
from gan_jax.algorithms.health import Observed
from gan_jax.algorithms.protocol import Batch, Context, Maker, Phase
from gan_jax.core import keys, optim, rng
from gan_jax.core.losses.protocol import cross_entropy
from gan_jax.core.state import Mean, Metrics, TrainState, apply, apply_averaged, init_net
from gan_jax.core.update import advance, update
from gan_jax.errors import UserError

PARTS = ('encoder', 'decoder')
KEYS: dict[str, Any] = {
    'model': models.declare('autoencoder', *PARTS),
    'optim': dict.fromkeys(PARTS, optim.KEYS),
    'noise': keys.number(
        0.0, 'Standard deviation of the noise that is to be removed.', low=0, high=1000
    ),
    'sample': {'columns': keys.count(8, 'Images in the picture of a run.', learns=False)},
}
# (name of a network, inputs) -> its output, in training or by the averaged variables
Apply = Callable[..., Any]
# values of each example, [B] each, by name
Losses = dict[str, jax.Array]


@dataclass(frozen=True)
class Autoencoder(Observed):
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
        latent = self.point(apply(self.encoder, encoder, image)[0])
        label = self.told(jnp.zeros(2, jnp.int32))
        key = rng.fold(key, 'decoder')
        decoder = init_net(self.decoder, self.tx['decoder'], key, latent, *label)
        return TrainState.create({'encoder': encoder, 'decoder': decoder})

    def train_step(self, state: TrainState, batch: Batch, ctx: Context) -> Any:
        """Update both networks on the mean loss of a batch."""
        state, metrics = self.learn(state, PARTS, self.losses, batch, ctx.key, 'noise')
        return advance(state, batch), metrics

    def learn(
        self,
        state: TrainState,
        names: Sequence[str],
        losses: Callable[[Apply, Batch, jax.Array], Losses],
        batch: Batch,
        key: jax.Array,
        purpose: str,
    ) -> tuple[TrainState, Metrics]:
        """Update some networks on the mean of the losses called 'loss'; report all by names."""

        def loss_fn(nets, batch, keys):
            nets = dict(nets)

            def run(name: str, *inputs: Any) -> Any:
                own = rng.split_each(keys, name)
                output, nets[name] = apply(getattr(self, name), nets[name], *inputs, keys=own)
                return output

            found = losses(run, batch, keys)
            means = {name: Mean.of(values) for name, values in found.items()}
            return found['loss'].mean(), (nets, means)

        key = rng.fold(key, purpose, state.step)
        return update(state, names, loss_fn, self.tx, batch, key, accum=self.accum)

    def averaged(self, state: TrainState) -> Apply:
        """Return what applies networks by name with their averaged variables."""

        def run(name: str, *inputs: Any) -> Any:
            return apply_averaged(getattr(self, name), state.nets[name], *inputs)

        return run

    def losses(self, run: Apply, batch: Batch, keys: jax.Array) -> Losses:
        """Return the cross-entropy of each image [B], the mean over its pixels in [0, 1]."""
        image = batch['image']
        latent = self.point(run('encoder', self.noised(image, keys)))
        logits = run('decoder', latent, *self.told(batch.get('label')))
        return {'loss': cross_entropy(logits, image).mean(axis=(1, 2, 3))}

    def point(self, encoded: Any) -> jax.Array:
        """Return the latents that an encoder's output stands for."""
        return encoded

    def told(self, label: jax.Array | None) -> tuple[jax.Array, ...]:
        """Return what the decoder reads beside latents."""
        del label
        return ()

    def encode(self, state: TrainState, images: jax.Array) -> jax.Array:
        """Return the latents of images [n, H, W, C]."""
        return self.point(self.averaged(state)('encoder', images))

    def decode(self, state: TrainState, latents: jax.Array, label: Any = None) -> jax.Array:
        """Return the images of latents, in [0, 1]."""
        return jax.nn.sigmoid(self.averaged(state)('decoder', latents, *self.told(label)))

    def reconstruct(self, state: TrainState, images: jax.Array, label: Any = None) -> jax.Array:
        """Return what the decoder makes of the latents of images [n, H, W, C]."""
        return self.decode(state, self.encode(state, images), label)

    def makers(self) -> dict[str, Maker]:
        """Return the reconstruction of given images."""
        return {'reconstruction': Maker('image', self.make, given=('image',))}

    def make(
        self, state: TrainState, key: jax.Array, n: int, given: Batch, label: Any = None
    ) -> jax.Array:
        """Return the reconstructions of n images."""
        del key, n
        return self.reconstruct(state, given['image'], label)

    def validate(self, state: TrainState, batch: Batch, key: jax.Array) -> Metrics:
        """Return the means of the losses of held-out images, noised as those of training are."""
        keys = rng.example_keys(key, len(batch['image']))
        found = self.losses(self.averaged(state), batch, keys)
        return {name: Mean.of(values) for name, values in found.items()}

    def grid(self, state: TrainState, key: jax.Array, batch: Batch) -> jax.Array:
        """Return the first images of the data, and below each what comes back of it."""
        return jnp.stack(self.strip(state, key, batch))

    def strip(self, state: TrainState, key: jax.Array, batch: Batch) -> list[jax.Array]:
        """Return rows: images, how they are seen where that is noised, and what comes back."""
        given = batch['image'][: self.columns]
        label = batch['label'][: self.columns] if 'label' in batch else None
        seen = self.noised(given, rng.example_keys(key, len(given)))
        rows = [given, seen] if self.noise else [given]
        return [*rows, self.reconstruct(state, seen, label)]

    def phases(self) -> tuple[Phase, ...]:
        """Return the one stretch of the run."""
        return (Phase(self.images, 0, self.batch_size),)

    def noised(self, images: jax.Array, keys: jax.Array) -> jax.Array:
        """Return images with noise, still in [0, 1]."""
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


def common(config: Any, spec: Any, *parts: str) -> dict[str, Any]:
    """Return the fields of a procedure of a resolved config: its networks, and the numbers."""
    return {
        **{part: models.build(config.model, part, spec.shape, config.precision) for part in parts},
        'tx': {part: optim.make(config.optim[part], f'optim.{part}.') for part in parts},
        'shape': spec.shape,
        'batch_size': config.batch_size,
        'images': config.duration,
        'accum': config.accumulate,
        'columns': config.sample.columns,
    }


def build(config: Any, spec: Any) -> Autoencoder:
    """Build the autoencoder that a resolved config describes, for images of a spec."""
    return Autoencoder(**common(config, spec, *PARTS), noise=config.noise)
