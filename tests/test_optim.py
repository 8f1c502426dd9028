"""Optimisers against plain numpy; learning rates in images; refusals."""

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
    tx = optim.make(config, 4)
    params = {'w': jnp.array(START, jnp.float32)}
    state, path = tx.init(params), []
    for i, g in enumerate(grads):
        seen = {} if images is None else {'images': jnp.int32(images[i])}
        updates, state = tx.update({'w': jnp.array(g, jnp.float32)}, state, params, **seen)
        params = optax.apply_updates(params, updates)
        path.append(np.asarray(params['w']))
    return np.array(path)


def adam(grads, lr, b1, b2, eps):
    w, m, v, path = START, 0.0, 0.0, []
    for t, g in enumerate(grads, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        w = w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
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


@pytest.mark.parametrize('name', ['adam', 'rmsprop', 'sgd'])
def test_clip_is_per_element_and_comes_first(name):
    big = 100.0 * GRADS
    clipped = walk(node(name=name, lr=0.1, clip=1.0), big)
    np.testing.assert_array_equal(clipped, walk(node(name=name, lr=0.1), np.clip(big, -1, 1)))
    assert not np.allclose(clipped, walk(node(name=name, lr=0.1), big))


@pytest.mark.parametrize('name', ['adam', 'rmsprop', 'sgd'])
def test_zero_gradients_move_nothing(name):
    np.testing.assert_array_equal(walk(node(name=name), 0 * GRADS), np.tile(START, (6, 1)))


def rates(schedule, images, lr=1.0):
    """Return the learning rates at some counts of images, by plain gradient descent."""
    config = node(name='sgd', lr=lr, momentum=0.0, schedule=schedule)
    path = walk(config, np.ones((len(images), 3)), images)
    return -np.diff(np.concatenate([START[None], path]), axis=0)[:, 0]


IMAGES = [0, 100, 150, 200, 300, 1000]


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('constant', [1, 1, 1, 1, 1, 1]),
        ('linear', [1, 1, 0.775, 0.55, 0.1, 0.1]),
        ('cosine', [1, 1, 0.1 + 0.9 * (0.5 + 0.5**1.5), 0.55, 0.1, 0.1]),
    ],
)
def test_schedules(name, expected):
    path = {} if name == 'constant' else {'start': 100, 'stop': 300, 'final': 0.1}
    got = rates({'name': name, **path}, IMAGES)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_a_schedule_may_rise():
    got = rates({'name': 'linear', 'start': 0, 'stop': 100, 'final': 1.0}, [0, 50, 100], lr=0.0)
    np.testing.assert_allclose(got, [0, 0.5, 1], atol=1e-6)


def test_schedules_count_images_not_updates():
    schedule = {'name': 'cosine', 'start': 64, 'stop': 640, 'final': 0.0}
    small = rates(schedule, range(0, 768, 32))
    large = rates(schedule, range(0, 768, 64))
    np.testing.assert_allclose(small[::2], large, atol=2e-6)


def test_schedules_are_exact_for_many_images():
    big = 2**30
    got = optim.scheduled(jnp.int32(big + 3), 'linear', big, big + 4, 0.0, 1.0)
    assert got == 0.75


def test_decay_and_schedule_multiply():
    config = node(
        name='sgd', lr=1.0, momentum=0.0, decay=1.0,
        schedule={'name': 'linear', 'start': 0, 'stop': 100, 'final': 0.0},
    )  # fmt: skip
    path = walk(config, np.ones((2, 3)), [0, 50])
    np.testing.assert_allclose(START - path[0], np.ones(3), rtol=1e-6)
    np.testing.assert_allclose(path[0] - path[1], np.full(3, 0.25), rtol=1e-5)


def test_a_schedule_needs_the_images():
    with pytest.raises(ValueError, match='images'):
        walk(node(schedule={'name': 'linear', 'start': 0, 'stop': 100}))


def test_constant_rate_takes_images_and_compiles():
    tx = optim.make(node(), 4)
    params = jnp.ones(3)
    update = jax.jit(lambda g, s, images: tx.update(g, s, params, images=images))
    updates, _ = update(params, tx.init(params), jnp.int32(7))
    np.testing.assert_allclose(updates, np.full(3, -2e-4), rtol=1e-5)


def test_a_config_dict_is_taken_and_defaults_fill_in():
    config = ml_collections.ConfigDict(
        {'name': 'adam', 'lr': 1e-3, 'schedule': {'name': 'constant'}}
    )
    np.testing.assert_array_equal(walk(config), walk(node(lr=1e-3)))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'schedule': {'name': 'cosin'}}, r"schedule.name 'cosin' \(did you mean 'cosine'\?\)"),
        ({'b2': 1.0}, 'b2=1.0 is not allowed: it must be a number, at least 0 and less than 1'),
        ({'name': 'sgd', 'momentum': -0.1}, 'momentum=-0.1'),
        ({'momentum': 0.5}, "unknown key 'momentum'.*; available: name, lr, b1"),
        ({'lr': -1.0}, 'lr=-1.0 is not allowed'),
        ({'lr': float('nan')}, 'lr=nan'),
        ({'eps': 0.0}, 'eps=0.0'),
        ({'clip': -1.0}, 'clip=-1.0'),
        (
            {'schedule': {'name': 'linear', 'start': 8, 'stop': 10}},
            'at least one batch of 4 images',
        ),
    ],
)
def test_wrong_values_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        optim.make(node(**changes), 4)
