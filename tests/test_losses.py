"""Adversarial losses: golden numbers, closed forms, symmetry, extremes, reference values."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core import losses
from gan_jax.errors import UserError
from gan_jax.runtime import parallel
from gan_jax.terms import lecam

REAL = [-0.2219, 2.3058, -0.7330, -1.3858, -0.1590, 0.2727, -1.0026, 0.1778]
REAL += [-0.3092, 1.1968, 1.4372, 1.2228, 1.3839, -0.7218, 1.5818, -1.1987]
FAKE = [-0.2990, 1.6582, 0.0880, -0.2078, 0.1899, 1.9609, 0.1763, 0.9490]
FAKE += [-0.1863, 0.0479, -0.6072, 0.7648, 0.0189, 0.3165, 0.4645, -0.9585]
LOGITS = jnp.array([-0.6136, 0.0316, -0.4927, 0.2484, 0.4397, 0.1124, 0.6408, 0.4412])
NAMES = losses.names()
TARGETED = ['nonsaturating', 'minimax', 'least_squares']


@pytest.mark.parametrize(
    ('target', 'golden'), [(1.0, 0.66570544), (0.9, 0.675803), (0.0, 0.7666805)]
)
def test_cross_entropy_golden(target, golden):
    got = losses.make('nonsaturating').toward(LOGITS, jnp.full(LOGITS.shape, target)).mean()
    np.testing.assert_allclose(got, golden, rtol=1e-6)


def test_least_squares_golden():
    loss, logit, own = (
        losses.make('least_squares', half=False),
        jnp.array([-0.8577]),
        jnp.array([1.0]),
    )
    np.testing.assert_allclose(loss.d(logit, 0.0 * logit)[0], 3.4510493, rtol=1e-6)
    np.testing.assert_allclose(loss.d(own, logit)[0], 0.7356493, rtol=1e-6)
    np.testing.assert_allclose(loss.g(logit, logit)[0], 3.4510493, rtol=1e-6)


def test_wasserstein_golden():
    loss, real, fake = losses.make('wasserstein'), jnp.array(REAL), jnp.array(FAKE)
    np.testing.assert_allclose(loss.g(real, fake).mean(), -0.2735, atol=1e-4)
    np.testing.assert_allclose(loss.d(real, fake).mean(), 0.0331, atol=1e-4)


LOG2 = np.log(2)


@pytest.mark.parametrize(
    ('name', 'd', 'g'),
    [
        ('nonsaturating', 2 * LOG2, LOG2),
        ('minimax', 2 * LOG2, -LOG2),
        ('least_squares', 0.5, 0.5),
        ('hinge', 2.0, 0.0),
        ('wasserstein', 0.0, 0.0),
        ('relativistic', LOG2, LOG2),
        ('relativistic_average', LOG2, LOG2),
        ('relativistic_average_least_squares', 1.0, 1.0),
        ('relativistic_average_hinge', 1.0, 1.0),
    ],
)
def test_value_of_an_undecided_discriminator(name, d, g):
    loss, zero = losses.make(name), jnp.zeros(4)
    np.testing.assert_allclose(loss.d(zero, zero), np.full(4, d), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(loss.g(zero, zero), np.full(4, g), rtol=1e-6, atol=1e-7)


def test_least_squares_of_pearson():
    loss = losses.make('least_squares', a=-1.0, b=1.0, c=0.0)
    real, fake = jnp.array([0.5, 2.0]), jnp.array([-0.5, 1.0])
    np.testing.assert_allclose(loss.d(real, fake), [0.25, 2.5])
    np.testing.assert_allclose(loss.g(real, fake), [0.125, 0.5])
    assert loss.threshold == 0.0
    assert losses.make('least_squares').threshold == 0.5


@pytest.mark.parametrize('name', NAMES)
def test_finite_at_extremes(name):
    loss = losses.make(name)
    big = jnp.array([1e4, -1e4, 1e4, -1e4, 0.0])
    other = jnp.array([-1e4, 1e4, 1e4, -1e4, 0.0])
    for side in (loss.d, loss.g):
        values = side(big, other)
        grads = jax.grad(lambda r, f, side=side: side(r, f).sum(), argnums=(0, 1))(big, other)
        assert values.shape == (5,)
        assert np.isfinite(values).all()
        assert np.isfinite(grads).all()


def test_sure_and_wrong_keeps_its_gradient():
    loss = losses.make('nonsaturating')
    grad = jax.grad(lambda f: loss.g(f, f).sum())(jnp.array([-1e4, 1e4]))
    np.testing.assert_allclose(grad, [-1.0, 0.0], atol=1e-6)
    saturated = jax.grad(lambda f: losses.make('minimax').g(f, f).sum())(jnp.array([-1e4]))
    np.testing.assert_allclose(saturated, [0.0], atol=1e-6)


@pytest.mark.parametrize('name', ['nonsaturating', 'minimax', 'hinge', 'wasserstein'])
def test_swapping_real_and_fake_negates_the_logits(name):
    d, real, fake = losses.make(name).d, jnp.array(REAL), jnp.array(FAKE)
    np.testing.assert_allclose(d(real, fake), d(-fake, -real), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize('name', [n for n in NAMES if n.startswith('relativistic')])
def test_relativistic_generator_plays_the_discriminator_reversed(name):
    loss, real, fake = losses.make(name), jnp.array(REAL), jnp.array(FAKE)
    np.testing.assert_array_equal(loss.g(real, fake), loss.d(fake, real))
    np.testing.assert_allclose(
        loss.d(real + 3.0, fake + 3.0), loss.d(real, fake), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize('name', NAMES)
def test_targets_are_those_of_the_loss_where_it_has_some(name):
    loss, real, fake = losses.make(name), jnp.array(REAL), jnp.array(FAKE)
    assert (loss.toward is not None) == (name in TARGETED)
    if loss.toward:
        own = loss.toward(real, jnp.ones(16)) + loss.toward(fake, jnp.zeros(16))
        np.testing.assert_array_equal(loss.d(real, fake), own)
        flipped = loss.toward(real, jnp.arange(16) * 1.0 != 3)
        np.testing.assert_array_equal(np.flatnonzero(flipped != loss.toward(real, 1.0)), [3])


@pytest.mark.parametrize('name', NAMES)
def test_patches_are_judged_one_by_one(name):
    loss, real, fake = losses.make(name), jnp.array(REAL), jnp.array(FAKE)
    patches = loss.d(real.reshape(4, 2, 2), fake.reshape(4, 2, 2))
    np.testing.assert_allclose(patches.ravel(), loss.d(real, fake), rtol=1e-5, atol=1e-6)
    if loss.toward:
        soft = loss.toward(real.reshape(4, 2, 2), jnp.full(4, 0.9))
        np.testing.assert_allclose(soft.ravel(), loss.toward(real, 0.9), rtol=1e-5)


@pytest.mark.parametrize('name', [n for n in NAMES if 'average' in n])
def test_averages_are_over_all_devices(name):
    loss, real, fake = losses.make(name), jnp.array(REAL), jnp.array(FAKE)

    def objective(scale, real, fake):
        return loss.d(scale * real, fake / scale).mean()

    @functools.partial(jax.pmap, axis_name=parallel.AXIS, in_axes=(None, 0, 0), out_axes=None)
    def on_four(scale, real, fake):
        return parallel.pmean(jax.value_and_grad(objective)(scale, real, fake))

    got = on_four(jnp.float32(1.5), real.reshape(4, 4), fake.reshape(4, 4))
    expected = jax.value_and_grad(objective)(jnp.float32(1.5), real, fake)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


# reference's name -> (our loss, factor of D, factor of G); None: that side is not ours
REFERENCES = {
    'studiogan_vanilla': (losses.make('nonsaturating'), 1.0, 1.0),
    'studiogan_logistic': (losses.make('nonsaturating'), 1.0, 1.0),
    'studiogan_ls': (losses.make('least_squares', half=True), 1.0, 1.0),
    'studiogan_hinge': (losses.make('hinge'), 1.0, 1.0),
    'studiogan_wasserstein': (losses.make('wasserstein'), 1.0, 1.0),
    'junyanz_lsgan': (losses.make('least_squares', half=False), 0.5, 1.0),
    'junyanz_vanilla': (losses.make('nonsaturating'), 0.5, 1.0),
    'junyanz_wgangp': (losses.make('wasserstein'), 0.5, 1.0),
    'mimicry_minimax': (losses.make('nonsaturating'), 1.0, 1.0),
    'mimicry_ns_g': (losses.make('nonsaturating'), None, 1.0),
    'r3gan_rpgan': (losses.make('relativistic'), 1.0, 1.0),
    'rsgan': (losses.make('relativistic'), 1.0, 1.0),
    'ragan': (losses.make('relativistic_average'), 1.0, 1.0),
    'ralsgan': (losses.make('relativistic_average_least_squares'), 1.0, 1.0),
    'rahinge': (losses.make('relativistic_average_hinge'), 1.0, 1.0),
    'formula_tfgan_relativistic': (losses.make('relativistic_average', half=False), 1.0, 1.0),
    'formula_minimax_saturating_g': (losses.make('minimax'), None, 1.0),
}
# log(sigmoid + 1e-8) of that reference is off by 1e-8 / sigmoid, where sigmoid(-11) is 1.7e-5
LOOSE = {'mimicry_ns_g': 1e-3}


def sides(name):
    """Yield (side, scalar function of real and fake logits) of our counterpart."""
    loss, *factors = REFERENCES[name]
    for side, function, factor in zip('DG', (loss.d, loss.g), factors, strict=True):
        if factor is not None:
            yield side, lambda r, f, fn=function, k=factor: k * fn(r, f).mean()


@pytest.mark.parametrize('name', REFERENCES)
def test_values_and_gradients_of_references(name, parity):
    _, _, ins, outs = parity('losses')
    real, fake = jnp.array(ins['real']), jnp.array(ins['fake'])
    expected = {k.split('/')[1]: v for k, v in outs.items() if k.startswith(f'{name}/')}
    got = {}
    for side, function in sides(name):
        got[side], grads = jax.value_and_grad(function, argnums=(0, 1))(real, fake)
        got |= {f'd{side}_dreal': grads[0], f'd{side}_dfake': grads[1]}
    if name == 'r3gan_rpgan':
        loss = REFERENCES[name][0]
        got |= {'D_per_sample': loss.d(real, fake), 'G_per_sample': loss.g(real, fake)}
    compared = [key for key in expected if not key.endswith('relativistic_logits')]
    assert compared
    for key in compared:
        limit = LOOSE.get(name, 2e-6) * np.abs(expected[key]).max()
        np.testing.assert_allclose(got[key], expected[key], rtol=0, atol=limit, err_msg=key)


def test_every_reference_is_compared(parity):
    _, _, _, outs = parity('losses')
    elsewhere = {'studiogan_lecam_reg', 'studiogan_crammer_singer'}
    assert {key.split('/')[0] for key in outs} == set(REFERENCES) | elsewhere


def test_lecam_of_the_reference(parity):
    _, _, ins, outs = parity('losses')
    anchors = jnp.float32(0.4), jnp.float32(-0.3)

    def penalty(real, fake):
        return lecam.regulariser(real, fake, *anchors).mean()

    real, fake = jnp.array(ins['real']), jnp.array(ins['fake'])
    value, grads = jax.value_and_grad(penalty, argnums=(0, 1))(real, fake)
    np.testing.assert_allclose(value, outs['studiogan_lecam_reg/D'], rtol=1e-5)
    np.testing.assert_allclose(grads[0], outs['studiogan_lecam_reg/dD_dreal'], atol=1e-6)
    np.testing.assert_allclose(grads[1], outs['studiogan_lecam_reg/dD_dfake'], atol=1e-6)


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        ('nonsaturatin', {}, r"unknown loss 'nonsaturatin' \(did you mean 'nonsaturating'\?\)"),
        ('zebra', {}, "unknown loss 'zebra'; available: hinge, least_squares, minimax"),
        (
            'least_squares',
            {'halve': True},
            r"'halve' \(did you mean 'half'\?\); available: half",
        ),
        ('hinge', {'half': True}, "unknown option of the loss 'hinge' 'half'; available: none"),
    ],
)
def test_wrong_names_are_refused(name, options, message):
    with pytest.raises(UserError, match=message):
        losses.make(name, **options)
