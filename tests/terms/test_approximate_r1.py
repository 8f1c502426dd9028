"""Finite differences of R1 and R2: they are the exact penalties on average."""

import jax
import jax.numpy as jnp
import numpy as np
import plays
import pytest
from test_steps import batches, tiny

from gan_jax import terms
from gan_jax.core import rng
from gan_jax.core.game import Verdict
from gan_jax.terms import approximate_r1, approximate_r2, r1

KEY = jax.random.key(0)


@pytest.mark.parametrize(('name', 'side'), [('approximate_r1', 0), ('approximate_r2', 1)])
def test_the_mean_is_that_of_the_exact_penalty(name, side):
    slopes = (3.0, 5.0)  # at real and at fake images

    def critic(x):
        slope = jnp.where(x[:, 0] > 0, *slopes)
        return slope * x[:, 1] + x[:, 0]

    n = 8192
    ones, noise = jnp.ones((n, 1)), plays.images(3, (n, 3))
    play = plays.play(*(jnp.concatenate([sign * 9 * ones, noise], 1) for sign in (1, -1)))
    verdicts = [Verdict(critic(x)) for x in (play.real, play.fake)]
    (term,) = terms.build({name: {'weight': 2.0}})
    value, _ = plays.share(term, play, plays.view(critic), *verdicts)
    np.testing.assert_allclose(value, slopes[side] ** 2 + 1, rtol=0.05)


def test_it_agrees_with_r1_of_a_network_with_dropout():
    algorithm = tiny()
    state = algorithm.init(KEY)
    batch = {'image': batches(1)['image'][0]}

    @jax.jit
    def pair(key):
        keys = rng.example_keys(key, 16)
        play, _ = algorithm.real_and_fake('d', state.nets, batch, keys, state)
        view = algorithm.view(state.nets, play, keys)
        real, fake, _ = algorithm.passes.run(algorithm.discriminator, state.nets['d'], play)
        both = (r1.Term(), approximate_r1.Term(sigma=0.001))
        return jnp.stack([term.share(play, view, real, fake)[0] for term in both])

    exact, approximate = np.mean([pair(k) for k in jax.random.split(KEY, 64)], axis=0)
    np.testing.assert_allclose(approximate, exact, rtol=0.2)


def test_the_fakes_have_their_own_dropout():
    seen = []

    def d(x, label, draws):
        seen.append((draws, label))
        return Verdict(x.sum(axis=(1, 2, 3)))

    play = plays.play(real_label='of real', fake_label='of fake')
    view = plays.view(None)
    view.d = d
    verdict = Verdict(jnp.zeros(4))
    for term in (approximate_r1.Term(), approximate_r2.Term()):
        term.share(play, view, verdict, verdict)
    assert seen == [('real', 'of real'), ('fake', 'of fake')]
