"""Terms: closed forms and invariants of each, what they keep, and what is refused."""

import dataclasses
from types import SimpleNamespace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_steps import batches, context, run, tiny

from gan_jax import config as configs
from gan_jax import models, terms
from gan_jax.core import rng
from gan_jax.core.game import Play, Verdict
from gan_jax.data import image_spec
from gan_jax.errors import UserError
from gan_jax.runtime import parallel
from gan_jax.terms import dragan, gradients, protocol, r1, r2

SHAPE = (4, 5, 3, 2)
KEY = jax.random.key(0)
NAMES = [n for n in terms.names() if issubclass(terms.find(n), gradients.GradientPenalty)]


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
    penalty = terms.find(name)(**options)
    got = penalty.penalty(linear(norm), images(0), images(1), keys())
    np.testing.assert_allclose(got, np.full(SHAPE[0], expected), atol=1e-5)


def test_r1_is_at_real_and_r2_at_fake_images():
    def critic(x):
        return 0.5 * jnp.square(x).sum(axis=(1, 2, 3))  # its gradient is x

    real, fake = images(0), images(1)
    half = {
        name: 0.5 * np.square(x).sum(axis=(1, 2, 3)) for name, x in [('r1', real), ('r2', fake)]
    }
    np.testing.assert_allclose(r1.Term().penalty(critic, real, fake, keys()), half['r1'], rtol=1e-5)
    np.testing.assert_allclose(r2.Term().penalty(critic, real, fake, keys()), half['r2'], rtol=1e-5)


def test_interpolates_lie_between_with_one_alpha_per_example():
    real, fake = images(0), images(1)
    between = gradients.interpolate(real, fake, keys())
    alpha = np.asarray((between - fake) / (real - fake)).reshape(SHAPE[0], -1)
    median = np.median(alpha, axis=1)
    np.testing.assert_allclose(alpha, np.broadcast_to(median[:, None], alpha.shape), atol=1e-3)
    assert ((median > 0) & (median < 1)).all()
    assert len(np.unique(median)) == SHAPE[0]


def test_perturbed_images_stay_near_real_ones():
    real = images(0)
    moved = np.asarray(dragan.perturb(real, keys(), spread=0.5) - real)
    assert (moved >= -1e-6).all()
    assert moved.max() <= 0.5 * np.std(np.asarray(real)) + 1e-6
    assert (moved.std(axis=(1, 2, 3)) > 1e-3).all()
    assert len(np.unique(moved.reshape(SHAPE[0], -1).max(axis=1))) == SHAPE[0]


@pytest.mark.parametrize('name', NAMES)
def test_finite_where_the_gradient_is_zero(name):
    penalty = terms.find(name)()
    real, fake = images(0), images(1)

    def loss(w):
        return penalty.penalty(lambda x: (w * x).sum(axis=(1, 2, 3)), real, fake, keys()).mean()

    value, grad = jax.value_and_grad(loss)(jnp.zeros(()))
    assert np.isfinite(value)
    assert grad == 0


@pytest.mark.parametrize('name', NAMES)
def test_parameters_get_the_true_gradient_and_images_none(name):
    penalty = terms.find(name)()
    real, fake = images(0), images(1)

    def critic(w):
        return lambda x: jnp.tanh(w * x).sum(axis=(1, 2, 3))

    def loss(w, real, fake):
        return penalty.penalty(
            lambda x: jnp.tanh(w * x).sum(axis=(1, 2, 3)), real, fake, keys()
        ).mean()

    w, step = jnp.float32(0.7), 1e-2
    grad, *none = jax.grad(loss, argnums=(0, 1, 2))(w, real, fake)
    numeric = (loss(w + step, real, fake) - loss(w - step, real, fake)) / (2 * step)
    np.testing.assert_allclose(grad, numeric, rtol=2e-2)
    assert all((x == 0).all() for x in none)


@pytest.mark.parametrize('name', ['gradient_penalty', 'dragan', 'r1'])
def test_draws_do_not_depend_on_devices(name):
    penalty = terms.find(name)()
    real, fake, key = images(0), images(1), jax.random.key(3)

    def values(real, fake):
        def critic(x):
            return jnp.sin(3 * x).sum(axis=(1, 2, 3))

        return penalty.penalty(critic, real, fake, rng.example_keys(key, len(real)))

    two = jax.pmap(values, axis_name=parallel.AXIS)(
        real.reshape(2, 2, *SHAPE[1:]), fake.reshape(2, 2, *SHAPE[1:])
    )
    np.testing.assert_allclose(two.ravel(), values(real, fake), rtol=1e-5)


def test_patch_logits_are_summed():
    def critic(x):
        return jnp.stack([linear(1.0)(x), linear(2.0)(x)], axis=1)

    got = r1.Term().penalty(critic, images(0), images(1), keys())
    np.testing.assert_allclose(got, np.full(SHAPE[0], 4.5), rtol=1e-5)


def test_weight_and_every_weigh_the_mean():
    real, fake = images(0), images(1)
    view = SimpleNamespace(d=lambda x, label: Verdict(linear(3.0)(x)))

    def share(turn, **options):
        play = Play(real, fake, None, None, None, jnp.int32(turn), keys(), {}, None)
        return r1.Term(**options).share(play, view, None, None)

    value, metrics = share(1, weight=2.0)
    np.testing.assert_allclose(
        (value, metrics['r1'].total, metrics['r1'].count), (9, 18, 4), rtol=1e-5
    )
    for turn, expected in enumerate([27, 0, 0, 27]):
        value, metrics = share(turn, weight=2.0, every=3)
        np.testing.assert_allclose(
            (value, metrics['r1'].count), (expected, 4 * (expected > 0)), rtol=1e-5
        )


def test_lazy_terms_count_the_updates_of_their_player():
    class OnG(r1.Term):
        side = 'g'

    algorithm = tiny(**{'loss.n_critic': 2})
    algorithm = dataclasses.replace(algorithm, terms=(OnG(every=2),))
    state, step, counts = algorithm.init(KEY), jax.jit(algorithm.train_step), []
    for image in batches(8)['image']:
        state, metrics = step(state, {'image': image}, context(KEY))
        counts.append(float(list(metrics.values())[-1].count))
    assert [bool(c) for c in counts] == [False, True, False, False, False, True, False, False]


def test_weights_are_clipped_after_each_update_of_d_alone():
    algorithm = tiny(terms={'weight_clip': {'bound': 0.01}})
    before = algorithm.init(KEY)
    after, _ = jax.jit(algorithm.train_step)(
        before, {'image': batches(1)['image'][0]}, context(KEY)
    )
    largest = {n: max(abs(x).max() for x in jax.tree.leaves(after.nets[n].params)) for n in 'gd'}
    assert largest['d'] == np.float32(0.01) < largest['g']


def test_instance_noise_is_on_both_and_fades():
    schedule = {'first': 0.5, 'final': 0.0, 'start': 0, 'stop': 100}
    (term,) = terms.build({'instance_noise': {'sigma': schedule}})
    real, fake, many = jnp.ones((64, 8, 8, 1)), jnp.zeros((64, 8, 8, 1)), keys(n=64)
    for seen, sigma in ((0, 0.5), (50, 0.25), (100, 0.0), (1000, 0.0)):
        state = SimpleNamespace(images=jnp.int32(seen))
        play = term.see(Play(real, fake, None, None, None, None, many, {}, state))
        noise = np.stack([play.real - real, play.fake - fake])
        np.testing.assert_allclose(noise.std((1, 2, 3, 4)), [sigma, sigma], rtol=0.05)
        assert sigma == 0 or abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.05


def test_lecam_follows_the_logits():
    algorithm = tiny(terms={'lecam': {'weight': 0.3, 'decay': 0.75}})
    state, step = algorithm.init(KEY), jax.jit(algorithm.d_step)
    running = None
    for i, image in enumerate(batches(3)['image']):
        state, metrics = step(state, {'image': image}, KEY)
        means = [float(metrics[f'd_{k}_logit'].total) / 16 for k in ('real', 'fake')]
        running = means if i == 0 else [0.75 * a + 0.25 * b for a, b in zip(running, means)]  # noqa: B905
        slot = state.aux['lecam']
        np.testing.assert_allclose([slot['real'], slot['fake']], running, rtol=1e-5)
        assert (float(metrics['lecam'].total) > 0) == (i > 0)
    assert slot['updates'] == 3


def test_a_term_may_change_the_shape_of_what_the_discriminator_sees():
    class Pairs(protocol.Term):
        def see(self, play):
            def pack(x):
                return jnp.concatenate([x[::2], x[1::2]], axis=-1)

            both = {'real': pack(play.real), 'fake': pack(play.fake)}
            return play._replace(**both, keys=play.keys[::2])

    algorithm = dataclasses.replace(tiny(), terms=(Pairs(),))
    state = algorithm.init(KEY)
    assert state.nets['d'].params['layer_0']['kernel'].shape[2] == 2
    batch = {'image': batches(1)['image'][0]}
    _, metrics = jax.eval_shape(algorithm.train_step, state, batch, context(KEY))
    assert metrics['d_loss'].total.shape == ()


@pytest.mark.parametrize(('changes', 'devices'), [({}, 2), ({'accumulate': 2}, 1)])
def test_what_a_term_keeps_depends_neither_on_devices_nor_on_pieces(changes, devices):
    data, lecam = batches(3), {'lecam': {'weight': 0.3, 'every': 2}}
    whole = run(tiny(terms=lecam), data)[0]
    other = run(tiny(terms=lecam, **changes), data, devices=devices)[0]
    assert whole.aux['lecam']['updates'] == 2
    chex.assert_trees_all_close(whole, other, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(
    ('node', 'message'),
    [
        ({'r3': {}}, r"unknown term 'r3'; available: .*dragan, drift, .*gradient_penalty"),
        ({'gradient_penalt': {}}, "did you mean 'gradient_penalty'"),
        ({'r1': {'target': 1.0}}, "unknown key 'terms.r1.target'.*available: .*terms.r1.every"),
        ({'r1': {'weight': -1.0}}, r'terms\.r1\.weight=-1\.0 is not allowed: .*at least 0'),
        ({'r1': {'every': 0}}, r'terms\.r1\.every=0 is not allowed'),
        (
            {'r1': {'weight': {'first': 1.0}}},
            'weight is a schedule without final, stop',
        ),
        ({'r1': {'weight': {'first': 1.0, 'final': 0.0, 'stop': 0}}}, r'stop=0 .* after start=0'),
    ],
)
def test_wrong_terms_are_refused(node, message):
    with pytest.raises(UserError, match=message):
        terms.build(node)


@pytest.mark.parametrize('name', NAMES)
def test_layers_that_mix_examples_are_refused(name):
    config = configs.base()
    g = {'z_dim': 4, 'widths': (8, 4)}
    config.model = models.node('dcgan', prior='normal', g=g, d={'widths': (4, 8), 'norm': 'batch'})
    config.terms = {name: {}}
    build, spec = configs.algorithm(config).build, image_spec((8, 8, 1))
    message = rf"model\.d\.norm='batch' .* terms\.{name}: .*; available: instance, .*none"
    with pytest.raises(UserError, match=message):
        build(configs.resolve(config, 100), spec)
    with config.ignore_type():
        config.model.d.norm = ('batch', 'layer')  # the first layer is not normalised
    assert build(configs.resolve(config, 100), spec).terms[0].name == name
