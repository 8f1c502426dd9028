"""ACGAN: D names the class of what it sees, and G makes images of theirs (arXiv:1610.09585)."""

from dataclasses import dataclass
from typing import Any

import jax

from gan_jax.core.game import Play, Verdict, View
from gan_jax.core.state import Metrics
from gan_jax.errors import UserError
from gan_jax.terms.classification import Classifying, classified


@dataclass(frozen=True)
class Term(Classifying):
    """Add the cross-entropy of D's classes: D's on real and fake images, G's on fake ones.

    Odena et al. 2017; the generator is told the label, the discriminator need not be.
    """

    side = 'both'

    def check(self, game: Any) -> None:
        """Refuse a generator without labels, and another number of classes than its own."""
        super().check(game)
        if not game.classes:
            raise UserError(
                f'terms.{self.name} needs a generator that is told the label: set model.classes '
                'and take a conditional generator, such as cgan.Generator'
            )
        found = self.told_apart(game)
        if found != game.classes:
            raise UserError(
                f'terms.{self.name} needs model.d.auxiliary={game.classes}, the classes of the '
                f'generator, not {found}'
            )

    def loss(
        self, play: Play, view: View, real: Verdict, fake: Verdict
    ) -> tuple[jax.Array, Metrics]:
        """Return the cross-entropy of every pair of images, or of every fake in G's update."""
        losses, metrics = classified(fake.classes, play.fake_label, f'{play.player}_fake_')
        if play.player == 'g':
            return losses, metrics
        of_real, more = classified(real.classes, play.real_label, 'd_real_')
        return losses + of_real, metrics | more
