"""Drift: real logits are kept near zero (Karras et al. 2018, arXiv:1710.10196, section A.1)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from gan_jax.core import values
from gan_jax.core.game import Play, Verdict, View
from gan_jax.core.state import Mean, Metrics
from gan_jax.terms.protocol import Weighted


@dataclass(frozen=True)
class Term(Weighted):
    """Penalise D(x)^2 of real images, so that a critic's logits do not drift away from zero.

    The default weight is the paper's epsilon of 0.001.
    """

    weight: values.Value = 0.001

    def loss(
        self, play: Play, view: View, real: Verdict, fake: Verdict
    ) -> tuple[jax.Array, Metrics]:
        """Return the squared logits."""
        losses = jnp.square(real.logits)
        return losses, {self.name: Mean.of(losses)}
