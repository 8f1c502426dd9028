"""Optimisers against plain numpy; numbers on schedules; refusals."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
import pytest

from gan_jax.core import optim
from gan_jax.errors import UserError

GRADS = np.random.default_rng(0).standard_normal((6, 3))
START = np.array([0.5, -1.0, 2.0])


def node(**changes):
    """Return a configuration of an optimiser with some keys changed."""
    made = optim.defaults(changes.get('name', 'adam'))
    return {**made, **changes}


def walk(config, grads=GRADS, images=None):
    """Return the parameters after each update."""
    tx = optim.make(config)
    params = {'w': jnp.array(START, jnp.float32)}
    state, path = tx.init(params), []
    for i, g in enumerate(grads):
        seen = {} if images is None else {'at': SimpleNamespace(images=jnp.int32(images[i]))}
        updates, state = tx.update({'w': jnp.array(g, jnp.float32)}, state, params, **seen)
        params = optax.apply_updates(params, updates)
        path.append(np.asarray(params['w']))
    return np.array(path)


def adam(grads, lr, b1, b2, eps, weight_decay=0.0):
    w, m, v, path = START, 0.0, 0.0, []
    for t, g in enumerate(grads, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        step = (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
        w = w - lr * (step + weight_decay * w)
        path.append(w)
    return np.array(path)


def rmsprop(grads, lr, rho, eps, decay):
    w, v, path = START, 0.0, []
    for t, g in enumerate(grads):
        v = rho * v + (1 - rho) * g**2
        w = w - lr / (1 + decay * t) * g / (np.sqrt(v) + eps)
        path.append(w)
    return np.array(path)


def keras_sgd(grads, lr, momentum, nesterov, decay):
    w, v, path = START, 0.0, []
    for t, g in enumerate(grads):
        rate = lr / (1 + decay * t)
        v = momentum * v - rate * g
        w = w + (momentum * v - rate * g if nesterov else v)
        path.append(w)
    return np.array(path)


@pytest.mark.parametrize('b1', [0.0, 0.5, 0.9])
def test_adam(b1):
    got = walk(node(lr=0.1, b1=b1, b2=0.99, eps=1e-3))
    np.testing.assert_allclose(got, adam(GRADS, 0.1, b1, 0.99, 1e-3), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('weight_decay', [0.0, 0.5])
def test_adamw_decays_the_parameters_and_not_the_gradient(weight_decay):
    got = walk(node(name='adamw', lr=0.1, b1=0.5, b2=0.99, eps=1e-3, weight_decay=weight_decay))
    expected = adam(GRADS, 0.1, 0.5, 0.99, 1e-3, weight_decay)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_a_weight_decay_may_follow_a_schedule():
    images, decay = np.arange(6) * 20, path(0.5, 0.0)
    got = walk(node(name='adamw', lr=0.1, b1=0.0, weight_decay=decay), 0 * GRADS, images)
    shrunk = np.cumprod(1 - 0.1 * 0.5 * (1 - images / 100))
    np.testing.assert_allclose(got, shrunk[:, None] * START, rtol=1e-5)


@pytest.mark.parametrize(('rho', 'eps'), [(0.9, 1e-7), (0.99, 1e-8)])
@pytest.mark.parametrize('decay', [0.0, 0.3])
def test_rmsprop_of_keras_and_torch(rho, eps, decay):
    got = walk(node(name='rmsprop', lr=0.1, rho=rho, eps=eps, decay=decay))
    np.testing.assert_allclose(got, rmsprop(GRADS, 0.1, rho, eps, decay), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('nesterov', [True, False])
@pytest.mark.parametrize(('momentum', 'decay'), [(0.9, 0.0), (0.9, 0.5), (0.0, 0.0)])
def test_sgd_of_keras(momentum, nesterov, decay):
    got = walk(node(name='sgd', lr=0.1, momentum=momentum, nesterov=nesterov, decay=decay))
    expected = keras_sgd(GRADS, 0.1, momentum, nesterov, decay)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('name', optim.OPTIMISERS)
def test_clip_is_per_element_and_comes_first(name):
    big = 100.0 * GRADS
    clipped = walk(node(name=name, lr=0.1, clip=1.0), big)
    np.testing.assert_array_equal(clipped, walk(node(name=name, lr=0.1), np.clip(big, -1, 1)))
    assert not np.allclose(clipped, walk(node(name=name, lr=0.1), big))


@pytest.mark.parametrize('name', ['adam', 'rmsprop', 'sgd'])
def test_zero_gradients_move_nothing(name):
    np.testing.assert_array_equal(walk(node(name=name), 0 * GRADS), np.tile(START, (6, 1)))


def path(first, final, stop=100, start=0, shape='linear'):
    """Return the node of a schedule."""
    return {'first': first, 'final': final, 'start': start, 'stop': stop, 'shape': shape}


def rates(lr, images):
    """Return the learning rates at some counts of images, by plain gradient descent."""
    config = node(name='sgd', lr=lr, momentum=0.0)
    points = walk(config, np.ones((len(images), 3)), images)
    return -np.diff(np.concatenate([START[None], points]), axis=0)[:, 0]


def test_schedules_count_images_not_updates():
    cosine = path(1.0, 0.0, 640, 64, 'cosine')
    small = rates(cosine, range(0, 768, 32))
    large = rates(cosine, range(0, 768, 64))
    np.testing.assert_allclose(small[::2], large, atol=2e-6)
    np.testing.assert_allclose([small[2], small[11], small[-1]], [1, 0.5, 0], atol=1e-6)


def test_decay_and_schedule_multiply():
    config = node(name='sgd', lr=path(1.0, 0.0), momentum=0.0, decay=1.0)
    points = walk(config, np.ones((2, 3)), [0, 50])
    np.testing.assert_allclose(START - points[0], np.ones(3), rtol=1e-6)
    np.testing.assert_allclose(points[0] - points[1], np.full(3, 0.25), rtol=1e-5)


def test_adams_decay_rates_follow_schedules():
    images = [0, 20, 40, 60, 80, 100]
    got = walk(node(lr=0.1, b1=path(0.0, 0.5), b2=path(0.9, 0.99), eps=1e-3), images=images)
    w, m, v = START, 0.0, 0.0
    for t, (g, seen) in enumerate(zip(GRADS, images, strict=True), 1):
        b1, b2 = 0.5 * seen / 100, 0.9 + 0.09 * seen / 100
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        w = w - 0.1 * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + 1e-3)
        np.testing.assert_allclose(got[t - 1], w, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ('name', 'key'), [('rmsprop', 'rho'), ('sgd', 'momentum'), ('adam', 'b1'), ('adam', 'b2')]
)
def test_a_schedule_that_stays_is_the_constant(name, key):
    still = walk(node(name=name, lr=0.1, **{key: path(0.7, 0.7)}), images=range(6))
    np.testing.assert_allclose(still, walk(node(name=name, lr=0.1, **{key: 0.7})), rtol=1e-5)


def test_constants_need_no_state_and_compile():
    tx = optim.make(node())
    params = jnp.ones(3)
    updates, _ = jax.jit(lambda g, s: tx.update(g, s, params))(params, tx.init(params))
    np.testing.assert_allclose(updates, np.full(3, -2e-4), rtol=1e-5)


def test_a_config_dict_is_taken_and_defaults_fill_in():
    config = ml_collections.ConfigDict({'name': 'adam', 'lr': 1e-3})
    np.testing.assert_array_equal(walk(config), walk(node(lr=1e-3)))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'name': 'adm'}, r"unknown optim.name 'adm' \(did you mean 'adam'\?\); available: adam"),
        ({'b2': 1.0}, r'optim\.b2=1.0 is not allowed: .*at least 0 and less than 1'),
        ({'b2': path(0.9, 1.0)}, r"optim\.b2=\{'first': 0.9, 'final': 1.0, .* is not allowed"),
        ({'name': 'sgd', 'momentum': -0.1}, 'momentum=-0.1'),
        ({'momentum': 0.5}, r"unknown key 'optim\.momentum'.*; available: optim\.name, optim\.lr"),
        ({'lr': -1.0}, 'lr=-1.0 is not allowed'),
        ({'lr': float('nan')}, 'lr=nan'),
        ({'lr': path(1.0, 0.0, stop=0)}, r'optim\.lr: stop=0 .* after start=0'),
        ({'eps': 0.0}, 'eps=0.0'),
        ({'clip': -1.0}, 'clip=-1.0'),
    ],
)
def test_wrong_values_are_refused(changes, message):
    config = {**optim.defaults(), **changes} if changes.get('name') == 'adm' else node(**changes)
    with pytest.raises(UserError, match=message):
        optim.make(config)


def test_corrected_rates_go_as_far_and_forget_as_much_in_more_updates():
    # 5 updates where there would be 4
    changed = optim.corrected(node(lr=0.1, b1=0.5, b2=0.99, eps=1e-3), 4 / 5)
    expected = adam(GRADS, 0.08, 0.5**0.8, 0.99**0.8, 1e-3)
    np.testing.assert_allclose(walk(changed), expected, rtol=1e-5, atol=1e-6)
    assert changed['b2'] ** 5 == pytest.approx(0.99**4)
    assert 5 * changed['lr'] == pytest.approx(4 * 0.1)
    same = optim.corrected(node(name='sgd', momentum=0.9, lr=path(1.0, 0.5)), 1.0)
    assert same == node(name='sgd', momentum=0.9, lr=path(1.0, 0.5))
    moved = optim.corrected(node(lr=path(1.0, 0.5), b1=path(0.25, 0.0)), 0.5)
    assert moved['lr'] == path(0.5, 0.25) and moved['b1'] == path(0.5, 0.0)


def test_frozen_layers_stay():
    tx = optim.make({'name': 'sgd', 'lr': 1.0, 'momentum': 0.0, 'freeze': ('stage_1', 'logit')})
    params = {name: {'kernel': jnp.ones(2)} for name in ('stage_1_conv', 'stage_10', 'logit')}
    updates, _ = tx.update(params, tx.init(params), params)
    moved = {name: bool(u['kernel'].any()) for name, u in updates.items()}
    assert moved == {'stage_1_conv': False, 'stage_10': True, 'logit': False}
    tx = optim.make({'freeze': ('stage_7',)})
    with pytest.raises(UserError, match=r"unknown layer in freeze 'stage_7'.*; available: st"):
        tx.init(params)
