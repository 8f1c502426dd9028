"""Lazy terms as updates of their own: what they move, how often, and at which rates."""

import chex
import jax
import jax.numpy as jnp
import optax
import pytest
from test_steps import batches, context, gradients, tiny

from gan_jax import models
from gan_jax.algorithms import lazy

KEY = jax.random.key(0)
MLP = models.node('mlp', prior='normal', g={'z_dim': 4, 'hidden': (8,)}, d={'hidden': (8,)})
SGD = {'optim.d.momentum': 0.0, 'optim.d.lr': 0.1}


def game(terms, own=True, **changes):
    return tiny(model=MLP, terms=terms, **{'loss.lazy_updates': own, **changes})


def first(n=1):
    return {'image': batches(n)['image'][0]}


def moved(step, state):
    """Return what a step moves of the discriminator."""
    return gradients(state, jax.jit(step)(state, first(), KEY)[0], 'd')


def test_the_update_of_a_term_and_that_of_the_loss_are_those_of_both_in_one():
    lazily = {'r1': {'weight': 3.0, 'every': 2}}
    folded, plain, own = game(lazily, own=False, **SGD), game({}, **SGD), game(lazily, **SGD)
    state, ratio = own.init(KEY), 2 / 3
    both, alone = moved(folded.d_step, state), moved(plain.d_step, state)
    term = moved(lambda *given: lazy.updates(own, 'd', *given), state)
    expected = jax.tree.map(lambda a, b: ratio * (a - b), both, alone)
    chex.assert_trees_all_close(term, expected, rtol=1e-4, atol=1e-6)
    # then comes that of the loss, at the parameters that the first has left
    after, _ = jax.jit(lambda *given: lazy.updates(own, 'd', *given))(state, first(), KEY)
    rest = jax.tree.map(lambda x: ratio * x, moved(plain.d_step, after))
    chex.assert_trees_all_close(
        moved(own.d_step, state), jax.tree.map(jnp.add, term, rest), rtol=1e-4, atol=1e-6
    )
    again = state.replace(step=state.step + 1)
    chex.assert_trees_all_close(
        moved(own.d_step, again),
        jax.tree.map(lambda x: ratio * x, moved(plain.d_step, again)),
        rtol=1e-4,
        atol=1e-6,
    )


def test_adam_counts_the_updates_of_lazy_terms_at_corrected_rates():
    adam = {'optim.d.name': 'adam', 'optim.d.lr': 1e-2, 'optim.d.b1': 0.5, 'optim.d.b2': 0.9}
    options = {'r1': {'every': 3}, 'r2': {'every': 2}}
    algorithm = game(options, **adam)
    step, state = jax.jit(algorithm.train_step), algorithm.init(KEY)
    for _ in range(6):
        state, metrics = step(state, first(), context(KEY))
    assert metrics['r1'].count == 0 and metrics['r2'].count == 0
    counts = [x for x in jax.tree.leaves(state.nets['d'].opt_state) if x.dtype == jnp.int32]
    assert {int(n) for n in counts} == {6 + 2 + 3}
    # 11 updates where there would be 6: against optax' own Adam at 6 / 11 of the rates
    ratio = 6 / 11
    theirs = optax.adam(1e-2 * ratio, 0.5**ratio, 0.9**ratio)
    params = state.nets['d'].params
    grads, ours = jax.tree.map(jnp.sin, params), algorithm.tx['d'].init(params)
    opt = theirs.init(params)
    for _ in range(2):
        a, ours = algorithm.tx['d'].update(grads, ours, params, at=state)
        b, opt = theirs.update(grads, opt, params)
        chex.assert_trees_all_close(a, b, rtol=1e-4)


def test_players_without_lazy_terms_keep_their_rates():
    algorithm = game({'r1': {'every': 4}}, **SGD)
    params = algorithm.init(KEY).nets['g'].params
    ones = jax.tree.map(jnp.ones_like, params)
    updates, _ = algorithm.tx['g'].update(ones, algorithm.tx['g'].init(params), params, at=None)
    assert float(jax.tree.leaves(updates)[0].ravel()[0]) == pytest.approx(-0.1 * 1.9)
