"""Path length: a linear generator's lengths, the penalty, the mean, and when they are due."""

from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import plays
import pytest

from gan_jax.core import rng
from gan_jax.core.state import Mean
from gan_jax.errors import UserError
from gan_jax.terms import path_length

B, LAYERS, N, SHAPE = 6, 3, 5, (4, 2, 1)


class View(NamedTuple):
    """What the term reads of a view; w is in the place of z."""

    synthesize: Any
    g_keys: Any

    def styles(self, z, label):
        return z


def linear(scale=1.0):
    """Return a generator whose layers each map w to images by one matrix [N, H W C]."""
    matrix = scale * np.random.default_rng(0).normal(size=(N, np.prod(SHAPE))).astype(np.float32)
    return matrix, lambda ws: (ws.sum(1) @ matrix).reshape(-1, *SHAPE)


def share(term, mean=0.0, turn=0, generator=None):
    """Return the share of a play, and its means."""
    _, synthesize = generator or linear()
    ws = jax.random.normal(jax.random.key(3), (B, LAYERS, N))
    keys = rng.example_keys(jax.random.key(4), B)
    view = View(synthesize, keys)
    state = SimpleNamespace(aux={'path_length': {'mean': jnp.float32(mean)}})
    play = plays.play(player='g', z=ws, state=state)._replace(turn=jnp.int32(turn))
    return plays.share(term, play, view)


def expected(scale=1.0):
    """Return |A y| / sqrt(H W) of the images y that the term draws: all layers are alike."""
    keys = rng.split_each(rng.example_keys(jax.random.key(4), B), 'path_length')
    y = np.asarray(rng.normal_each(keys, SHAPE)).reshape(B, -1)
    return np.linalg.norm(y @ linear(scale)[0].T, axis=1) / np.sqrt(8)


def test_lengths_and_penalty_of_a_linear_generator():
    lengths, term = expected(), path_length.Term(weight=2.0, decay=0.75)
    value, means = share(term, mean=1.0)
    mean = 0.75 * 1.0 + 0.25 * lengths.mean()
    np.testing.assert_allclose(means['g_path'], lengths.mean(), rtol=1e-5)
    np.testing.assert_allclose(means['path_length'], ((lengths - mean) ** 2).mean(), rtol=1e-4)
    np.testing.assert_allclose(value, 2 * ((lengths - mean) ** 2).mean(), rtol=1e-4)


def test_one_in_several_images_is_looked_at():
    keys = rng.split_each(rng.example_keys(jax.random.key(4), B)[::3], 'path_length')
    y = np.asarray(rng.normal_each(keys, SHAPE)).reshape(2, -1)
    lengths = np.linalg.norm(y @ linear()[0].T, axis=1) / np.sqrt(8)
    _, means = share(path_length.Term(shrink=3, decay=0.0))
    np.testing.assert_allclose(means['g_path'], lengths.mean(), rtol=1e-5)
    np.testing.assert_allclose(means['path_length'], lengths.var(), rtol=1e-4)
    with pytest.raises(UserError, match=r'path_length\.shrink=4 does not divide the 6 images'):
        share(path_length.Term(shrink=4))


def test_a_generator_that_does_not_hear_w_has_a_finite_gradient():
    def value(scale):
        _, synthesize = linear()
        return share_of(lambda ws: scale * synthesize(ws))

    def share_of(synthesize):
        ws = jnp.ones((B, LAYERS, N))
        noise = jnp.ones((B, *SHAPE))
        return path_length.lengths(jax.vjp(synthesize, ws)[1], noise).mean()

    assert np.isfinite(jax.grad(value)(0.0)) and value(0.0) == 0


@pytest.mark.parametrize(('turn', 'due'), [(0, True), (1, False), (4, True)])
def test_every_fourth_update_has_it_four_times_as_much(turn, due):
    once, _ = share(path_length.Term())
    value, _ = share(path_length.Term(every=4), turn=turn)
    np.testing.assert_allclose(value, 4 * once * due, rtol=1e-5)


def test_the_mean_moves_where_the_term_was_due():
    term, slot = path_length.Term(decay=0.9), {'mean': jnp.float32(2.0)}
    due = {'g_path': Mean.of(jnp.full(4, 5.0))}
    assert float(term.after(slot, due, None)['mean']) == pytest.approx(2.3)
    skipped = {'g_path': Mean(jnp.float32(0), jnp.float32(0))}
    assert float(term.after(slot, skipped, None)['mean']) == 2.0
