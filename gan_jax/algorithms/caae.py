"""A conditional adversarial autoencoder, which changes an image's age (Zhang et al. 2017).

arXiv:1702.08423. Ages are ordered classes; the decoder is told one beside the latent. A second
discriminator, 'd', sees images with their age. Other than there, what it sees of the decoder has
random ages, not the image's own: so the decoder learns what an age changes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax import models
from gan_jax.algorithms import aae, autoencoder
from gan_jax.algorithms.aae import AAE, PRIOR
from gan_jax.algorithms.autoencoder import PARTS, Apply, Losses
from gan_jax.algorithms.health import Judged, Players
from gan_jax.algorithms.protocol import Batch, Context
from gan_jax.core import keys, optim, rng, strokes
from gan_jax.core.game import verdict
from gan_jax.core.state import Mean, Metrics, TrainState, init_net
from gan_jax.errors import UserError

ALL = (*PARTS, 'd_z', 'd')
# What tells the age of images [n, H, W, C] in [0, 1], as a number that rises with it.
MEASURES: dict[str, Callable[[jax.Array], jax.Array] | None] = {
    'none': None,
    **strokes.MEASURES,
}
KEYS: dict[str, Any] = {
    **aae.KEYS,
    'model': models.declare('caae', *ALL, prior=PRIOR),
    'optim': dict.fromkeys(ALL, optim.KEYS),
    'image_weight': keys.number(
        0.01, 'Weight of the loss by which images of any age are to pass for real ones.', low=0
    ),
    'measure': keys.choice(
        'none', tuple(MEASURES), 'What validation measures of an image at all ages, to be in order.'
    ),
}


@dataclass(frozen=True, kw_only=True)
class CAAE(AAE):
    """Train an autoencoder that is told an age, against discriminators of latents and of images."""

    d: nn.Module
    image_weight: float = 0.01
    classes: int = 10
    measure: Callable[[jax.Array], jax.Array] | None = None

    def init(self, key: jax.Array) -> TrainState:
        """Return untrained networks 'encoder', 'decoder', 'd_z' and 'd'."""
        state, label = super().init(key), jnp.zeros(2, jnp.int32)
        image = jnp.zeros((2, *self.shape))
        net = init_net(self.d, self.tx['d'], rng.fold(key, 'd'), image, label)
        return state.replace(nets={**state.nets, 'd': net})

    def train_step(self, state: TrainState, batch: Batch, ctx: Context) -> Any:
        """Update the discriminator of images, then that of latents, encoder and decoder."""
        state, metrics = self.learn(state, ['d'], self.d_losses, batch, ctx.key, 'd')
        found = {'d_loss': metrics.pop('loss'), **metrics}
        state, metrics = super().train_step(state, batch, ctx)
        return state, found | metrics

    def d_losses(self, run: Apply, batch: Batch, keys: jax.Array) -> Losses:
        """Return the discriminator's loss on an image of its age and one of a random age."""
        made, age = self.aged(run, batch, keys)
        real = verdict(run('d', batch['image'], batch['label'])).logits
        return {'loss': self.adversarial.d(real, verdict(run('d', made, age)).logits)}

    def losses(self, run: Apply, batch: Batch, keys: jax.Array) -> Losses:
        """Return the losses of the autoencoder, with that of an image of a random age in them."""
        found = super().losses(run, batch, keys)
        judged = verdict(run('d', *self.aged(run, batch, keys))).logits
        fooled = self.adversarial.g(judged, judged)
        loss = found['loss'] + self.image_weight * fooled
        return {**found, 'loss': loss, 'image_loss': fooled}

    def aged(self, run: Apply, batch: Batch, keys: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return images as they would be at random ages, and the ages."""
        age = self.ages(rng.split_each(keys, 'age'))
        latents = self.point(run('encoder', self.noised(batch['image'], keys)))
        return jax.nn.sigmoid(run('decoder', latents, age)), age

    def ages(self, keys: jax.Array) -> jax.Array:
        """Return a random age for each key [n]."""
        return jax.vmap(lambda key: jax.random.randint(key, (), 0, self.classes))(keys)

    def told(self, label: jax.Array | None) -> tuple[jax.Array, ...]:
        """Return the age."""
        return () if label is None else (label,)

    def some_labels(self, key: jax.Array, n: int) -> jax.Array:
        """Return random ages [n]."""
        return self.ages(rng.example_keys(rng.fold(key, 'label'), n))

    def make(
        self, state: TrainState, key: jax.Array, n: int, given: Batch, label: Any = None
    ) -> jax.Array:
        """Return n images at an age; at random ones where none is given."""
        label = self.some_labels(key, n) if label is None else label
        return self.reconstruct(state, given['image'], label)

    def at_all_ages(self, state: TrainState, images: jax.Array) -> jax.Array:
        """Return images [n, ages, H, W, C] of each of [n, H, W, C] from the youngest age on."""
        latents = self.encode(state, images)
        columns = [
            self.decode(state, latents, jnp.full(len(images), age, jnp.int32))
            for age in range(self.classes)
        ]
        return jnp.stack(columns, axis=1)

    def validate(self, state: TrainState, batch: Batch, key: jax.Array) -> Metrics:
        """Return the means of the losses, and the share of images whose ages are in order."""
        found = super().validate(state, batch, key)
        if self.measure is None:
            return found
        made = self.at_all_ages(state, batch['image'])
        measured = self.measure(made.reshape(-1, *self.shape)).reshape(len(made), -1)
        ordered = (jnp.diff(measured, axis=1) > 0).all(axis=1)
        return {**found, 'ordered': Mean.of(ordered)}

    def players(self) -> tuple[Players, ...]:
        """Return those of latents, and the discriminator of images with the decoder."""
        images = Players('d', 'image', 'the decoder', 'real', ('d', 'decoder'))
        return (*super().players(), images)

    def judged(self, state: TrainState, batch: Batch, key: jax.Array) -> dict[str, Judged]:
        """Return what the discriminators say, that of images of random ages."""
        run, keys = self.averaged(state), rng.example_keys(key, len(batch['image']))
        made, age = self.aged(run, batch, keys)
        real = verdict(run('d', batch['image'], batch['label'])).logits
        fake = verdict(run('d', made, age)).logits
        judged = super().judged(state, batch, key)
        return {**judged, 'd': Judged(real, fake, batch['image'], made)}

    def grid(self, state: TrainState, key: jax.Array, batch: Batch) -> jax.Array:
        """Return a row for each of some images: the image, and how it is at all ages."""
        del key
        given = batch['image'][: self.columns]
        return jnp.concatenate([given[:, None], self.at_all_ages(state, given)], axis=1)


def check(config: Any) -> None:
    """Refuse data that is not in [0, 1], and a model without ages.

    Raises:
      UserError: names the key.
    """
    autoencoder.check(config)
    if config.model.classes < 2:
        raise UserError(
            f'model.classes={config.model.classes} is not allowed: set it to the number of ages, '
            'which are the classes of the data; at least 2'
        )


def build(config: Any, spec: Any) -> CAAE:
    """Build the autoencoder that a resolved config describes, for images of a spec."""
    return CAAE(
        **aae.fields(config, spec, *ALL),
        image_weight=config.image_weight,
        classes=config.model.classes,
        measure=MEASURES[config.measure],
    )
