"""The two-player game, of any generator, discriminator, adversarial loss and terms."""

import functools
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from gan_jax.algorithms import health, lazy
from gan_jax.algorithms.generating import Generating
from gan_jax.algorithms.health import Judged, Players
from gan_jax.algorithms.protocol import Batch, Context, Phase
from gan_jax.core import rng, values
from gan_jax.core.game import Play, Player, Verdict, View, verdict
from gan_jax.core.losses import Adversarial
from gan_jax.core.state import Mean, Metrics, TrainState, apply, apply_averaged, init_net
from gan_jax.core.update import NO_EMA, Ema, advance, every_n_steps, update
from gan_jax.terms.passes import HARD, PASSES, Passes, Targets, Verdicts, two_batches
from gan_jax.terms.protocol import Term, settle, shares


@dataclass(frozen=True, kw_only=True)
class GAN(Generating):
    """Train a generator against a discriminator (Goodfellow et al. 2014, arXiv:1406.2661).

    reuse_z: whether both players see the same fakes in a step; g_weight: of the loss in g_step;
    g_batch: its fakes for each real image; data_classes: of the data, whether networks are told
    them or not; lazy_updates: whether lazy terms are updates of their own, for which `tx` is
    corrected.
    """

    discriminator: nn.Module
    tx: dict[str, optax.GradientTransformationExtraArgs]
    loss: Adversarial
    passes: Passes = PASSES['two_batches']
    targets: Targets = HARD
    data_classes: int = 0
    n_critic: int = 1
    g_weight: values.Value = 1.0
    g_batch: int = 1
    reuse_z: bool = False
    lazy_updates: bool = False
    ema: Ema = NO_EMA
    accum: int = 1

    def init(self, key: jax.Array) -> TrainState:
        """Return untrained networks 'g' and 'd', and what the terms keep."""
        z = jnp.zeros_like(self.draw(rng.example_keys(key, 2)))
        label = self._label(jnp.zeros(2, jnp.int32))
        g = init_net(self.generator, self.tx['g'], rng.fold(key, 'g'), z, label, ema=self.ema.on)
        slots = {term.name: term.init(self, rng.fold(key, term.name)) for term in self.terms}
        state = TrainState.create({'g': g}, {k: v for k, v in slots.items() if v})
        few = max(2, self.discriminator.group())
        seen = jax.tree.map(lambda x: jnp.zeros((few, *x.shape[1:]), x.dtype), self._seen(state))
        d = init_net(self.discriminator, self.tx['d'], rng.fold(key, 'd'), *seen)
        return state.replace(nets={'g': g, 'd': d})

    def train_step(self, state: TrainState, batch: Batch, ctx: Context) -> Any:
        """Update the discriminator, and every n_critic-th time the generator."""
        state, d_metrics = self.d_step(state, batch, ctx.key)
        state, g_metrics = every_n_steps(self.n_critic, self.g_step)(state, batch, ctx.key)
        return advance(state, batch), {**d_metrics, **g_metrics}

    def d_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Any:
        """Update the discriminator; every leaf of the generator stays as it is."""

        def loss_fn(nets, batch, keys):
            play, _ = self.real_and_fake('d', nets, batch, keys, state)
            real, fake, d = self.verdicts('d', nets, play)
            losses = self.targets.loss(self.loss, real.logits, fake.logits, play.keys)
            losses = self.passes.weight * losses
            metrics = {
                'd_loss': Mean.of(losses),
                'd_real_accuracy': Mean.of(real.logits > self.loss.threshold),
                'd_fake_accuracy': Mean.of(fake.logits <= self.loss.threshold),
            }
            share, more = shares(self.within('d'), play, self.view(nets, play, keys), real, fake)
            return losses.mean() + share, ({**nets, 'd': d}, metrics | more)

        state, lazily = lazy.updates(self, 'd', state, batch, key)
        key = rng.fold(key, 'd_step', state.step)
        state, metrics = update(state, ['d'], loss_fn, self.tx, batch, key, accum=self.accum)
        metrics |= lazily
        return settle('d', self.terms, state, metrics), metrics

    def g_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Any:
        """Update the generator; every leaf of the discriminator stays as it is."""

        def loss_fn(nets, batch, keys):
            play, g = self.real_and_fake('g', nets, batch, keys, state)
            real, fake, _ = self.verdicts('g', nets, play)
            losses = self.loss.g(real.logits, fake.logits)
            share, more = shares(self.within('g'), play, self.view(nets, play, keys), real, fake)
            mean = values.at(self.g_weight, state) * losses.mean()
            return mean + share, ({**nets, 'g': g}, {'g_loss': Mean.of(losses), **more})

        if self.g_batch > 1:  # each example several times in a row, to share neither key nor device
            batch = jax.tree.map(lambda x: jnp.repeat(x, self.g_batch, axis=0), batch)
        state, lazily = lazy.updates(self, 'g', state, batch, key)
        key = rng.fold(key, 'd_step' if self.reuse_z else 'g_step', state.step)
        decay = self.ema.decay(state, self.phase.batch_size * self.n_critic)
        state, metrics = update(
            state, ['g'], loss_fn, self.tx, batch, key, accum=self.accum, ema_decay=decay
        )
        metrics |= lazily
        return settle('g', self.terms, state, metrics), metrics

    def real_and_fake(
        self, player: Player, nets: Any, batch: Batch, keys: jax.Array, state: TrainState
    ) -> Any:
        """Return what both players see of a batch in one's update, and the generator's net."""
        z = self.draw(rng.split_each(keys, 'z'))
        label = self._label(self._labels(rng.split_each(keys, 'label')))
        fake, g = apply(self.generator, nets['g'], z, label, keys=rng.split_each(keys, 'g'))
        labels = self._label(batch.get('label')), label
        turn = self.turn(player, state)
        play = Play(batch[self.field], fake, *labels, z, turn, keys, batch, state, player)
        for term in self.terms:
            play = term.see(play)
        return play, g

    def turn(self, player: Player, state: TrainState) -> jax.Array:
        """Return how many updates, but for lazy ones, a player has made before a step."""
        return state.step if player == 'd' else state.step // self.n_critic

    def verdicts(self, player: Player, nets: Any, play: Play) -> Verdicts:
        """Return what the discriminator says of a play in a player's update, and its net."""
        run = self.passes.run if player == 'd' else two_batches
        return run(self.discriminator, nets['d'], play)

    def within(self, player: Player) -> list[Term]:
        """Return the terms that are part of a player's update, and not updates of their own."""
        own = lazy.apart(player, self.terms) if self.lazy_updates else []
        return [term for term in self.terms if term not in own]

    def phases(self) -> tuple[Phase, ...]:
        """Return the one stretch of the run."""
        return (self.phase,)

    def validate(self, state: TrainState, batch: Batch, key: jax.Array) -> Metrics:
        """Return what the terms measure on held-out examples."""
        del key

        def discriminate(images, label=None):
            found = apply_averaged(self.discriminator, state.nets['d'], images, label)
            return verdict(found)

        means = [term.validate(batch[self.field], batch, discriminate) for term in self.terms]
        return dict(item for found in means for item in found.items())

    def players(self) -> tuple[Players, ...]:
        """Return the two."""
        return (Players(terms=True),)

    def chance(self) -> float:
        """Return the loss of a discriminator that tells nothing apart."""
        return health.chance(self.loss, self.passes.weight)

    def judged(self, state: TrainState, batch: Batch, key: jax.Array) -> dict[str, Judged]:
        """Return what D says of examples as it sees them, and what G makes of one class."""
        images, net = batch[self.field], state.nets['d']
        keys = rng.example_keys(key, len(images))
        play, _ = self.real_and_fake('d', state.nets, batch, keys, state)
        real, fake = (
            health.logits_of(self.discriminator, net, *seen)
            for seen in ((play.real, play.real_label), (play.fake, play.fake_label))
        )
        keys = rng.example_keys(rng.fold(key, 'z'), len(images))
        return {'d': Judged(real, fake, images, self.of_one_class(state, keys))}

    @functools.cached_property
    def verdict_shapes(self) -> Verdict:
        """Return the shapes of what the discriminator says of a batch of real examples."""

        def see(key):
            state = self.init(key)
            return verdict(apply(self.discriminator, state.nets['d'], *self._seen(state))[0])

        return jax.eval_shape(see, rng.root(0))

    def _seen(self, state: TrainState) -> Any:
        """Return zeros for what the terms let the discriminator see of a batch, and labels."""
        n = self.phase.batch_size
        batch = {self.field: jnp.zeros((n, *self.shape)), 'label': jnp.zeros(n, jnp.int32)}
        keys = rng.example_keys(rng.root(0), n)

        def see(nets, batch):
            play, _ = self.real_and_fake('d', nets, batch, keys, state)
            return play.real, play.real_label

        shapes = jax.eval_shape(see, state.nets, batch)
        return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    def view(self, nets: Any, play: Play, keys: jax.Array) -> View:
        """Return the networks for terms to apply; keys: those that made the play."""
        return View(self.generator, self.discriminator, nets, play.keys, keys)
