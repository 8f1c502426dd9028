"""Mutual information: the code of latents, and what both players pay for it."""

import jax
import jax.numpy as jnp
import numpy as np
import plays
import pytest
from test_steps import batches, context, tiny

from gan_jax.core import rng
from gan_jax.core.game import Verdict
from gan_jax.errors import UserError
from gan_jax.terms.mutual_information import Term

KEY = jax.random.key(0)
TERM = Term(categories=(3, 2), continuous=2)
NODE = {'mutual_information': {'categories': (3, 2), 'continuous': 2}}


def latents(n):
    keys = rng.example_keys(KEY, n)
    return np.asarray(TERM.latents(jnp.zeros((n, 4)), keys))


def test_a_code_is_categories_and_numbers_of_their_own_draws():
    z = latents(600)
    assert z.shape == (600, 11) and not z[:, :4].any()
    for start, stop in ((4, 7), (7, 9)):
        part = z[:, start:stop]
        np.testing.assert_array_equal(part.sum(axis=1), 1)
        np.testing.assert_allclose(part.mean(axis=0), 1 / (stop - start), atol=0.06)
    assert -1 <= z[:, 9:].min() < -0.98 and 0.98 < z[:, 9:].max() < 1
    correlation = np.corrcoef(z[:, [4, 5, 7, 9, 10]].T)
    assert np.abs(correlation - np.diag(np.diag(correlation)))[[0, 2, 3, 4]][:, 2:].max() < 0.15
    np.testing.assert_array_equal(z[:10], latents(10))


@pytest.mark.parametrize('player', ['d', 'g'])
def test_a_code_that_is_read_costs_nothing(player):
    z = jnp.asarray(latents(8))
    play = plays.play(plays.images(0, (8, 2, 2, 1)), z=z, player=player)
    sure = jnp.concatenate([100 * z[:, 4:9], z[:, 9:]], axis=1)
    value, means = plays.share(TERM, play, fake=Verdict(None, code=sure))
    np.testing.assert_allclose(value, 0, atol=1e-6)
    assert means[f'{player}_code_accuracy'] == 1
    value, _ = plays.share(TERM, play, fake=Verdict(None, code=0 * sure))
    numbers = 0.1 * 0.5 * np.square(z[:, 9:]).sum(axis=1).mean()
    np.testing.assert_allclose(value, np.log(6) + numbers, rtol=1e-5)


def test_both_players_raise_the_bound_and_sampling_sees_the_code():
    algorithm = tiny(terms=NODE, **{'model.d.code': 7})
    state = algorithm.init(KEY)
    batch = {'image': batches(1)['image'][0]}
    after, metrics = jax.jit(algorithm.train_step)(state, batch, context(KEY))
    assert {'d_code_loss', 'g_code_loss', 'g_code_accuracy'} < set(metrics)
    moved = after.nets['d'].params['latent_code']['kernel']
    assert (moved != state.nets['d'].params['latent_code']['kernel']).any()
    assert algorithm.latents(state, KEY, 3).shape == (3, 11)


def test_each_column_of_a_picture_has_a_category():
    z = jnp.asarray(latents(20)).reshape(4, 5, 11)
    shown = np.asarray(TERM.lay_out(z))
    np.testing.assert_array_equal(shown[:, :, 4:7].argmax(axis=2), [[0, 1, 2, 0, 1]] * 4)
    np.testing.assert_array_equal(shown[:, 3, 7:], z[:, 0, 7:])


@pytest.mark.parametrize(
    ('code', 'terms', 'message'),
    [
        (0, {}, r'reads code that model\.d does not return; set model\.d\.code'),
        (6, {}, r'model\.d\.code=6 is not allowed .*3 \+ 2 \+ 2 = 7 numbers'),
        (7, {'packing': {}}, r'not allowed with terms\.packing: it needs a verdict on each image'),
    ],
)
def test_codes_that_cannot_be_read_are_refused(code, terms, message):
    with pytest.raises(UserError, match=message):
        tiny(terms={**NODE, **terms}, devices=1, **{'model.d.code': code})
