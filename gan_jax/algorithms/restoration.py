"""A generator that gives images back what they lost when they were shrunk, in two stages.

Ledig et al. 2017 (arXiv:1609.04802). In the first it learns by the squared error of pixels alone
(SRResNet), in the second against a discriminator, and by the features of VGG16 (SRGAN; the paper's
are of VGG19).
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from gan_jax.algorithms import health, translation
from gan_jax.algorithms.health import Judged, Observed, Players
from gan_jax.algorithms.protocol import Batch, Context, Maker, Phase
from gan_jax.algorithms.translation import judge
from gan_jax.core import rng
from gan_jax.core.losses import Adversarial
from gan_jax.core.state import (
    Mean,
    Metrics,
    TrainState,
    apply,
    apply_averaged,
    init_net,
    with_new_optimisers,
)
from gan_jax.core.update import NO_EMA, Ema, advance, update
from gan_jax.errors import UserError
from gan_jax.kinds.image import RANGES
from gan_jax.perceptual import lpips, vgg16, weights

FIRST, SECOND = 'pixels', 'adversarial'
# (a, b) -> the mean squared difference [B] of arrays [B, ...]
squared = functools.partial(translation.apart, of=jnp.square)


@dataclass(frozen=True)
class Weights:
    """Hold what each part of the generator's loss counts in the second stage; block: of VGG16."""

    pixels: float
    perceptual: float
    adversarial: float
    block: int


@dataclass(frozen=True)
class SuperResolution(Observed):
    """Train a generator to enlarge images, in two stages.

    span: the range of the images. They are shrunk on the device by bicubic interpolation that
    smooths before, as the field does.
    """

    generator: nn.Module
    discriminator: nn.Module
    tx: dict[str, optax.GradientTransformationExtraArgs]
    loss: Adversarial
    weights: Weights
    shape: tuple[int, int, int]
    stretches: tuple[Phase, ...]
    span: str
    field: str = 'image'
    ema: Ema = NO_EMA
    accum: int = 1
    columns: int = 8

    def init(self, key: jax.Array) -> TrainState:
        """Return untrained networks 'g' and 'd'."""
        large = jnp.zeros((2, *self.shape))
        nets = {
            name: init_net(module, self.tx[name], rng.fold(key, name), images, ema=average)
            for name, module, images, average in (
                ('g', self.generator, self.shrink(large), self.ema.on),
                ('d', self.discriminator, large, False),
            )
        }
        return TrainState.create(nets)

    def train_step(self, state: TrainState, batch: Batch, ctx: Context) -> Any:
        """Update the generator, and in the second stage the discriminator before it."""
        if ctx.phase.name == FIRST:
            state, metrics = self.pixel_step(state, batch, ctx.key)
            return advance(state, batch), metrics
        state, d_metrics = self.d_step(state, batch, ctx.key)
        state, g_metrics = self.g_step(state, batch, ctx.key)
        return advance(state, batch), {**d_metrics, **g_metrics}

    def pixel_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Any:
        """Update the generator by the squared error of pixels."""

        def loss_fn(nets, batch, keys):
            images = batch[self.field]
            made, g = apply(self.generator, nets['g'], self.shrink(images), keys=keys)
            losses = squared(made, images)
            return losses.mean(), ({**nets, 'g': g}, {'pixels': Mean.of(losses)})

        return self.updated('g', state, loss_fn, batch, key)

    def d_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Any:
        """Update the discriminator; every leaf of the generator stays as it is."""

        def loss_fn(nets, batch, keys):
            images = batch[self.field]
            made, _ = apply(self.generator, nets['g'], self.shrink(images), keys=keys)
            real, d = judge(self.discriminator, nets['d'], images, keys, 'real')
            fake, d = judge(self.discriminator, d, made, keys, 'fake')
            losses = self.loss.d(real, fake)
            metrics = translation.d_metrics('d', losses, self.loss, real, fake)
            return losses.mean(), ({**nets, 'd': d}, metrics)

        return self.updated('d', state, loss_fn, batch, key)

    def g_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Any:
        """Update the generator; every leaf of the discriminator stays as it is."""

        def loss_fn(nets, batch, keys):
            images = batch[self.field]
            made, g = apply(self.generator, nets['g'], self.shrink(images), keys=keys)
            real, d = judge(self.discriminator, nets['d'], images, keys, 'real')
            fake, _ = judge(self.discriminator, d, made, keys, 'fake')
            parts = {
                'pixels': squared(made, images),
                'perceptual': self.apart(made, images),
                'adversarial': self.loss.g(real, fake),
            }
            total = sum(getattr(self.weights, name) * x.mean() for name, x in parts.items())
            metrics = {name: Mean.of(x) for name, x in parts.items()}
            metrics['g_loss'] = metrics.pop('adversarial')
            return total, ({**nets, 'g': g}, metrics)

        return self.updated('g', state, loss_fn, batch, key)

    def updated(self, name: str, state: TrainState, loss_fn: Any, batch: Batch, key: Any) -> Any:
        """Return the state after one update of a network, and its metrics."""
        key = rng.fold(key, f'{name}_step', state.step)
        decay = self.ema.decay(state, self.stretches[0].batch_size) if name == 'g' else None
        return update(
            state, [name], loss_fn, self.tx, batch, key, accum=self.accum, ema_decay=decay
        )

    def apart(self, made: jax.Array, images: jax.Array) -> jax.Array:
        """Return the squared distance [B] of VGG16's features, 0 where they have no weight."""
        if not self.weights.perceptual:
            return jnp.zeros(len(made))
        both = lpips.seen(jnp.concatenate([made, images]), self.span)
        found = vgg16.features(weights.load().convs, both, self.weights.block)[-1]
        return squared(*jnp.split(found, 2))

    def shrink(self, images: jax.Array, factor: int = 0) -> jax.Array:
        """Return images [B, H, W, C] smaller by a factor, that of the generator by default."""
        factor = factor or self.generator.factor
        b, h, w, c = images.shape
        small = jax.image.resize(images, (b, h // factor, w // factor, c), 'bicubic')
        return jnp.clip(small, *RANGES[self.span])

    def enlarge(self, state: TrainState, images: jax.Array) -> jax.Array:
        """Return what the averaged generator makes of small images."""
        return apply_averaged(self.generator, state.nets['g'], images)

    def bicubic(self, state: TrainState, images: jax.Array) -> jax.Array:
        """Return small images enlarged by interpolation."""
        del state
        b, h, w, c = images.shape
        factor = self.generator.factor
        large = jax.image.resize(images, (b, h * factor, w * factor, c), 'bicubic')
        return jnp.clip(large, *RANGES[self.span])

    def makers(self) -> dict[str, Maker]:
        """Return what the generator makes of images, and interpolation to compare it with.

        The option `shrink` is by how much given images are shrunk before; 1 enlarges them as they
        are.
        """
        options = {'shrink': self.generator.factor}
        given = (self.field,)
        return {
            name: Maker(
                self.field,
                functools.partial(self.made, by),
                given,
                options=options,
                padded=self.padded,
            )
            for name, by in (('generator', self.enlarge), ('bicubic', self.bicubic))
        }

    def made(
        self,
        by: Callable[[TrainState, jax.Array], jax.Array],
        state: TrainState,
        key: jax.Array,
        n: int,
        given: Batch,
        label: Any = None,
        shrink: int = 1,
    ) -> jax.Array:
        """Return n given images, shrunk by a factor and enlarged `by` one way or the other.

        Raises:
          UserError: the factor is no whole number from 1 on.
        """
        del key, n, label
        if shrink != int(shrink) or shrink < 1:
            raise UserError(f'shrink={shrink} is not allowed: it must be 1, 2, 3, ...')
        images = given[self.field]
        return by(state, images if shrink == 1 else self.shrink(images, int(shrink)))

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Return the size that images are padded to: whole pixels after they are shrunk."""
        factor = self.generator.factor
        return -(-height // factor) * factor, -(-width // factor) * factor

    def validate(self, state: TrainState, batch: Batch, key: jax.Array) -> Metrics:
        """Return PSNR in dB of what the averaged generator makes, and that of interpolation."""
        del key
        images = batch[self.field]
        small = self.shrink(images)
        low, high = RANGES[self.span]
        made = {'psnr': self.enlarge(state, small), 'bicubic_psnr': self.bicubic(state, small)}
        return {
            name: Mean.of(
                10 * jnp.log10((high - low) ** 2 / squared(jnp.clip(x, low, high), images))
            )
            for name, x in made.items()
        }

    def players(self) -> tuple[Players, ...]:
        """Return both players, of whom the second stage alone has a contest."""
        return (Players(),)

    def chance(self) -> float:
        """Return the loss of a discriminator that tells nothing apart."""
        return health.chance(self.loss)

    def judged(self, state: TrainState, batch: Batch, key: jax.Array) -> dict[str, Judged]:
        """Return what the discriminator says of images, and of those that are enlarged."""
        images = batch[self.field]
        keys = rng.example_keys(key, len(images))
        made, _ = apply(self.generator, state.nets['g'], self.shrink(images), keys=keys)
        real, fake = (
            health.logits_of(self.discriminator, state.nets['d'], x) for x in (images, made)
        )
        return {'d': Judged(real, fake, images, made)}

    def grid(self, state: TrainState, key: jax.Array, batch: Batch) -> jax.Array:
        """Return the first images of the data: interpolated, as the generator makes them, real."""
        del key
        images = batch[self.field][: self.columns]
        small = self.shrink(images)
        return jnp.stack([self.bicubic(state, small), self.enlarge(state, small), images])

    def phases(self) -> tuple[Phase, ...]:
        """Return the stages of the run."""
        return self.stretches

    def enter(self, state: TrainState, phase: Phase) -> TrainState:
        """Return the state with optimisers that begin anew."""
        del phase
        return with_new_optimisers(state, self.tx)
