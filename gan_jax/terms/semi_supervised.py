"""Semi-supervised: D names the class of the few labelled images (arXiv:1606.03498, section 5)."""

from dataclasses import dataclass
from typing import Any

import jax

from gan_jax.core.game import Play, Verdict, View
from gan_jax.core.state import Metrics
from gan_jax.errors import UserError
from gan_jax.kinds.label import LABELLED
from gan_jax.terms.classification import Classifying, classified


@dataclass(frozen=True)
class Term(Classifying):
    """Add the cross-entropy of D's classes on labelled real images (Salimans et al. 2016).

    With model.d.logit_from='classes' D tells K + 1 classes apart. Where data.labelled gives the
    labelled examples a stream of their own, each update has a batch of them; else those of the
    batch count whose label is not -1, and the mean is over the whole batch.
    """

    def check(self, game: Any) -> None:
        """Refuse data without labels, and another number of classes than the discriminator's."""
        super().check(game)
        found = self.told_apart(game)
        if found != game.data_classes:
            raise UserError(
                f'terms.{self.name} needs the {game.data_classes} classes of the data, but '
                f'model.d.auxiliary={found}'
            )

    def loss(
        self, play: Play, view: View, real: Verdict, fake: Verdict
    ) -> tuple[jax.Array, Metrics]:
        """Return the cross-entropy of every example, zero where the label is unknown."""
        label = play.batch['label']
        if LABELLED in play.batch:
            label = play.batch[f'{LABELLED}_label']
            told = None if play.real_label is None else label
            real = view.d(play.batch[LABELLED], told, draws=LABELLED)
        return classified(real.classes, label, 'd_')
