"""Drift: the mean square of real logits."""

import jax.numpy as jnp
import numpy as np
import plays

from gan_jax import terms
from gan_jax.core.game import Verdict


def test_only_real_logits_are_pulled_to_zero():
    (term,) = terms.build({'drift': {}})
    value, means = plays.share(
        term, plays.play(), real=Verdict(jnp.array([1.0, -3.0])), fake=Verdict(jnp.full(2, 9.0))
    )
    np.testing.assert_allclose((value, means['drift']), (0.005, 5.0), rtol=1e-6)
