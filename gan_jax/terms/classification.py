"""What terms that classify share: the cross-entropy of examples, of which some have no label."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from gan_jax.core.state import Mean, Metrics


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
