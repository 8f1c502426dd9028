"""ADA: adaptive discriminator augmentation, for training on little data (arXiv:2006.06676)."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.augment import ada
from gan_jax.core import keys, values
from gan_jax.core.game import Play, Verdict, View
from gan_jax.core.losses import Adversarial
from gan_jax.core.state import Mean, Metrics, TrainState
from gan_jax.errors import UserError
from gan_jax.runtime import parallel
from gan_jax.terms.augmenting import Augmenting
from gan_jax.terms.protocol import Slot


@dataclass(frozen=True)
class Term(Augmenting):
    """Augment what both players see with a probability p, by how far D overfits.

    With a `target` (the paper's is 0.6) p starts at a number, rises while the mean of sign(D(real))
    is above the target and falls while it is below; without one p is a number or a schedule. At p =
    0 images keep their bits, at no cost. Penalties see augmented images: R1 is of the gradient at
    them.
    """

    p: values.Value = keys.field(
        keys.value(0.0, 'Probability of an augmentation; with a target, at first.', low=0, high=1)
    )
    target: float = keys.field(
        keys.number(
            0.0,
            'Mean of sign(D(real)) at which p stays, such as 0.6; 0: p is given.',
            low=0,
            below=1,
        )
    )
    speed: int = keys.field(
        keys.duration('500kimg', 'Images in which p goes from 0 to 1 by the target.')
    )
    interval: int = keys.field(keys.count(4, 'One in so many updates of the discriminator sets p.'))
    blit: float = keys.field(
        keys.probability(1.0, 'Mirroring, quarter turns, whole steps: chance as a share of p.')
    )
    geometric: float = keys.field(
        keys.probability(1.0, 'Scaling, rotation, stretching, shifts: chance as a share of p.')
    )
    color: float = keys.field(
        keys.probability(
            1.0, 'Brightness, contrast, luma flip, hue, saturation: chance as a share of p.'
        )
    )
    cutout: float = keys.field(keys.probability(0.0, 'A hole: chance as a share of p.'))

    @property
    def shares(self) -> ada.Shares:
        """Return how probable each group of augmentations is, as a multiple of p."""
        return ada.Shares(self.blit, self.geometric, self.color, self.cutout)

    def check(self, game: Any) -> None:
        """Refuse examples that are not images, and keys that do not give a p.

        Raises:
          UserError: names the shape, or what is missing or does not go together.
        """
        super().check(game)
        if not self.target and self.p == 0:
            raise UserError(
                f'terms.{self.name} has neither a target, such as terms.{self.name}.target=0.6, '
                'nor a p, which is a number or a schedule'
            )
        if not self.target:
            return
        if isinstance(self.p, values.Schedule) or self.speed < 1:
            raise UserError(
                f'terms.{self.name}.target={self.target} is not allowed with a schedule of p or '
                f'speed={self.speed}: it moves p itself, from a number, in at least one image'
            )
        if only_differences(game.loss):
            raise UserError(
                f'terms.{self.name}.target={self.target} is not allowed with a loss that asks only '
                'for differences of logits: the sign of D(real) says nothing; give p, a number or '
                'a schedule, instead'
            )

    def init(self, game: Any, key: jax.Array) -> Slot:
        """Return p, its updates, and what was counted since the last: images, and their signs."""
        del game, key
        if not self.target:
            return {}
        counts = {name: jnp.zeros(()) for name in ('signs', 'images')}
        return {'p': jnp.float32(self.p), 'updates': jnp.zeros((), jnp.int32), **counts}

    def probability(self, state: TrainState) -> jax.Array:
        """Return p at a state."""
        kept = self.slot(state)
        return jnp.asarray(kept['p'] if kept else values.at(self.p, state), jnp.float32)

    def augment(self, images: jax.Array, keys: jax.Array, state: TrainState) -> jax.Array:
        """Return images [B, H, W, C] augmented by per-example keys [B] with a state's p."""
        p = self.probability(state)

        def changed(images: jax.Array) -> jax.Array:
            drawn = jax.vmap(lambda key: ada.draw(key, p, self.shares))(keys)
            return ada.apply(images, drawn, self.shares)

        return jax.lax.cond(p > 0, changed, lambda images: images, images)

    def share(
        self, play: Play, view: View, real: Verdict, fake: Verdict
    ) -> tuple[jax.Array | float, Metrics]:
        """Return no loss, and p as the mean over the images of the data."""
        del view, real, fake
        images = jnp.float32(len(jax.tree.leaves(play.batch)[0]))
        return 0.0, {'ada_p': Mean(self.probability(play.state) * images, images)}

    def after(self, slot: Slot, metrics: Metrics, state: TrainState) -> Slot:
        """Return the slot with an update's counts, and p moved where it is due."""
        del state
        n = metrics['ada_p'].count * parallel.size()
        accuracy = metrics['d_real_accuracy']
        signs = slot['signs'] + n * (2 * accuracy.total / accuracy.count - 1)
        images, updates = slot['images'] + n, slot['updates'] + 1
        due = updates % self.interval == 0
        p = slot['p'] + jnp.sign(signs / images - self.target) * images / self.speed
        return {
            'p': jnp.where(due, jnp.clip(p, 0.0, 1.0), slot['p']),
            'updates': updates,
            'signs': jnp.where(due, 0.0, signs),
            'images': jnp.where(due, 0.0, images),
        }


def only_differences(loss: Adversarial) -> bool:
    """Return whether a loss stays as it is where all logits move by the same."""
    here, there = (loss.d(jnp.full(2, x), jnp.full(2, x)) for x in (0.0, 3.0))
    return bool(jnp.allclose(here, there))
