"""The two-player game: any generator, discriminator, adversarial loss and penalties."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from gan_jax import models
from gan_jax.algorithms.protocol import Phase
from gan_jax.core import latent, losses, optim, rng
from gan_jax.core.losses import Adversarial
from gan_jax.core.state import Mean, Metrics, TrainState, apply, create, evaluate
from gan_jax.core.update import advance, ema_decay, lazily, update
from gan_jax.errors import UserError
from gan_jax.nn import norm
from gan_jax.nn.network import Network
from gan_jax.terms import penalties
from gan_jax.terms.passes import HARD, JUDGES, Judge, Targets, penalty_at, separate
from gan_jax.terms.penalties import Penalty

Batch = dict[str, jax.Array]


@dataclass(frozen=True)
class GAN:
    """Train a generator against a discriminator (Goodfellow et al. 2014, 1406.2661)."""

    generator: nn.Module
    discriminator: nn.Module
    tx: dict[str, optax.GradientTransformationExtraArgs]
    loss: Adversarial
    shape: tuple[int, int, int]
    batch_size: int
    images: int
    z_dim: int
    prior: Callable[[jax.Array, int], jax.Array] = latent.normal
    penalties: tuple[Penalty, ...] = ()
    targets: Targets = HARD
    judge: Judge = JUDGES['separate']
    weight_clip: float = 0.0
    classes: int = 0
    n_critic: int = 1
    reuse_z: bool = False
    noise: float = 0.0
    noise_images: int = 0
    ema_half_life: int = 0
    ema_ramp: float = 0.0
    accum: int = 1
    rows: int = 8
    columns: int = 8

    def init(self, key: jax.Array) -> TrainState:
        """Return untrained networks 'g' and 'd'."""
        z, image = jnp.zeros((2, self.z_dim)), jnp.zeros((2, *self.shape))
        label = self._label(jnp.zeros(2, jnp.int32))
        ema = self.ema_half_life > 0
        g = create(self.generator, self.tx['g'], rng.fold(key, 'g'), z, label, ema=ema)
        d = create(self.discriminator, self.tx['d'], rng.fold(key, 'd'), image, label)
        return TrainState.create({'g': g, 'd': d})

    def train_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Any:
        """Update the discriminator, and every n_critic-th time the generator."""
        state, d_metrics = self.d_step(state, batch, key)
        state, g_metrics = lazily(self.n_critic, self.g_step)(state, batch, key)
        return advance(state, batch), {**d_metrics, **g_metrics}

    def d_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Any:
        """Update the discriminator; every leaf of the generator stays as it is."""
        key = rng.fold(key, 'd_step', state.step)

        def loss_fn(nets, batch, keys):
            reals, fakes, _ = self._play(nets['g'], batch, keys, state.images)
            real_logits, fake_logits, d = self.judge.run(
                self.discriminator, nets['d'], reals, fakes, keys
            )
            losses = self.judge.weight * self.loss.d(real_logits, fake_logits, *self._targets(keys))
            metrics = {
                'd_loss': Mean.of(losses),
                'd_real_accuracy': Mean.of(real_logits > self.loss.threshold),
                'd_fake_accuracy': Mean.of(fake_logits <= self.loss.threshold),
            }
            extra, penalties = self._penalties(nets['d'], reals, fakes, keys, state.step)
            return losses.mean() + extra, ({**nets, 'd': d}, metrics | penalties)

        state, metrics = update(state, ['d'], loss_fn, self.tx, batch, key, accum=self.accum)
        return self._clipped(state), metrics

    def g_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Any:
        """Update the generator; every leaf of the discriminator stays as it is."""
        key = rng.fold(key, 'd_step' if self.reuse_z else 'g_step', state.step)

        def loss_fn(nets, batch, keys):
            reals, fakes, g = self._play(nets['g'], batch, keys, state.images)
            real_logits, fake_logits, _ = separate(
                self.discriminator, nets['d'], reals, fakes, keys
            )
            losses = self.loss.g(real_logits, fake_logits)
            return losses.mean(), ({**nets, 'g': g}, {'g_loss': Mean.of(losses)})

        batch_images = self.batch_size * self.n_critic
        decay = ema_decay(state.images, self.ema_half_life, self.ema_ramp, batch_images)
        return update(state, ['g'], loss_fn, self.tx, batch, key, accum=self.accum, ema_decay=decay)

    def latents(self, key: jax.Array, n: int) -> jax.Array:
        """Return n codes [n, z_dim]; code i does not depend on n."""
        return jax.vmap(lambda k: self.prior(k, self.z_dim))(rng.example_keys(key, n))

    def generate(self, state: TrainState, z: jax.Array, label: Any = None) -> jax.Array:
        """Return the images of codes by the averaged generator, in evaluation mode."""
        return evaluate(self.generator, state.nets['g'], z, label)

    def sample(
        self, state: TrainState, key: jax.Array, n: int, label: jax.Array | None = None
    ) -> jax.Array:
        """Return n images; of random classes where the model has classes and none is given."""
        if self.classes and label is None:
            keys = rng.example_keys(rng.fold(key, 'label'), n)
            label = jax.vmap(lambda k: jax.random.randint(k, (), 0, self.classes))(keys)
        return self.generate(state, self.latents(key, n), label)

    def grid(self, state: TrainState, key: jax.Array, batch: Batch) -> jax.Array:
        """Return images of fixed codes; with classes, one code a row and one class a column."""
        rows, columns = self.rows, min(self.columns, self.classes or self.columns)
        z, label = self.latents(key, rows * columns), None
        if self.classes:
            z = jnp.repeat(self.latents(key, rows), columns, axis=0)
            label = jnp.tile(jnp.arange(columns), rows)
        images = self.generate(state, z, label)
        return images.reshape(rows, columns, *self.shape)

    def phases(self) -> tuple[Phase, ...]:
        """Return the one stretch of the run."""
        return (Phase(self.images, 0, self.batch_size),)

    def _clipped(self, state):
        """Clip the critic's weights, which bounds its slope (Arjovsky et al. 2017, 1701.07875)."""
        if not self.weight_clip:
            return state
        c, d = self.weight_clip, state.nets['d']
        d = d.replace(params=jax.tree.map(lambda w: jnp.clip(w, -c, c), d.params))
        return state.replace(nets={**state.nets, 'd': d})

    def _label(self, label):
        return label if self.classes else None

    def _play(self, net, batch, keys, images):
        """Return (images, labels) of real examples, the same of fakes, and the generator's net."""
        z = jax.vmap(lambda k: self.prior(k, self.z_dim))(rng.split_each(keys, 'z'))
        draw = jax.vmap(lambda k: jax.random.randint(k, (), 0, max(self.classes, 1)))
        label = self._label(draw(rng.split_each(keys, 'label')))
        fake, net = apply(self.generator, net, z, label, keys=rng.split_each(keys, 'g'))
        real, fake = self._noised(batch['image'], fake, keys, images)
        return (real, self._label(batch.get('label'))), (fake, label), net

    def _targets(self, keys):
        return () if self.targets.plain else self.targets.draw(rng.split_each(keys, 'targets'))

    def _sigma(self, images):
        """Return the standard deviation of instance noise, decaying linearly to zero."""
        if not self.noise_images:
            return self.noise
        return self.noise * jnp.maximum(0.0, 1 - images / self.noise_images)

    def _noised(self, real, fake, keys, images):
        """Add instance noise to real and fake images (Sonderby et al. 2017, 1610.04490)."""
        if not self.noise:
            return real, fake
        draw = jax.vmap(lambda k: jax.random.normal(k, (2, *self.shape)))
        noise = self._sigma(images) * draw(rng.split_each(keys, 'noise'))
        return real + noise[:, 0], fake + noise[:, 1]

    def _penalties(self, net, reals, fakes, keys, step):
        """Return the weighted sum of the penalties due at this step, and each one's mean."""
        total = jnp.float32(0)
        metrics: Metrics = {}
        for penalty in self.penalties:
            value, metric = penalty_at(penalty, self.discriminator, net, reals, fakes, keys, step)
            total, metrics = total + value, metrics | metric
        return total, metrics


def check_penalties(penalties: Sequence[Penalty], discriminator: Network) -> None:
    """Refuse penalties on the gradient at one example where others have a part in it.

    Raises:
      UserError: names the penalty, the normalisation and those that are allowed.
    """
    for penalty in penalties:
        for found in discriminator.mixes_examples():
            allowed = ', '.join(n for n, cls in norm.NORMS.items() if not cls.over_batch)
            raise UserError(
                f"model.d.norm='{found}' is not allowed with penalties.{penalty.name}: an "
                f"example's gradient would be mixed with those of its batch; available: {allowed}"
            )


def build(config: Any, spec: Any) -> GAN:
    """Build the algorithm that a resolved config describes, for images of a spec.

    Raises:
      UserError: the discriminator's layers do not go with a penalty.
    """
    loss = config.loss
    discriminator = models.build(config.model, 'd', spec.shape, config.precision)
    chosen = tuple(penalties.make(k, **v) for k, v in config.penalties.items() if v.weight)
    check_penalties(chosen, discriminator)
    return GAN(
        generator=models.build(config.model, 'g', spec.shape, config.precision),
        discriminator=discriminator,
        tx={name: optim.make(config.optim[name], config.batch_size) for name in ('g', 'd')},
        loss=losses.make(loss.name, **loss.args),
        shape=spec.shape,
        batch_size=config.batch_size,
        images=config.duration,
        z_dim=config.model.g.z_dim,
        prior=latent.prior(config.model.prior),
        penalties=chosen,
        targets=Targets(tuple(loss.real), tuple(loss.fake), loss.flip),
        judge=JUDGES[loss.batching],
        weight_clip=loss.weight_clip,
        classes=config.model.classes,
        n_critic=loss.n_critic,
        reuse_z=loss.reuse_z,
        noise=loss.noise,
        noise_images=loss.noise_decay,
        ema_half_life=config.ema.half_life,
        ema_ramp=config.ema.ramp,
        accum=config.accumulate,
        rows=config.sample.rows,
        columns=config.sample.columns,
    )
