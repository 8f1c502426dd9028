"""Orthogonal regularisation: filters that differ cost nothing, and whose it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_steps import batches, context, tiny

from gan_jax.terms.orthogonal import kernels, overlap

KEY = jax.random.key(0)


def test_orthogonal_filters_cost_nothing():
    kernel = jnp.linalg.qr(jax.random.normal(KEY, (12, 4)))[0].reshape(2, 2, 3, 4)
    np.testing.assert_allclose([overlap(kernel, False), overlap(kernel, True)], 0, atol=1e-10)
    np.testing.assert_allclose(overlap(3 * kernel, False), 0, atol=1e-8)
    np.testing.assert_allclose(overlap(3 * kernel, True), 4 * 8**2, rtol=1e-5)


def test_filters_that_are_alike_cost_their_products():
    alike = jnp.array([[1.0, 2.0], [0.0, 0.0]])
    assert overlap(alike, False) == 2 * 2.0**2
    assert overlap(alike, True) == 2 * 2.0**2 + 3.0**2


@pytest.mark.parametrize(('side', 'players'), [('g', 'g'), ('d', 'd'), ('both', 'dg')])
def test_it_concerns_the_kernels_of_the_players_it_names(side, players):
    algorithm = tiny(terms={'orthogonal': {'side': side}})
    state = algorithm.init(KEY)
    expected = {
        player: sum(overlap(k, False) for k in kernels(state.nets[player].params))
        for player in players
    }
    batch = {'image': batches(1)['image'][0]}
    _, metrics = jax.jit(algorithm.train_step)(state, batch, context(KEY))
    found = {k[0]: m.total for k, m in metrics.items() if k.endswith('orthogonal')}
    assert found.keys() == expected.keys()
    for player in players.replace('g', '') if side == 'd' else 'd' * (side == 'both'):
        np.testing.assert_allclose(found[player], expected[player], rtol=1e-5)
