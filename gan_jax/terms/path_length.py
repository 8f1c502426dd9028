"""Path length: a step in w changes the image by the same, wherever it is (arXiv:1912.04958)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.core import keys as declare
from gan_jax.core import rng, values
from gan_jax.core.game import Label, Play, Verdict, View
from gan_jax.core.state import Mean, Metrics, TrainState
from gan_jax.errors import UserError
from gan_jax.runtime import parallel
from gan_jax.terms.gradients import root
from gan_jax.terms.protocol import Slot, Weighted


@dataclass(frozen=True)
class Term(Weighted):
    """Penalise (|J^T y| - mean)^2 of the generator's Jacobian J in w, for random images y.

    Karras et al. 2020, section 3.2, of the images that the generator has just made, with their
    noise and mixed styles. The mean runs over updates and has the present one, over the batch of
    all devices, in it.
    """

    side = 'g'
    over_batch = True
    latent = True

    weight: values.Value = 2.0
    shrink: int = declare.field(
        declare.count(1, 'Of so many of the images that the generator makes, one is looked at.')
    )
    decay: float = declare.field(
        declare.number(0.99, 'Share of the running mean that stays at each update.', low=0, below=1)
    )

    def check(self, game: Any) -> None:
        """Refuse a generator without w.

        Raises:
          UserError: names the term, and what is allowed.
        """
        super().check(game)
        if not game.generator.HAS_W:
            raise UserError(
                f'terms.{self.name} needs a generator that makes w of z; available: '
                "model.g.name='stylegan2.Generator'"
            )

    def init(self, game: Any, key: jax.Array) -> Slot:
        """Return the running mean of the lengths."""
        del game, key
        return {'mean': jnp.zeros(())}

    def loss(
        self, play: Play, view: View, real: Verdict, fake: Verdict
    ) -> tuple[jax.Array, Metrics]:
        """Return the penalty of every image, and the lengths that feed the mean."""
        del real, fake
        view, z, label = self.part(play, view)
        images, pull = jax.vjp(view.synthesize, view.styles(z, label))
        noise = rng.normal_each(rng.split_each(view.g_keys, self.name), images.shape[1:])
        found = lengths(pull, noise)
        mean = self.moved(self.slot(play.state), parallel.pmean(found.mean()))
        losses = jnp.square(found - mean)
        return losses, {self.name: Mean.of(losses), 'g_path': Mean.of(found)}

    def part(self, play: Play, view: View) -> tuple[View, jax.Array, Label]:
        """Return the view, latents and labels of one in `shrink` examples.

        They are evenly spread, so that on any number of devices they are the same ones.

        Raises:
          UserError: the examples of a device do not divide by it.
        """
        if len(play.z) % self.shrink:
            raise UserError(
                f'terms.{self.name}.shrink={self.shrink} does not divide the {len(play.z)} images '
                'that one device makes at once (batch_size / devices)'
            )
        if self.shrink == 1:
            return view, play.z, play.fake_label
        some = (view.g_keys, play.z, play.fake_label)
        some = jax.tree.map(lambda x: x[:: self.shrink], some)
        return view._replace(g_keys=some[0]), *some[1:]

    def moved(self, slot: Slot, batch: jax.Array) -> jax.Array:
        """Return the running mean, moved towards that of a batch."""
        return slot['mean'] + (1 - self.decay) * (batch - slot['mean'])

    def after(self, slot: Slot, metrics: Metrics, state: TrainState) -> Slot:
        """Return the slot after an update that had the term, or as it is."""
        del state
        total, count = metrics['g_path'].total, metrics['g_path'].count
        mean = self.moved(slot, total / jnp.maximum(count, 1))
        return {'mean': jnp.where(count > 0, mean, slot['mean'])}


def lengths(pull: Callable[[jax.Array], tuple[jax.Array]], images: jax.Array) -> jax.Array:
    """Return |J^T y| [B], of images y [B, H, W, C] divided by sqrt(H W).

    pull: maps y to J^T y [B, layers, n]. The square is the mean over layers of sums over w.
    """
    (gradient,) = pull(images / math.sqrt(math.prod(images.shape[1:3])))
    return root(jnp.square(gradient).sum(2).mean(1))
