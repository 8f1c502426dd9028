"""Translation of images that come in pairs: pix2pix (Isola et al. 2017, arXiv:1611.07004)."""

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from gan_jax import models, terms
from gan_jax.algorithms import health, translation
from gan_jax.algorithms.health import Judged, Observed, Players
from gan_jax.algorithms.protocol import EMA, Batch, Context, Maker, Phase
from gan_jax.algorithms.translation import apart
from gan_jax.core import keys, nodes, optim, rng, values
from gan_jax.core.game import Play, Player, Verdict, View, verdict
from gan_jax.core.losses import Adversarial
from gan_jax.core.state import Mean, Metrics, TrainState, apply, apply_averaged, init_net
from gan_jax.core.update import NO_EMA, Ema, advance, update
from gan_jax.errors import UserError
from gan_jax.nn.translator import Translator
from gan_jax.terms.passes import two_batches
from gan_jax.terms.protocol import Term, settle, shares

KEYS: nodes.Keys = {
    'model': models.declare('unet', 'g', 'd'),
    'loss': translation.loss_keys(
        'nonsaturating',
        **translation.D_WEIGHT,
        l1=keys.number(100.0, 'Weight of the absolute difference of pixels.', low=0),
        adversarial=keys.number(
            1.0, "Weight of the adversarial loss in the generator's; 0: no discriminator.", low=0
        ),
    ),
    'terms': nodes.AnyOf(terms.names, terms.declared, 'Terms of the game.'),
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
class Pix2Pix(Observed):
    """Train a generator from images to their partners; its discriminator sees both of a pair.

    shapes: of the fields 'input' and 'target'. What terms change of what the discriminator sees
    (noise, augmentations) they change of both of a pair alike, as of one image.
    """

    classes: ClassVar[int] = 0
    data_classes: ClassVar[int] = 0

    generator: Translator
    discriminator: nn.Module
    tx: dict[str, optax.GradientTransformationExtraArgs]
    loss: Adversarial
    weights: Weights
    shapes: tuple[tuple[int, int, int], tuple[int, int, int]]
    phase: Phase
    terms: tuple[Term, ...] = ()
    ema: Ema = NO_EMA
    accum: int = 1
    columns: int = 8

    def init(self, key: jax.Array) -> TrainState:
        """Return untrained networks 'g' and 'd', and what the terms keep."""
        source = jnp.zeros((2, *self.shapes[0]))
        average = self.ema.on
        g = init_net(self.generator, self.tx['g'], rng.fold(key, 'g'), source, ema=average)
        pair = jnp.zeros((2, *self.shape))
        d = init_net(self.discriminator, self.tx['d'], rng.fold(key, 'd'), pair)
        slots = {term.name: term.init(self, rng.fold(key, term.name)) for term in self.terms}
        return TrainState.create({'g': g, 'd': d}, {k: v for k, v in slots.items() if v})

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
            play, _, _ = self.play('d', nets, batch, keys, state)
            real, fake, d = two_batches(self.discriminator, nets['d'], play)
            losses = self.weights.d_weight * self.loss.d(real.logits, fake.logits)
            metrics = translation.d_metrics('d', losses, self.loss, real.logits, fake.logits)
            share, more = shares(self.terms, play, self.view(nets, play, keys), real, fake)
            return losses.mean() + share, ({**nets, 'd': d}, metrics | more)

        # of one step both updates see the same images made
        key = rng.fold(key, 'step', state.step)
        state, metrics = update(state, ['d'], loss_fn, self.tx, batch, key, accum=self.accum)
        return settle('d', self.terms, state, metrics), metrics

    def g_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Any:
        """Update the generator; every leaf of the discriminator stays as it is."""

        def loss_fn(nets, batch, keys):
            play, made, g = self.play('g', nets, batch, keys, state)
            differences = apart(made, batch[TARGET])
            total = self.weights.l1 * differences.mean()
            metrics = {'l1': Mean.of(differences)}
            if self.weights.adversarial:
                real, fake, _ = two_batches(self.discriminator, nets['d'], play)
                losses = self.loss.g(real.logits, fake.logits)
                share, more = shares(self.terms, play, self.view(nets, play, keys), real, fake)
                total += self.weights.adversarial * losses.mean() + share
                metrics |= {'g_loss': Mean.of(losses), **more}
            return total, ({**nets, 'g': g}, metrics)

        key = rng.fold(key, 'step', state.step)
        decay = self.ema.decay(state, self.phase.batch_size)
        state, metrics = update(
            state, ['g'], loss_fn, self.tx, batch, key, accum=self.accum, ema_decay=decay
        )
        return settle('g', self.terms, state, metrics), metrics

    def play(
        self, player: Player, nets: Any, batch: Batch, keys: jax.Array, state: TrainState
    ) -> Any:
        """Return the pairs that both players see, the images made for them, and the net after."""
        source = batch[SOURCE]
        made, g = apply(self.generator, nets['g'], source, keys=rng.split_each(keys, 'g'))
        real, fake = (joined(source, images) for images in (batch[TARGET], made))
        z, given = jnp.zeros((len(source), 0)), source.shape[-1]
        play = Play(real, fake, None, None, z, state.step, keys, batch, state, player, given)
        for term in self.terms:
            play = term.see(play)
        return play, made, g

    def view(self, nets: Any, play: Play, keys: jax.Array) -> View:
        """Return the networks for terms to apply; keys: those that made the play."""
        return View(self.generator, self.discriminator, nets, play.keys, keys)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return the shape of what the discriminator sees, the channels of both of a pair."""
        (height, width, given), target = self.shapes
        return height, width, given + target[2]

    @functools.cached_property
    def verdict_shapes(self) -> Verdict:
        """Return the shapes of what the discriminator says of a batch of pairs."""

        def see(key):
            d = self.init(key).nets['d']
            pairs = jnp.zeros((self.phase.batch_size, *self.shape))
            return verdict(apply(self.discriminator, d, pairs)[0])

        return jax.eval_shape(see, rng.root(0))

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

    def players(self) -> tuple[Players, ...]:
        """Return both players, if the discriminator counts."""
        return (Players(terms=True),) if self.weights.adversarial else ()

    def chance(self) -> float:
        """Return the loss of a discriminator that tells nothing apart."""
        return health.chance(self.loss, self.weights.d_weight)

    def judged(self, state: TrainState, batch: Batch, key: jax.Array) -> dict[str, Judged]:
        """Return what the discriminator says of pairs, and of those that are made."""
        keys = rng.example_keys(key, len(batch[SOURCE]))
        play, made, _ = self.play('d', state.nets, batch, keys, state)
        real, fake = (
            health.logits_of(self.discriminator, state.nets['d'], pairs)
            for pairs in (play.real, play.fake)
        )
        return {'d': Judged(real, fake, batch[TARGET], made)}

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


def check(config: Any) -> None:
    """Refuse terms that cannot be made, and any where there is no discriminator.

    config: resolved.

    Raises:
      UserError: names the term.
    """
    for term in terms.build(config.terms):
        if not config.loss.adversarial:
            raise UserError(
                f'terms.{term.name} is not allowed with loss.adversarial=0, which leaves out the '
                'discriminator; available: no terms'
            )
        if term.latent or term.group > 1:
            needs = 'latents' if term.latent else 'to show D several images as one'
            raise UserError(
                f"terms.{term.name} is not allowed with algorithm='pix2pix': it needs {needs}"
            )


def build(config: Any, spec: Any) -> Pix2Pix:
    """Build the procedure that a resolved config describes, for 'input' and 'target' of a spec.

    Raises:
      UserError: the data has no such fields, a network does not fit them, or a term not the game.
    """
    source, target = translation.fields(spec, (SOURCE, TARGET), 'pairs')
    pair = (*target[:2], source[2] + target[2])
    game = Pix2Pix(
        generator=translation.translator(config, target),
        discriminator=models.build(config.model, 'd', pair, config.precision),
        tx={name: optim.make(config.optim[name], f'optim.{name}.') for name in ('g', 'd')},
        loss=translation.adversarial(config),
        weights=translation.weights(config, Weights),
        shapes=(source, target),
        phase=Phase(config.duration, 0, config.batch_size),
        terms=terms.build(config.terms),
        ema=Ema(values.make(config.ema.half_life, 'ema.half_life'), config.ema.ramp),
        accum=config.accumulate,
        columns=config.sample.columns,
    )
    for term in game.terms:
        term.check(game)
    return game
