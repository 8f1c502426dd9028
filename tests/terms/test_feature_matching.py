"""Feature matching: the distance of mean features, over all devices."""

import dataclasses

import chex
import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import plays
import pytest
from test_steps import batches, run, tiny

from gan_jax.core.game import Verdict
from gan_jax.errors import UserError
from gan_jax.nn.network import Network
from gan_jax.terms.feature_matching import Term

ONLY = {'feature_matching': {}}


@pytest.mark.parametrize(('distance', 'expected'), [('squared', 5.0), ('absolute', 2.0)])
def test_means_are_compared_and_not_examples(distance, expected):
    real = Verdict(None, jnp.array([[0.0, 5.0], [2.0, 3.0]]))
    fake = Verdict(None, jnp.array([[1.0, 4.0], [1.0, 4.0]]))
    apart = Verdict(None, jnp.array([[2.0, 1.0], [2.0, 1.0]]))
    term = Term(distance=distance)
    assert plays.share(term, plays.play(player='g'), real=real, fake=fake)[0] == 0
    value, means = plays.share(term, plays.play(player='g'), real=real, fake=apart)
    assert value == means['feature_matching'] == expected


def test_the_generator_can_learn_from_it_alone():
    data, only = batches(2), {'loss.g_weight': 0.0}
    start = tiny(terms={}, **only)
    alone, silent = run(tiny(terms=ONLY, **only), data)[0], run(start, data)[0]
    first, last = (np.ravel(s.nets['g'].params['stem']['kernel']) for s in (silent, alone))
    assert (first != last).any()
    two = run(tiny(terms=ONLY, **only), data, devices=2)[0]
    chex.assert_trees_all_close(alone, two, rtol=2e-4, atol=2e-5)


class Plain(Network):
    """A discriminator that returns logits and nothing else."""

    @nn.compact
    def __call__(self, images, label=None, *, train, keys=None):
        return self.dense(1, 'logit')(images.reshape(len(images), -1))[:, 0]


def test_a_discriminator_without_features_is_refused():
    game = dataclasses.replace(tiny(), discriminator=Plain(), terms=(Term(),))
    with pytest.raises(UserError, match=r'terms\.feature_matching reads features that model\.d'):
        game.terms[0].check(game)


def test_pieces_of_a_batch_are_refused():
    message = r'accumulate=2 is not allowed with terms\.feature_matching, .*available: 1'
    with pytest.raises(UserError, match=message):
        tiny(terms=ONLY, accumulate=2)
