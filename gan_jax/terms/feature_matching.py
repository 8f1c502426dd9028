"""Feature matching: fakes have the mean features of real images (arXiv:1606.03498, section 3.1)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from gan_jax.core import keys
from gan_jax.core.game import Play, Verdict, View
from gan_jax.core.state import Mean, Metrics
from gan_jax.runtime import parallel
from gan_jax.terms.protocol import Weighted

DISTANCES = {'squared': jnp.square, 'absolute': jnp.abs}


@dataclass(frozen=True)
class Term(Weighted):
    """Add the distance of D's mean features on real and on generated images to G's loss.

    Salimans et al. 2016, where it is G's only loss: set loss.g_weight=0. The features are those
    that D's logit is computed from; means are over the batch of all devices, the distance is the
    mean over features.
    """

    side = 'g'
    over_batch = True
    reads = ('features',)

    distance: str = keys.field(
        keys.choice('squared', tuple(DISTANCES), 'Of two means of a feature.')
    )

    def loss(
        self, play: Play, view: View, real: Verdict, fake: Verdict
    ) -> tuple[jax.Array, Metrics]:
        """Return the distance of every feature."""
        means = (jax.tree.map(lambda x: x.mean(axis=0), v.features) for v in (real, fake))
        pairs = jax.tree.map(jnp.subtract, *parallel.pmean(tuple(means)))
        apart = jnp.concatenate([x.ravel() for x in jax.tree.leaves(pairs)])
        losses = DISTANCES[self.distance](apart)
        return losses, {self.name: Mean.of(losses)}
