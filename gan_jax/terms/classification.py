"""What terms that classify share: the cross-entropy of examples, of which some have no label."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

from gan_jax.core.state import Mean, Metrics
from gan_jax.terms.protocol import Discriminate, Weighted


@dataclass(frozen=True)
class Classifying(Weighted):
    """Read the classes of the discriminator, and measure them on the held-out split."""

    reads = ('classes',)

    def told_apart(self, game: Any) -> int:
        """Return how many classes the discriminator tells apart."""
        return game.verdict_shapes.classes.shape[-1]

    def validate(
        self, real: jax.Array, batch: Mapping[str, jax.Array], discriminate: Discriminate
    ) -> Metrics:
        """Return cross-entropy and accuracy of the discriminator's classes, where there are labels.

        The means are over the labelled examples.
        """
        if 'label' not in batch:
            return {}
        return classified(discriminate(real, batch['label']).classes, batch['label'])[1]


def classified(logits: Any, label: Any, prefix: str = '') -> tuple[jax.Array, Metrics]:
    """Return the cross-entropy [B] of logits [B, K], zero where the label is -1, and its means.

    The means 'PREFIXclass_loss' and 'PREFIXclass_accuracy' are over the labelled examples.
    """
    known = label >= 0
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.maximum(label, 0))
    losses = jnp.where(known, losses, 0.0)
    count = known.sum().astype(jnp.float32)
    right = (known & (logits.argmax(-1) == label)).sum().astype(jnp.float32)
    return losses, {
        f'{prefix}class_loss': Mean(losses.sum(), count),
        f'{prefix}class_accuracy': Mean(right, count),
    }
