"""A two-player game whose networks grow: at a few pixels first, then at twice as many, and so on.

Karras et al. 2018 (arXiv:1710.10196). Stage by stage the networks are trained at its resolution, in
a stretch in which it fades in and a stable one. The data is read once; a step sees it pooled.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from gan_jax import models
from gan_jax.algorithms import gan, lazy
from gan_jax.algorithms.protocol import Batch, Context, Phase, starts
from gan_jax.algorithms.two_player import GAN
from gan_jax.core import growth, keys, values
from gan_jax.core.state import Mean, TrainState, with_new_optimisers
from gan_jax.errors import UserError
from gan_jax.nn import resample
from gan_jax.nn.network import each
from gan_jax.nn.stages import Growing, fade

Optimisers = dict[str, optax.GradientTransformationExtraArgs]

KEYS: dict[str, Any] = {
    **gan.KEYS,
    'model': dataclasses.replace(gan.KEYS['model'], default='progan'),
    'growth': {
        'fade': keys.duration('600kimg', 'Length of a stretch in which a stage fades in.'),
        'stable': keys.duration(
            '600kimg', 'Length of the stretch after it; the last one lasts until the run ends.'
        ),
        'batch': keys.count(
            1, 'Factor of batch_size at all resolutions, or one at each, smallest first.', each=True
        ),
        'rate': keys.number(
            1.0,
            'Factor of the learning rates at all resolutions, or one at each, smallest first.',
            above=0,
            high=1_000_000,
            each=True,
        ),
        'reset': keys.flag(True, 'Optimisers start anew where a stretch begins.'),
        'blend': keys.flag(True, 'Real images fade in as the networks do.'),
    },
}


@dataclass(frozen=True)
class Progressive(GAN):
    """Train a generator against a discriminator, both of them growing.

    The state has the networks at full size: layers of later stages stay as they are, and what is
    sampled at any time is enlarged to full size. stretches: a fading and a stable one of each stage
    after the first; fades: the share of each of these stages; optimisers: of each stage.
    """

    stretches: tuple[Phase, ...] = ()
    fades: tuple[values.Schedule, ...] = ()
    optimisers: tuple[Optimisers, ...] = ()
    reset: bool = True
    blend: bool = True

    def phases(self) -> tuple[Phase, ...]:
        """Return the stretches of the run."""
        return self.stretches

    def enter(self, state: TrainState, phase: Phase) -> TrainState:
        """Return the state at its level, with new optimisers where they are reset."""
        del phase
        state = self.at_level(state)
        return with_new_optimisers(state, self.tx) if self.reset else state

    def train_step(self, state: TrainState, batch: Batch, ctx: Context) -> Any:
        """Update both networks as they are at the resolution of a batch."""
        level, stage = self.level(state), self.stage(batch[self.field].shape[1])
        game = self.of_stage(stage, ctx.phase)
        batch = self.faded(batch, level, stage)
        state, metrics = GAN.train_step(game, self.at_level(state), batch, ctx)
        return state, {**metrics, 'level': Mean.of(level)}

    def observe(
        self, state: TrainState, batch: Batch, held_out: Batch | None, key: jax.Array
    ) -> dict[str, jax.Array]:
        """Return what D says at the resolution of a batch, and how G's images vary there."""
        height = batch[self.field].shape[1]
        level, stage = self.level(state), self.stage(height)
        if held_out is not None:
            pooled = resample.avgpool(held_out[self.field], self.shape[0] // height)
            held_out = self.faded({**held_out, self.field: pooled}, level, stage)
        game = self.of_stage(stage, self.phase)
        batch = self.faded(batch, level, stage)
        return GAN.observe(game, self.at_level(state), batch, held_out, key)

    def faded(self, batch: Batch, level: jax.Array, stage: int) -> Batch:
        """Return a batch whose images fade in as the networks do."""
        if not (self.blend and stage):
            return batch
        images = batch[self.field]
        before = resample.nearest_neighbour(resample.avgpool(images, 2), 2)
        return {**batch, self.field: fade(before, images, level, stage)}

    def level(self, state: TrainState) -> jax.Array:
        """Return how far the networks have grown after the images of a state, float32."""
        return sum((share(state) for share in self.fades), jnp.float32(0))

    def at_level(self, state: TrainState) -> TrainState:
        """Return a state whose networks have grown as far as its images say."""
        level = self.level(state)
        nets = {name: growth.at_level(net, level) for name, net in state.nets.items()}
        return state.replace(nets=nets)

    def stage(self, height: int) -> int:
        """Return the stage whose images have a height."""
        return len(self.optimisers) - (self.shape[0] // height).bit_length()

    def of_stage(self, stage: int, phase: Phase) -> 'Progressive':
        """Return the game of a stage: its networks are the first stages of these."""
        factor = 2 ** (len(self.optimisers) - 1 - stage)
        height, width, channels = self.shape
        shape = (height // factor, width // factor, channels)
        return dataclasses.replace(
            self,
            generator=self.generator.clone(shape=shape),
            discriminator=self.discriminator.clone(shape=shape),
            tx=self.optimisers[stage],
            shape=shape,
            phase=phase,
        )


check = gan.check


def build(config: Any, spec: Any) -> Progressive:
    """Build the algorithm that a resolved config describes, for images of a spec.

    Raises:
      UserError: a network cannot grow, or does not fit the images; a term does not fit the game;
        the run ends before the networks have grown.
    """
    game, options = gan.build(config, spec), config.growth
    check_growing(config.model.name, {'g': game.generator, 'd': game.discriminator})
    stages = game.generator.doublings() + 1
    heights = [spec.shape[0] // 2 ** (stages - 1 - i) for i in range(stages)]
    stretches = plan(config, heights)
    rates: tuple[float, ...] = each(options.rate, stages, 'growth.rate')
    begun = zip(starts(stretches), stretches, strict=True)
    return Progressive(
        **{field.name: getattr(game, field.name) for field in dataclasses.fields(game)},
        stretches=stretches,
        # one of no length is over where it begins
        fades=tuple(
            values.Schedule(0.0, 1.0, min(start, phase.images - 1), phase.images)
            for start, phase in [*begun][1::2]
        ),
        optimisers=tuple(lazy.optimisers(config, game.terms, rate) for rate in rates),
        reset=options.reset,
        blend=options.blend,
    )


def check_growing(model: str, networks: Mapping[str, nn.Module]) -> None:
    """Refuse networks that cannot grow.

    Raises:
      UserError: names the model, and those that can.
    """
    able = [
        name
        for name in models.names()
        if any(issubclass(cls, Growing) for cls in models.networks(name).values())
    ]
    for part, network in networks.items():
        if not isinstance(network, Growing):
            raise UserError(
                f"algorithm='progressive' is not allowed with model.name='{model}': model.{part} "
                f'cannot grow; available: {", ".join(able)}'
            )


def plan(config: Any, heights: Sequence[int]) -> tuple[Phase, ...]:
    """Return the stretches of a run: of each height, but the first, a fading and a stable one.

    Raises:
      UserError: the run ends before they are over, or there are factors for other heights.
    """
    options, images = config.growth, 0
    found: list[Phase] = []
    factors: tuple[int, ...] = each(options.batch, len(heights), 'growth.batch')
    for height, factor in zip(heights, factors, strict=True):
        size = factor * config.batch_size
        if found:
            images += options.fade
            found.append(Phase(images, height, size, f'fade {height}'))
        images += options.stable
        found.append(Phase(images, height, size, f'stable {height}'))
    grown = images - options.stable
    if config.duration <= grown:
        raise UserError(
            f'duration={config.duration} images is not allowed: growing to a height of '
            f'{heights[-1]} takes {grown}; make it longer, or lower growth.fade or growth.stable'
        )
    return (*found[:-1], found[-1]._replace(images=config.duration))
