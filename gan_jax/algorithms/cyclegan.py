"""Translation between two sets of images without pairs: CycleGAN (arXiv:1703.10593)."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

from gan_jax import models
from gan_jax.algorithms import health, translation
from gan_jax.algorithms.health import Judged, Observed, Players
from gan_jax.algorithms.protocol import EMA, Batch, Context, Maker, Phase
from gan_jax.algorithms.translation import apart, judge
from gan_jax.core import keys, nodes, optim, pool, rng, values
from gan_jax.core.losses import Adversarial
from gan_jax.core.state import Mean, Metrics, TrainState, apply, apply_averaged, init_net
from gan_jax.core.update import NO_EMA, Ema, advance, update
from gan_jax.errors import UserError

KEYS: nodes.Keys = {
    'model': models.declare('cyclegan', 'g', 'd'),
    'loss': translation.loss_keys(
        'least_squares',
        **translation.D_WEIGHT,
        cycle=keys.number(10.0, 'Weight of what is lost on the way there and back.', low=0),
        identity=keys.number(
            0.5, 'Weight, times cycle, of what a generator changes of its own images.', low=0
        ),
    ),
    'optim': {'g': optim.KEYS, 'd': optim.KEYS},
    'ema': EMA,
    'pool': keys.count(
        50, 'Images made before that a discriminator may be shown; 0: new ones alone.', low=0
    ),
    'sample': {'columns': keys.count(4, 'Images in the picture of a run.', learns=False)},
}
# From which field each generator makes images of which.
WAYS = {'ab': ('a', 'b'), 'ba': ('b', 'a')}


@dataclass(frozen=True)
class Weights:
    """Hold what each part of the loss counts; identity: times cycle."""

    cycle: float
    identity: float
    d_weight: float


@dataclass(frozen=True)
class CycleGAN(Observed):
    """Train two generators, each the way back of the other, against two discriminators.

    modules: generators 'ab' and 'ba', discriminators 'd_a' and 'd_b' of what they make, with the
    optimiser of each in tx. shapes: of the fields 'a' and 'b'.
    """

    modules: dict[str, Any]
    tx: dict[str, optax.GradientTransformationExtraArgs]
    loss: Adversarial
    weights: Weights
    shapes: dict[str, tuple[int, int, int]]
    phase: Phase
    pool: int = 50
    ema: Ema = NO_EMA
    accum: int = 1
    columns: int = 4

    def init(self, key: jax.Array) -> TrainState:
        """Return untrained networks, and a pool of each generator that has seen nothing."""
        nets = {}
        for name, module in self.modules.items():
            images = jnp.zeros((2, *self.shapes[name[0] if name in WAYS else name[-1]]))
            average = name in WAYS and self.ema.on
            nets[name] = init_net(module, self.tx[name], rng.fold(key, name), images, ema=average)
        pools = {field: pool.empty(self.pool, shape) for field, shape in self.shapes.items()}
        return TrainState.create(nets, {'pool': pools} if self.pool else {})

    def train_step(self, state: TrainState, batch: Batch, ctx: Context) -> Any:
        """Update both generators, then both discriminators on what was made before that."""
        made = self.fakes(state, batch, ctx.key)
        state, g_metrics = self.g_step(state, batch, ctx.key)
        state, shown = self.exchange(state, made, ctx.key)
        state, d_metrics = self.d_step(state, {**batch, **shown}, ctx.key)
        return advance(state, batch), {**g_metrics, **d_metrics}

    def fakes(self, state: TrainState, batch: Batch, key: jax.Array) -> dict[str, jax.Array]:
        """Return what g_step makes of a batch, by the field that it imitates."""
        keys = rng.example_keys(rng.fold(key, 'g_step', state.step), len(batch['a']))
        keys = rng.split_each(keys, 'fake')
        return {
            to: apply(self.modules[way], state.nets[way], batch[start], keys=keys)[0]
            for way, (start, to) in WAYS.items()
        }

    def exchange(self, state: TrainState, made: dict[str, jax.Array], key: jax.Array) -> Any:
        """Return the state with new images in its pools, and what is shown: fake_a, fake_b."""
        if not self.pool:
            return state, {f'fake_{field}': images for field, images in made.items()}
        pools, shown = {}, {}
        for field, images in made.items():
            draws = rng.fold(key, f'pool_{field}', state.step)
            held = state.aux['pool'][field]
            pools[field], shown[f'fake_{field}'] = pool.exchange(held, images, draws)
        return state.replace(aux={**state.aux, 'pool': pools}), shown

    def g_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Any:
        """Update both generators; every leaf of the discriminators stays as it is."""

        def loss_fn(nets, batch, keys):
            nets, total = dict(nets), jnp.zeros(())
            metrics: Metrics = {}

            def through(way, images, draws):
                draws = rng.split_each(keys, draws)
                made, nets[way] = apply(self.modules[way], nets[way], images, keys=draws)
                return made

            made = {way: through(way, batch[start], 'fake') for way, (start, _) in WAYS.items()}
            for way, (start, to) in WAYS.items():
                judging = self.modules[f'd_{to}'], nets[f'd_{to}']
                real, _ = judge(*judging, batch[to], keys, 'real')
                fake, _ = judge(*judging, made[way], keys, 'fake')
                losses = self.loss.g(real, fake)
                lost = apart(through(way[::-1], made[way], 'back'), batch[start])
                total = total + losses.mean() + self.weights.cycle * lost.mean()
                metrics |= {f'{way}_loss': Mean.of(losses), f'cycle_{start}': Mean.of(lost)}
                if self.weights.identity:
                    changed = apart(through(way, batch[to], 'same'), batch[to])
                    total += self.weights.cycle * self.weights.identity * changed.mean()
                    metrics[f'identity_{to}'] = Mean.of(changed)
            return total, (nets, metrics)

        key = rng.fold(key, 'g_step', state.step)
        decay = self.ema.decay(state, self.phase.batch_size)
        return update(
            state, list(WAYS), loss_fn, self.tx, batch, key, accum=self.accum, ema_decay=decay
        )

    def d_step(self, state: TrainState, batch: Batch, key: jax.Array) -> Any:
        """Update both discriminators by real images and those of fake_a and fake_b."""

        def loss_fn(nets, batch, keys):
            nets, total = dict(nets), jnp.zeros(())
            metrics: Metrics = {}
            for field in self.shapes:
                name = f'd_{field}'
                module = self.modules[name]
                fake, net = judge(module, nets[name], batch[f'fake_{field}'], keys, 'fake')
                real, nets[name] = judge(module, net, batch[field], keys, 'real')
                losses = self.weights.d_weight * self.loss.d(real, fake)
                total = total + losses.mean()
                metrics |= translation.d_metrics(name, losses, self.loss, real, fake)
            return total, (nets, metrics)

        names = [f'd_{field}' for field in self.shapes]
        key = rng.fold(key, 'd_step', state.step)
        return update(state, names, loss_fn, self.tx, batch, key, accum=self.accum)

    def translate(
        self, state: TrainState, way: str, images: jax.Array, key: jax.Array
    ) -> jax.Array:
        """Return what an averaged generator makes of images; its dropout, if any, draws anew."""
        keys = rng.example_keys(rng.fold(key, way), len(images))
        return apply_averaged(self.modules[way], state.nets[way], images, keys=keys)

    def makers(self) -> dict[str, Maker]:
        """Return both directions."""

        def maker(way: str, start: str, to: str) -> Maker:
            def make(state, key, n, given, label=None):
                del n, label
                return self.translate(state, way, given[start], key)

            return Maker(to, make, given=(start,), padded=self.modules[way].padded)

        return {way: maker(way, *fields) for way, fields in WAYS.items()}

    def there_and_back(self, state: TrainState, way: str, images: jax.Array, key: jax.Array) -> Any:
        """Return images translated one way, and back again."""
        there = self.translate(state, way, images, key)
        return there, self.translate(state, way[::-1], there, rng.fold(key, 'back'))

    def validate(self, state: TrainState, batch: Batch, key: jax.Array) -> Metrics:
        """Return what is lost on the way there and back: the mean difference of pixels."""
        lost = {}
        for way, (start, _) in WAYS.items():
            _, back = self.there_and_back(state, way, batch[start], key)
            lost[f'cycle_{start}'] = Mean.of(apart(back, batch[start]))
        return {'cycle': lost['cycle_a'] + lost['cycle_b'], **lost}

    def players(self) -> tuple[Players, ...]:
        """Return each discriminator, and the generator of what it sees."""
        return tuple(Players(f'd_{to}', way, way, to) for way, (_, to) in WAYS.items())

    def chance(self) -> float:
        """Return the loss of a discriminator that tells nothing apart."""
        return health.chance(self.loss, self.weights.d_weight)

    def judged(self, state: TrainState, batch: Batch, key: jax.Array) -> dict[str, Judged]:
        """Return what each discriminator says of a batch, and of what is made for it."""
        found = {}
        for field, made in self.fakes(state, batch, key).items():
            name = f'd_{field}'
            real, fake = (
                health.logits_of(self.modules[name], state.nets[name], images)
                for images in (batch[field], made)
            )
            found[name] = Judged(real, fake, batch[field], made)
        return found

    def grid(self, state: TrainState, key: jax.Array, batch: Batch) -> jax.Array:
        """Return the first images of each set above their translations, and what comes back."""
        rows = []
        for way, (start, _) in WAYS.items():
            images = batch[start][: self.columns]
            rows += [images, *self.there_and_back(state, way, images, key)]
        return translation.laid_out(rows, self.shapes['b'][2])

    def phases(self) -> tuple[Phase, ...]:
        """Return the one stretch of the run."""
        return (self.phase,)


def build(config: Any, spec: Any) -> CycleGAN:
    """Build the procedure that a resolved config describes, for the fields 'a' and 'b' of a spec.

    Raises:
      UserError: the data has no such fields, or a network does not fit them.
    """
    a, b = translation.fields(spec, ('a', 'b'), 'unpaired')
    if a[2] != b[2] and config.loss.identity:
        raise UserError(
            f'loss.identity={config.loss.identity} is not allowed: a has {a[2]} channels, '
            f'b {b[2]}; set loss.identity=0 or data.channels'
        )
    shapes = {'a': a, 'b': b}
    g = {way: translation.translator(config, shapes[to]) for way, (_, to) in WAYS.items()}
    d = {f'd_{f}': models.build(config.model, 'd', s, config.precision) for f, s in shapes.items()}
    return CycleGAN(
        modules={**g, **d},
        tx={
            name: optim.make(config.optim[kind], f'optim.{kind}.')
            for kind, nets in (('g', g), ('d', d))
            for name in nets
        },
        loss=translation.adversarial(config),
        weights=translation.weights(config, Weights),
        shapes=shapes,
        phase=Phase(config.duration, 0, config.batch_size),
        pool=config.pool,
        ema=Ema(values.make(config.ema.half_life, 'ema.half_life'), config.ema.ramp),
        accum=config.accumulate,
        columns=config.sample.columns,
    )
