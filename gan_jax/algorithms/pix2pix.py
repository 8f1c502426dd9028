"""Translation of images that come in pairs: pix2pix (Isola et al. 2017, arXiv:1611.07004)."""

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from gan_jax import models
from gan_jax.algorithms import translation
from gan_jax.algorithms.protocol import EMA, Batch, Context, Maker, Phase, Procedure
from gan_jax.algorithms.translation import apart, judge
from gan_jax.core import keys, nodes, optim, rng, values
from gan_jax.core.losses import Adversarial
from gan_jax.core.state import Mean, Metrics, TrainState, apply, apply_averaged, init_net
from gan_jax.core.update import NO_EMA, Ema, advance, update
from gan_jax.nn.translator import Translator

KEYS: nodes.Keys = {
    'model': models.declare('unet', 'g', 'd'),
    'loss': translation.loss_keys(
        'nonsaturating',
        l1=keys.number(100.0, 'Weight of the absolute difference of pixels.', low=0),
        adversarial=keys.number(
            1.0, "Weight of the adversarial loss in the generator's; 0: no discriminator.", low=0
        ),
    ),
    'optim': {'g': optim.KEYS, 'd': optim.KEYS},
    'ema': EMA,
    'sample': {'columns': keys.count(8, 'Images in the picture of a run.', learns=False)},
}
SOURCE, TARGET = 'input', 'target'


@dataclass(frozen=True)
class Weights:
    """Hold what each part of the loss counts."""

    l1: float
    adversarial: float
    d_weight: float


@dataclass(frozen=True)
class Pix2Pix(Procedure):
    """Train a generator from images to their partners; its discriminator sees both of a pair.

    shapes: of the fields 'input' and 'target'.
    """

    generator: Translator
    discriminator: nn.Module
    tx: dict[str, optax.GradientTransformationExtraArgs]
    loss: Adversarial
    weights: Weights
    shapes: tuple[tuple[int, int, int], tuple[int, int, int]]
    phase: Phase
    ema: Ema = NO_EMA
    accum: int = 1
    columns: int = 8

    def init(self, key: jax.Array) -> TrainState:
        """Return untrained networks 'g' and 'd'."""
        source, target = (jnp.zeros((2, *shape)) for shape in self.shapes)
        average = self.ema.on
        g = init_net(self.generator, self.tx['g'], rng.fold(key, 'g'), source, ema=average)
        pair = joined(source, target)
        d = init_net(self.discriminator, self.tx['d'], rng.fold(key, 'd'), pair)
        return TrainState.create({'g': g, 'd': d})

    def train_step(self, state: TrainState, batch: Batch, ctx: Context) -> Any:
        """Update the discriminator, if it counts, then the generator."""
        metrics: Metrics = {}
        if self.weights.adversarial:
            state, metrics = self.d_step(state, batch, ctx.key)
        state, g_metrics = self.g_step(state, batch, ctx.key)
        return advance(state, batch), {**metrics, **g_metrics}

    def d_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Any:
        """Update the discriminator; every leaf of the generator stays as it is."""

        def loss_fn(nets, batch, keys):
            made, _ = self.made(nets, batch, keys)
            fake, d = self.judged(nets['d'], batch, made, keys, 'fake')
            real, d = self.judged(d, batch, batch[TARGET], keys, 'real')
            losses = self.weights.d_weight * self.loss.d(real, fake)
            metrics = translation.d_metrics('d', losses, self.loss, real, fake)
            return losses.mean(), ({**nets, 'd': d}, metrics)

        # of one step both updates see the same images made
        key = rng.fold(key, 'step', state.step)
        return update(state, ['d'], loss_fn, self.tx, batch, key, accum=self.accum)

    def g_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Any:
        """Update the generator; every leaf of the discriminator stays as it is."""

        def loss_fn(nets, batch, keys):
            made, g = self.made(nets, batch, keys)
            differences = apart(made, batch[TARGET])
            total = self.weights.l1 * differences.mean()
            metrics = {'l1': Mean.of(differences)}
            if self.weights.adversarial:
                real, _ = self.judged(nets['d'], batch, batch[TARGET], keys, 'real')
                fake, _ = self.judged(nets['d'], batch, made, keys, 'fake')
                losses = self.loss.g(real, fake)
                total += self.weights.adversarial * losses.mean()
                metrics['g_loss'] = Mean.of(losses)
            return total, ({**nets, 'g': g}, metrics)

        key = rng.fold(key, 'step', state.step)
        decay = self.ema.decay(state, self.phase.batch_size)
        return update(state, ['g'], loss_fn, self.tx, batch, key, accum=self.accum, ema_decay=decay)

    def made(self, nets: Any, batch: Batch, keys: jax.Array) -> Any:
        """Return what the generator makes of the sources of a batch, and its net after that."""
        draws = rng.split_each(keys, 'g')
        return apply(self.generator, nets['g'], batch[SOURCE], keys=draws)

    def judged(self, net: Any, batch: Batch, images: jax.Array, keys: jax.Array, draws: str) -> Any:
        """Return the logits of images beside the sources of a batch, and the net after them."""
        return judge(self.discriminator, net, joined(batch[SOURCE], images), keys, draws)

    def translate(self, state: TrainState, images: jax.Array, key: jax.Array) -> jax.Array:
        """Return what the averaged generator makes of images, with dropout as its noise."""
        keys = rng.example_keys(key, len(images))
        return apply_averaged(self.generator, state.nets['g'], images, keys=keys)

    def makers(self) -> dict[str, Maker]:
        """Return the generator."""

        def make(state, key, n, given, label=None):
            del n, label
            return self.translate(state, given[SOURCE], key)

        return {'g': Maker(TARGET, make, given=(SOURCE,), padded=self.generator.padded)}

    def validate(self, state: TrainState, batch: Batch, key: jax.Array) -> Metrics:
        """Return the mean absolute difference of pixels to the target."""
        made = self.translate(state, batch[SOURCE], key)
        return {'l1': Mean.of(apart(made, batch[TARGET]))}

    def grid(self, state: TrainState, key: jax.Array, batch: Batch) -> jax.Array:
        """Return the first sources of the data, what is made of them, and their targets."""
        source, target = (batch[name][: self.columns] for name in (SOURCE, TARGET))
        rows = [source, self.translate(state, source, key), target]
        return translation.laid_out(rows, self.shapes[1][2])

    def phases(self) -> tuple[Phase, ...]:
        """Return the one stretch of the run."""
        return (self.phase,)


def joined(source: jax.Array, images: jax.Array) -> jax.Array:
    """Return images [B, H, W, c] and [B, H, W, C] as [B, H, W, c + C]."""
    return jnp.concatenate([source, images], axis=-1)


def build(config: Any, spec: Any) -> Pix2Pix:
    """Build the procedure that a resolved config describes, for 'input' and 'target' of a spec.

    Raises:
      UserError: the data has no such fields, or a network does not fit them.
    """
    source, target = translation.fields(spec, (SOURCE, TARGET), 'pairs')
    pair = (*target[:2], source[2] + target[2])
    return Pix2Pix(
        generator=translation.translator(config, target),
        discriminator=models.build(config.model, 'd', pair, config.precision),
        tx={name: optim.make(config.optim[name], f'optim.{name}.') for name in ('g', 'd')},
        loss=translation.adversarial(config),
        weights=translation.weights(config, Weights),
        shapes=(source, target),
        phase=Phase(config.duration, 0, config.batch_size),
        ema=Ema(values.make(config.ema.half_life, 'ema.half_life'), config.ema.ramp),
        accum=config.accumulate,
        columns=config.sample.columns,
    )
