"""Gradient penalties: closed forms, zero gradients, draws per example."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import config as configs
from gan_jax import models
from gan_jax.core import rng
from gan_jax.data import Spec
from gan_jax.errors import UserError
from gan_jax.runtime import parallel
from gan_jax.terms import penalties

SHAPE = (4, 5, 3, 2)
NAMES = [penalty.__name__ for penalty in penalties.PENALTIES]


def images(seed):
    return jax.random.normal(jax.random.key(seed), SHAPE)


def keys(seed=0, n=SHAPE[0]):
    return rng.example_keys(jax.random.key(seed), n)


def linear(norm):
    """Make the critic a.x with |a| = norm, over all axes of an image."""
    a = jax.random.normal(jax.random.key(7), SHAPE[1:])
    a = norm * a / jnp.linalg.norm(a.ravel())
    return lambda x: jnp.einsum('bhwc,hwc->b', x, a)


@pytest.mark.parametrize(
    ('name', 'options', 'norm', 'expected'),
    [
        ('gradient_penalty', {}, 1.0, 0.0),
        ('gradient_penalty', {}, 3.0, 4.0),
        ('gradient_penalty', {}, 0.5, 0.25),
        ('gradient_penalty', {'one_sided': True}, 0.5, 0.0),
        ('gradient_penalty', {'one_sided': True}, 3.0, 4.0),
        ('gradient_penalty', {'target': 10.0}, 3.0, 49.0),
        ('dragan', {}, 1.0, 0.0),
        ('dragan', {}, 3.0, 4.0),
        ('dragan', {'target': 2.0}, 3.0, 1.0),
        ('zero_centred', {}, 3.0, 9.0),
        ('r1', {}, 3.0, 4.5),
        ('r2', {}, 3.0, 4.5),
    ],
)
def test_linear_critic(name, options, norm, expected):
    penalty = penalties.make(name, **options)
    got = penalty.fn(linear(norm), images(0), images(1), keys())
    np.testing.assert_allclose(got, np.full(SHAPE[0], expected), atol=1e-5)


def test_r1_is_at_real_and_r2_at_fake_images():
    def critic(x):
        return 0.5 * jnp.square(x).sum(axis=(1, 2, 3))  # its gradient is x

    real, fake = images(0), images(1)
    half = {
        name: 0.5 * np.square(x).sum(axis=(1, 2, 3)) for name, x in [('r1', real), ('r2', fake)]
    }
    np.testing.assert_allclose(penalties.r1(critic, real, fake, keys()), half['r1'], rtol=1e-5)
    np.testing.assert_allclose(penalties.r2(critic, real, fake, keys()), half['r2'], rtol=1e-5)


def test_interpolates_lie_between_with_one_alpha_per_example():
    real, fake = images(0), images(1)
    between = penalties.interpolate(real, fake, keys())
    alpha = np.asarray((between - fake) / (real - fake)).reshape(SHAPE[0], -1)
    median = np.median(alpha, axis=1)
    np.testing.assert_allclose(alpha, np.broadcast_to(median[:, None], alpha.shape), atol=1e-3)
    assert ((median > 0) & (median < 1)).all()
    assert len(np.unique(median)) == SHAPE[0]


def test_perturbed_images_stay_near_real_ones():
    real = images(0)
    moved = np.asarray(penalties.perturb(real, keys(), spread=0.5) - real)
    assert (moved >= -1e-6).all()
    assert moved.max() <= 0.5 * np.std(np.asarray(real)) + 1e-6
    assert (moved.std(axis=(1, 2, 3)) > 1e-3).all()
    assert len(np.unique(moved.reshape(SHAPE[0], -1).max(axis=1))) == SHAPE[0]


@pytest.mark.parametrize('name', NAMES)
def test_finite_where_the_gradient_is_zero(name):
    penalty = penalties.make(name)
    real, fake = images(0), images(1)

    def loss(w):
        return penalty.fn(lambda x: (w * x).sum(axis=(1, 2, 3)), real, fake, keys()).mean()

    value, grad = jax.value_and_grad(loss)(jnp.zeros(()))
    assert np.isfinite(value)
    assert grad == 0


@pytest.mark.parametrize('name', NAMES)
def test_parameters_get_the_true_gradient_and_images_none(name):
    penalty = penalties.make(name)
    real, fake = images(0), images(1)

    def loss(w, real, fake):
        return penalty.fn(lambda x: jnp.tanh(w * x).sum(axis=(1, 2, 3)), real, fake, keys()).mean()

    w, step = jnp.float32(0.7), 1e-2
    grad, *none = jax.grad(loss, argnums=(0, 1, 2))(w, real, fake)
    numeric = (loss(w + step, real, fake) - loss(w - step, real, fake)) / (2 * step)
    np.testing.assert_allclose(grad, numeric, rtol=2e-2)
    assert all((x == 0).all() for x in none)


@pytest.mark.parametrize('name', ['gradient_penalty', 'dragan', 'r1'])
def test_draws_do_not_depend_on_devices(name):
    penalty = penalties.make(name)
    real, fake, key = images(0), images(1), jax.random.key(3)

    def values(real, fake):
        def critic(x):
            return jnp.sin(3 * x).sum(axis=(1, 2, 3))

        return penalty.fn(critic, real, fake, rng.example_keys(key, len(real)))

    two = jax.pmap(values, axis_name=parallel.AXIS)(
        real.reshape(2, 2, *SHAPE[1:]), fake.reshape(2, 2, *SHAPE[1:])
    )
    np.testing.assert_allclose(two.ravel(), values(real, fake), rtol=1e-5)


def test_patch_logits_are_summed():
    def critic(x):
        return jnp.stack([linear(1.0)(x), linear(2.0)(x)], axis=1)

    got = penalties.r1(critic, images(0), images(1), keys())
    np.testing.assert_allclose(got, np.full(SHAPE[0], 4.5), rtol=1e-5)


def test_make_keeps_weight_and_interval():
    penalty = penalties.make('gradient_penalty', weight=10.0, every=4, target=2.0)
    assert (penalty.name, penalty.weight, penalty.every) == ('gradient_penalty', 10.0, 4)


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        ('r3', {}, "no penalty 'r3'.*: name is one of r1, r2, gradient_penalty"),
        ('gradient_penalt', {}, "did you mean 'gradient_penalty'"),
        ('r1', {'target': 1.0}, "'r1' has no option 'target': it has no options"),
        ('gradient_penalty', {'targe': 1.0}, "did you mean 'target'"),
        ('r1', {'weight': -1.0}, "weight=-1.0 of penalty 'r1'"),
        ('r1', {'every': 0}, "every=0 of penalty 'r1'"),
    ],
)
def test_wrong_options_are_refused(name, options, message):
    with pytest.raises(UserError, match=message):
        penalties.make(name, **options)


@pytest.mark.parametrize('name', NAMES)
def test_layers_that_mix_examples_are_refused(name):
    config = configs.base()
    g = {'z_dim': 4, 'widths': (8, 4)}
    config.model = models.node('dcgan', prior='normal', g=g, d={'widths': (4, 8), 'norm': 'batch'})
    config.penalties[name].weight = 1.0
    build, spec = configs.algorithm(config).build, Spec((8, 8, 1))
    message = rf"model\.d\.norm='batch' .* penalties\.{name}: .*; available: instance, .*none"
    with pytest.raises(UserError, match=message):
        build(configs.resolve(config, 100), spec)
    with config.ignore_type():
        config.model.d.norm = ('batch', 'layer')  # the first layer is not normalised
    assert build(configs.resolve(config, 100), spec).penalties[0].name == name
