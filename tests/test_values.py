"""Numbers on schedules: closed forms of a rate, a weight and a half-life, and what is refused."""

from types import SimpleNamespace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_steps import batches, gradients, tiny

from gan_jax.core import values
from gan_jax.errors import UserError

KEY = jax.random.key(0)


def at(images):
    return SimpleNamespace(images=jnp.int32(images))


@pytest.mark.parametrize(
    ('shape', 'expected'),
    [
        ('linear', [1, 1, 0.775, 0.55, 0.1, 0.1]),
        ('cosine', [1, 1, 0.1 + 0.9 * (0.5 + 0.5**1.5), 0.55, 0.1, 0.1]),
    ],
)
def test_shapes(shape, expected):
    value = values.Schedule(1.0, 0.1, 100, 300, shape)
    got = [values.at(value, at(images)) for images in (0, 100, 150, 200, 300, 1000)]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_a_schedule_may_rise_and_is_exact_for_many_images():
    big = 2**30
    value = values.Schedule(0.0, 1.0, big, big + 4)
    assert values.at(value, at(big + 3)) == 0.75


def test_a_constant_stays_a_python_number():
    value = values.make(0.5, 'lr')
    assert values.at(value, None) is value


@pytest.mark.parametrize(
    ('node', 'message'),
    [
        ({'first': 1.0, 'stop': 9}, 'lr is a schedule without final'),
        ({'first': 1.0, 'final': 0.0, 'start': 9, 'stop': 9}, 'lr: stop=9 .*after start=9'),
        ({'first': 1.0, 'final': 0.0, 'stop': 9, 'shape': 'cosin'}, "lr: .*did you mean 'cosine'"),
    ],
)
def test_schedules_that_are_none_are_refused(node, message):
    with pytest.raises(UserError, match=message):
        values.make(node, 'lr')


def schedule(first, final, stop='200img'):
    return {'first': first, 'final': final, 'start': '0img', 'stop': stop, 'shape': 'linear'}


def moved(algorithm, step, images):
    """Return the states before and after a step that begins at a number of images."""
    state = algorithm.init(KEY).replace(images=jnp.int32(images))
    batch = {'image': batches(1)['image'][0]}
    after, metrics = jax.jit(getattr(algorithm, step))(state, batch, KEY)
    return state, after, metrics


@pytest.mark.parametrize(('images', 'factor'), [(0, 1.0), (50, 0.75), (100, 0.5), (500, 0.0)])
def test_a_rate_a_weight_and_a_half_life_follow_their_schedules(images, factor):
    game = tiny(
        terms={'r1': {'weight': schedule(8.0, 0.0)}},
        **{f'optim.{name}.lr': schedule(200.0, 0.0) for name in 'gd'},
        **{f'optim.{name}.momentum': 0.0 for name in 'gd'},
        **{'ema.half_life': schedule('100img', '0img')},
    )
    # a learning rate is the size of the step over that of the gradient
    before, after, metrics = moved(game, 'g_step', images)
    step = np.sqrt(sum(np.sum(x**2) for x in jax.tree.leaves(gradients(before, after, 'g'))))
    np.testing.assert_allclose(step, 200.0 * factor * metrics['g_grad_norm'].total, rtol=1e-4)
    # the average moves by what its half-life leaves
    decay = 0.5 ** (16 / max(100 * factor, 1e-8))
    expected = jax.tree.map(
        lambda a, b: decay * a + (1 - decay) * b, before.nets['g'].params, after.nets['g'].params
    )
    chex.assert_trees_all_close(after.nets['g'].ema['params'], expected, rtol=1e-4, atol=1e-6)
    # a weight: the same gradient as with the constant that it is at that time
    constant = tiny(
        terms={'r1': {'weight': 8.0 * factor}},
        **{'optim.d.lr': 200.0 * factor, 'optim.d.momentum': 0.0},
    )
    ours, theirs = (moved(a, 'd_step', images)[1].nets['d'].params for a in (game, constant))
    chex.assert_trees_all_close(ours, theirs, rtol=1e-5, atol=1e-7)
