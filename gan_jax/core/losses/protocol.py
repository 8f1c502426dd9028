"""What an adversarial loss is: functions on logits, unreduced: the caller averages."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

Target = jax.Array | float


@dataclasses.dataclass(frozen=True)
class Adversarial:
    """Hold the two sides of an adversarial game.

    Attributes:
      d: (real logits, fake logits) -> loss of the logits' shape, [B] (or [B, h, w] of a patch
        discriminator): the real and the fake part, summed.
      g: (real logits, fake logits) -> loss of the same shape. Most losses ignore the real logits;
        a compiled step then drops the pass that makes them.
      toward: (logits, targets [B]) -> loss, where d is toward(real, its target) + toward(fake, its
        target), so that targets can be smoothed and flipped; None for losses without targets.
      threshold: the logit above which the discriminator calls an image real.
      over_batch: whether a loss depends on the logits of the whole batch.
    """

    d: Callable[[jax.Array, jax.Array], jax.Array]
    g: Callable[[jax.Array, jax.Array], jax.Array]
    toward: Callable[[jax.Array, Target], jax.Array] | None = None
    threshold: float = 0.0
    over_batch: bool = False


def cross_entropy(logits: jax.Array, target: Target) -> jax.Array:
    """Return the binary cross-entropy of logits against targets in [0, 1], elementwise.

    Both terms are kept as softplus, so that neither cancels at large logits.
    """
    target = like(target, logits)
    return target * jax.nn.softplus(-logits) + (1.0 - target) * jax.nn.softplus(logits)


def like(target: Target, logits: jax.Array) -> jax.Array:
    """Reshape targets [B] to broadcast against logits [B, ...]."""
    target = jnp.asarray(target, logits.dtype)
    return (
        target.reshape(target.shape + (1,) * (logits.ndim - target.ndim)) if target.ndim else target
    )


def cross_entropy_d(real: jax.Array, fake: jax.Array) -> jax.Array:
    """Return the discriminator's loss of Goodfellow et al. 2014 (arXiv:1406.2661), elementwise."""
    return cross_entropy(real, 1.0) + cross_entropy(fake, 0.0)
