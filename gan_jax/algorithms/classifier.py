"""A classifier of the data set's own labels: one network in the same loop, for metrics to use."""

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from gan_jax import models
from gan_jax.algorithms.health import Observed
from gan_jax.algorithms.protocol import EMA, GRID, Batch, Context, Phase
from gan_jax.core import nodes, optim, rng, values
from gan_jax.core.state import Mean, Metrics, TrainState, apply, apply_averaged, init_net
from gan_jax.core.update import NO_EMA, Ema, advance, update
from gan_jax.errors import UserError

NET = 'classifier'

KEYS: nodes.Keys = {
    'model': models.declare('classifier', NET),
    'optim': {NET: optim.KEYS},
    'ema': EMA,
    'sample': GRID,
}


@dataclass(frozen=True)
class Classification(Observed):
    """Train a network to name the class of an image, by the cross-entropy of its logits."""

    network: nn.Module
    tx: dict[str, optax.GradientTransformationExtraArgs]
    shape: tuple[int, int, int]
    batch_size: int
    images: int
    ema: Ema = NO_EMA
    accum: int = 1
    rows: int = 8
    columns: int = 8

    def init(self, key: jax.Array) -> TrainState:
        """Return the untrained network 'classifier'."""
        image = jnp.zeros((2, *self.shape))
        net = init_net(self.network, self.tx[NET], rng.fold(key, NET), image, ema=self.ema.on)
        return TrainState.create({NET: net})

    def train_step(self, state: TrainState, batch: Batch, ctx: Context) -> Any:
        """Update the network on a batch of images and labels."""

        def loss_fn(nets, batch, keys):
            (_, logits), net = apply(self.network, nets[NET], batch['image'], keys=keys)
            label = batch['label']
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, label)
            metrics = {'loss': Mean.of(losses), 'accuracy': Mean.of(logits.argmax(-1) == label)}
            return losses.mean(), ({NET: net}, metrics)

        key = rng.fold(ctx.key, 'dropout', state.step)
        decay = self.ema.decay(state, self.batch_size)
        state, metrics = update(
            state, [NET], loss_fn, self.tx, batch, key, accum=self.accum, ema_decay=decay
        )
        return advance(state, batch), metrics

    def classify(self, state: TrainState, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return (features [n, d], logits [n, classes]) of images, by the averaged network."""
        return apply_averaged(self.network, state.nets[NET], images)

    def validate(self, state: TrainState, batch: Batch, key: jax.Array) -> Metrics:
        """Return the cross-entropy and the accuracy of the averaged network."""
        del key
        label, (_, logits) = batch['label'], self.classify(state, batch['image'])
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, label)
        return {'loss': Mean.of(losses), 'accuracy': Mean.of(logits.argmax(-1) == label)}

    def grid(self, state: TrainState, key: jax.Array, batch: Batch) -> jax.Array:
        """Return images of the data in the order of the classes that they are taken for."""
        columns = min(self.columns, len(batch['image']))
        rows = min(self.rows, len(batch['image']) // columns)
        images = batch['image'][: rows * columns]
        order = jnp.argsort(self.classify(state, images)[1].argmax(-1))
        return images[order].reshape(rows, columns, *self.shape)

    def phases(self) -> tuple[Phase, ...]:
        """Return the one stretch of the run."""
        return (Phase(self.images, 0, self.batch_size),)


def build(config: Any, spec: Any) -> Classification:
    """Build the classifier that a resolved config describes, for images of a spec.

    Raises:
      UserError: the data has no labels or unknown ones, or the network does not fit its images.
    """
    if not spec.num_classes:
        raise UserError(f'a classifier needs labels; data.name={config.data.name!r} has none')
    if spec.unknown:
        raise UserError(
            f'a classifier needs every label; {spec.unknown} of data.name={config.data.name!r} are '
            'unknown (-1)'
        )
    return Classification(
        network=models.build(config.model, NET, spec.shape, config.precision),
        tx={NET: optim.make(config.optim[NET], f'optim.{NET}.')},
        shape=spec.shape,
        batch_size=config.batch_size,
        images=config.duration,
        ema=Ema(values.make(config.ema.half_life, 'ema.half_life'), config.ema.ramp),
        accum=config.accumulate,
        rows=config.sample.rows,
        columns=config.sample.columns,
    )
