"""LeCam: logits are held near running means of the other kind's (arXiv:2104.03310)."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.core import keys
from gan_jax.core.game import Play, Verdict, View
from gan_jax.core.state import Mean, Metrics, TrainState
from gan_jax.terms.protocol import Slot, Weighted


@dataclass(frozen=True)
class Term(Weighted):
    """Penalise relu(r - mean f)^2 + relu(mean r - f)^2, for training on little data.

    The means run over updates and start at those of the first one, in which the term is zero.
    """

    decay: float = keys.field(
        keys.number(0.99, 'Share of the running means that stays at each update.', low=0, below=1)
    )

    def init(self, game: Any, key: jax.Array) -> Slot:
        """Return the running means of the logits on real and generated images, and their age."""
        del game, key
        return {'real': jnp.zeros(()), 'fake': jnp.zeros(()), 'updates': jnp.zeros((), jnp.int32)}

    def loss(
        self, play: Play, view: View, real: Verdict, fake: Verdict
    ) -> tuple[jax.Array, Metrics]:
        """Return the penalty of every pair, and the means that feed the running ones."""
        slot = self.slot(play.state)
        losses = regulariser(real.logits, fake.logits, slot['real'], slot['fake'])
        losses = jnp.where(slot['updates'] > 0, losses, 0.0)
        logits = {'d_real_logit': Mean.of(real.logits), 'd_fake_logit': Mean.of(fake.logits)}
        return losses, {'lecam': Mean.of(losses), **logits}

    def after(self, slot: Slot, metrics: Metrics, state: TrainState) -> Slot:
        """Return the running means, moved towards those of an update that had the term."""
        del state
        decay = jnp.where(slot['updates'] > 0, self.decay, 0.0)
        due = metrics['d_real_logit'].count > 0

        def moved(old: jax.Array, new: Mean) -> jax.Array:
            mean = new.total / jnp.maximum(new.count, 1)
            return jnp.where(due, decay * old + (1 - decay) * mean, old)

        return {
            'real': moved(slot['real'], metrics['d_real_logit']),
            'fake': moved(slot['fake'], metrics['d_fake_logit']),
            'updates': slot['updates'] + due.astype(jnp.int32),
        }


def regulariser(
    real: jax.Array, fake: jax.Array, mean_real: jax.Array, mean_fake: jax.Array
) -> jax.Array:
    """Return relu(r - mean f)^2 + relu(mean r - f)^2, elementwise; the means get no gradient."""
    mean_real, mean_fake = jax.lax.stop_gradient((mean_real, mean_fake))
    return jnp.square(jax.nn.relu(real - mean_fake)) + jnp.square(jax.nn.relu(mean_real - fake))
