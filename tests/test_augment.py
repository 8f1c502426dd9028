"""Augmentations of what D sees: what each moves, ADA's p, and what is refused."""

import math
from types import SimpleNamespace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_steps import batches, context, run, tiny

from gan_jax import models, terms
from gan_jax.augment import ada, diffaugment, resample, window
from gan_jax.core import rng
from gan_jax.core.state import Mean
from gan_jax.errors import UserError

KEY = jax.random.key(0)
SHARES = ada.Shares(cutout=1.0)
APPLY = jax.jit(ada.apply, static_argnums=2)


def image(height=8, width=12, channels=3, seed=0):
    return jax.random.normal(jax.random.key(seed), (height, width, channels))


def keys(n, seed=0):
    return rng.example_keys(jax.random.key(seed), n)


def moved(x, shares=SHARES, **drawn):
    """Return one image after a draw in which only what is given differs from nothing."""
    draw = jax.tree.map(lambda v: jnp.full(1, v, jnp.float32), ada.Draw(**drawn))
    return np.asarray(APPLY(x[None], draw, shares)[0])


def smooth(height, width, channels=1):
    """Return an image of low frequency, which resampling keeps up to some percent."""
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing='ij')
    waves = [np.sin(0.2 * x + 0.11 * y * (c + 1) + c) for c in range(channels)]
    return jnp.asarray(np.stack(waves, axis=-1), jnp.float32)


# Geometry


@pytest.mark.parametrize('shape', [(16, 16, 1), (12, 20, 2), (17, 9, 4)])
@pytest.mark.parametrize(
    ('drawn', 'expected'),
    [
        ({'mirror': 1}, lambda x: x[:, ::-1]),
        ({'quarters': 2}, lambda x: x[::-1, ::-1]),
        ({'mirror': 1, 'quarters': 2}, lambda x: x[::-1]),
    ],
    ids=['mirror', 'half turn', 'both'],
)
def test_mirrors_and_half_turns_of_any_shape(shape, drawn, expected):
    x = smooth(*shape)
    np.testing.assert_allclose(moved(x, **drawn), expected(x), atol=0.1)


def test_a_quarter_turn_of_a_square():
    x = smooth(16, 16)
    np.testing.assert_allclose(moved(x, quarters=1), np.rot90(x), atol=0.1)
    np.testing.assert_allclose(moved(x, quarters=3), np.rot90(x, k=3), atol=0.1)


def test_steps_are_whole_pixels_and_shifts_are_not():
    x = smooth(16, 16)
    # 0.1 of 16 pixels are rounded to 2 to the right; what comes in is a reflection
    np.testing.assert_allclose(moved(x, step=(0.1, 0.0))[:, 2:], x[:, :-2], atol=1e-5)
    np.testing.assert_allclose(moved(x, step=(0.1, 0.0))[:, :2], x[:, 2:0:-1], atol=1e-5)
    np.testing.assert_allclose(moved(x, move=(0.0, 0.125))[2:], x[:-2], atol=1e-5)
    half = moved(x, move=(1 / 32, 0.0))[:, 1:]
    np.testing.assert_allclose(half, (x[:, 1:] + x[:, :-1]) / 2, atol=0.05)


def test_zoom_and_stretch_move_what_is_away_from_the_middle():
    y, x = np.meshgrid(np.arange(33.0) - 16, np.arange(33.0) - 16, indexing='ij')
    ramp = jnp.asarray(np.stack([x, y], axis=-1), jnp.float32)
    inner = np.s_[8:25, 8:25]
    np.testing.assert_allclose(moved(ramp, zoom=2.0)[inner], ramp[inner] / 2, atol=0.05)
    factors = jnp.asarray([1 / 1.25, 1.25])
    stretched = ramp[inner] * factors[None, None]
    np.testing.assert_allclose(moved(ramp, stretch=1.25)[inner], stretched, atol=0.05)
    c, s = math.cos(0.5), math.sin(0.5)
    turned = np.stack([c * x - s * y, s * x + c * y], axis=-1)[inner]
    for name in ('before', 'after'):
        np.testing.assert_allclose(moved(ramp, **{name: 0.5})[inner], turned, atol=0.05)


def test_the_filter_is_orthogonal():
    """Doubled and halved, images come back."""
    for n in (2, 7, 32):
        halving, doubling = resample.halving(n), resample.doubling(n)
        around = np.arange(-resample.BEFORE, 2 * n + resample.BEFORE) % len(doubling)
        np.testing.assert_allclose(halving @ doubling[around], np.eye(n), atol=1e-6)


# Colour


@pytest.mark.parametrize('channels', [1, 2, 3, 4])
def test_colours(channels):
    x = image(channels=channels)
    grey = x.mean(-1, keepdims=True)
    np.testing.assert_allclose(moved(x, brightness=0.3), x + 0.3, atol=1e-6)
    np.testing.assert_allclose(moved(x, contrast=1.5), 1.5 * x, atol=1e-6)
    np.testing.assert_allclose(moved(x, luma_flip=1), x - 2 * grey, atol=1e-6)
    np.testing.assert_allclose(moved(x, saturation=0.0), grey + 0 * x, atol=1e-6)


def test_hue_turns_about_grey():
    x = image()
    third = moved(x, hue=2 * math.pi / 3)
    np.testing.assert_allclose(third, np.roll(x, 1, axis=-1), atol=1e-5)
    turned = moved(x, hue=1.0)
    for axis_kept in (np.sum, np.linalg.norm):
        np.testing.assert_allclose(axis_kept(turned, axis=-1), axis_kept(x, axis=-1), atol=1e-5)


# Windows


def test_shifts_and_holes():
    x = image(8, 12)
    shifted = window.shift(x, 2, -3, (2, 3))
    np.testing.assert_array_equal(shifted[:6, 3:], x[2:, :-3])
    assert not shifted[6:].any() and not shifted[:, :3].any()
    holed = np.asarray(window.hole(x, (-1, 8), (4, 6)))
    assert not holed[:3, 8:].any()
    assert ((holed == 0) == (x * 0 + (np.arange(8) < 3)[:, None, None]
                             * (np.arange(12) >= 8)[None, :, None] > 0)).all()  # fmt: skip
    hole = moved(jnp.ones((8, 12, 1)), cutout=1, corner=(0.25, 0.5))
    assert (hole == 0).sum() == 4 * 6


def test_diffaugment_draws_what_is_published():
    shape = (32, 20, 3)
    draws = {
        name: [np.asarray(d) for d in jax.vmap(lambda k, one=one: one.draw(k, shape))(keys(4096))]
        for name, one in diffaugment.AUGMENTATIONS.items()
    }
    ranges = [(d.min(), d.max()) for d in draws['color']]
    np.testing.assert_allclose(ranges, [(-0.5, 0.5), (0, 2), (0.5, 1.5)], atol=0.01)
    rows, columns = draws['translation']
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (-4, 4, -3, 3)
    rows, columns = draws['cutout']  # holes of 16x10
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (0, 32, 0, 20)


def test_ada_draws_each_part_with_its_chance():
    p, shares = 0.5, ada.Shares(color=0.5, cutout=1.0)
    drawn = jax.jit(jax.vmap(lambda key: ada.draw(key, p, shares)))(keys(4096))
    found = {
        name: float(np.mean(np.asarray(jax.tree.leaves(value)[0]) != jax.tree.leaves(rest)[0]))
        for name, value, rest in zip(drawn._fields, drawn, ada.NOTHING, strict=True)
    }
    turn = 1 - math.sqrt(0.5)
    # a mirror is none half of the time, and so is a luma flip; four quarter turns are none, too
    expected = {'mirror': 0.25, 'quarters': 0.375, 'step': 0.5, 'zoom': 0.5, 'before': turn,
                'stretch': 0.5, 'after': turn, 'move': 0.5, 'brightness': 0.25, 'contrast': 0.25,
                'luma_flip': 0.125, 'hue': 0.25, 'saturation': 0.25, 'cutout': 0.5,
                'corner': 1.0}  # fmt: skip
    assert found == pytest.approx(expected, abs=0.03)
    spread = {'zoom': 0.2, 'stretch': 0.2, 'contrast': 0.5, 'saturation': 1.0}
    for name, deviation in spread.items():
        logs = np.log2(getattr(drawn, name))
        assert logs[logs != 0].std() == pytest.approx(deviation, rel=0.1)


# The terms


def build(name, **options):
    (term,) = terms.build({name: options})
    return term


def play(images, term=None, seen=0, slot=None):
    state = SimpleNamespace(images=jnp.int32(seen), aux={'ada': slot} if slot else {})
    found = SimpleNamespace(real=images, fake=-images, keys=keys(len(images)), state=state)
    found._replace = lambda **new: SimpleNamespace(**new)
    return term.see(found)


@pytest.mark.parametrize('options', [{'p': {'first': 0.0, 'final': 1.0, 'stop': 100}}])
def test_ada_without_p_is_the_identity_and_with_p_is_not(options):
    images = jax.random.normal(KEY, (16, 8, 8, 3))
    term = build('ada', **options)
    nothing, half = play(images, term), play(images, term, seen=50)
    np.testing.assert_array_equal(nothing.real, images)
    np.testing.assert_array_equal(nothing.fake, -images)
    changed = [(x != y).any((1, 2, 3)) for x, y in ((half.real, images), (half.fake, -images))]
    assert all(c.mean() > 0.5 for c in changed)
    assert not np.allclose(half.real, -half.fake)  # each has draws of its own


def test_what_nothing_moves_keeps_its_bits():
    images = jax.random.normal(KEY, (64, 8, 8, 3))
    seen = play(images, build('ada', p=0.02)).real
    same = np.asarray((seen == images).all((1, 2, 3)))
    assert 0.5 < same.mean() < 1


@pytest.mark.parametrize(
    ('accuracy', 'p', 'expected'),
    [(1.0, 0.5, 0.55), (0.81, 0.5, 0.55), (0.79, 0.5, 0.45), (0.0, 0.5, 0.45), (0.0, 0.0, 0.0),
     (1.0, 1.0, 1.0)],
)  # fmt: skip
def test_p_rises_where_d_overfits_and_falls_where_not(accuracy, p, expected):
    """The mean of sign(D(real)) is 2 accuracy - 1; p moves by images / speed at every interval."""
    term = build('ada', target=0.6, p=p, speed=1280, interval=4)
    slot = term.init(None, KEY)
    metrics = {
        'd_real_accuracy': Mean(jnp.float32(16 * accuracy), jnp.float32(16)),
        'ada_p': Mean(jnp.float32(0), jnp.float32(16)),
    }
    for turn in range(1, 5):
        slot = term.after(slot, metrics, None)
        wanted = expected if turn == 4 else p
        np.testing.assert_allclose(slot['p'], wanted, rtol=1e-6)
    assert slot['images'] == slot['signs'] == 0 and slot['updates'] == 4


TERMS = {'ada': {'target': 0.6, 'p': 0.5, 'speed': '100img', 'interval': 2}, 'diffaugment': {}}
MLP = models.node('mlp', prior='normal', g={'z_dim': 4, 'hidden': (8,)}, d={'hidden': (8,)})


def test_a_discriminator_that_calls_all_real_drives_p_up():
    algorithm = tiny(model=MLP, terms={'ada': {'target': 0.6, 'speed': '256img', 'interval': 2}})
    state = algorithm.init(KEY)
    step = jax.jit(algorithm.train_step)

    def biased(state, by):
        """Return the state with a discriminator whose logits have a sign."""
        d = state.nets['d']
        params = jax.tree.map(jnp.zeros_like, d.params)
        params['logit']['bias'] = jnp.full_like(params['logit']['bias'], by)
        return state.replace(nets={**state.nets, 'd': d.replace(params=params)})

    found = []
    for by in (1.0, 1.0, 1.0, 1.0, -1.0, -1.0):
        state, metrics = step(biased(state, by), {'image': batches(1)['image'][0]}, context(KEY))
        found.append(float(state.aux['ada']['p']))
    np.testing.assert_allclose(found, [0, 1 / 8, 1 / 8, 2 / 8, 2 / 8, 1 / 8], rtol=1e-6)
    assert float(metrics['ada_p'].total / metrics['ada_p'].count) == 2 / 8


def test_the_generator_learns_through_augmentations_and_only_its_own_net_moves():
    algorithm = tiny(model=MLP, terms=TERMS)
    state, batch = algorithm.init(KEY), {'image': batches(1)['image'][0]}
    after_g = jax.jit(algorithm.g_step)(state, batch, KEY)[0]
    after_d = jax.jit(algorithm.d_step)(state, batch, KEY)[0]
    chex.assert_trees_all_equal(after_g.nets['d'], state.nets['d'])
    chex.assert_trees_all_equal(after_g.aux, state.aux)
    chex.assert_trees_all_equal(after_d.nets['g'], state.nets['g'])
    for before, after in zip(
        *(jax.tree.leaves(s.nets['g'].params) for s in (state, after_g)), strict=True
    ):
        assert (before != after).any()


@pytest.fixture(scope='module')
def whole():
    """Return the state after some steps on one device in one piece."""
    return run(tiny(model=MLP, terms=TERMS), batches(4))[0]


@pytest.mark.parametrize(('changes', 'devices'), [({}, 2), ({'accumulate': 2}, 1)])
def test_augmentations_depend_neither_on_devices_nor_on_pieces(whole, changes, devices):
    other = run(tiny(model=MLP, terms=TERMS, **changes), batches(4), devices=devices)[0]
    assert whole.aux['ada']['p'] != 0.5
    chex.assert_trees_all_close(whole, other, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize('shape', [(8, 8, 1), (6, 10, 4)])
def test_gradients_of_all_orders_are_those_of_finite_differences(shape):
    x = jax.random.normal(KEY, (2, *shape))
    drawn = jax.vmap(ada.everything)(jax.random.uniform(KEY, (2, ada.STRENGTHS)))
    jax.test_util.check_grads(
        lambda x: jnp.sin(ada.apply(x, drawn, SHARES)), (x,), 2, modes=['rev'], atol=0.05, rtol=0.05
    )


@pytest.mark.parametrize(
    ('node', 'changes', 'message'),
    [
        ({'ada': {}}, {}, r'terms\.ada has neither a target, .* nor a p'),
        (
            {'ada': {'target': 0.6, 'p': {'first': 0.0, 'final': 0.5, 'stop': '1kimg'}}},
            {},
            r'terms\.ada\.target=0\.6 is not allowed with a schedule of p',
        ),
        ({'ada': {'target': 0.6, 'speed': '0img'}}, {}, r'or speed=0: '),
        (
            {'ada': {'target': 0.6}},
            {'loss.name': 'relativistic'},
            r'not allowed with a loss that asks only for differences of logits',
        ),
        ({'ada': {'target': 0.6}}, {'loss.name': 'wasserstein'}, 'only for differences'),
        ({'diffaugment': {'policy': ()}}, {}, r'policy=\(\) is not allowed: .* color, translation'),
        (
            {'diffaugment': {'policy': ('colour',)}},
            {},
            r'a tuple of names, each one of color, translation, cutout',
        ),
    ],
)
def test_what_makes_no_sense_is_refused(node, changes, message):
    with pytest.raises(UserError, match=message):
        tiny(terms=node, **changes)


@pytest.mark.parametrize('loss', ['hinge', 'least_squares', 'minimax', 'nonsaturating'])
def test_losses_whose_logits_have_a_sign_can_set_p(loss):
    tiny(terms={'ada': {'target': 0.6}}, **{'loss.name': loss})


@pytest.mark.parametrize('name', ['ada', 'diffaugment'])
def test_points_and_sound_are_refused(name):
    term = build(name, **({'p': 0.5} if name == 'ada' else {}))
    for shape in ((2,), (4000, 1)):
        with pytest.raises(UserError, match=rf'terms\.{name} is not allowed .* images \[H, W, C\]'):
            term.check(SimpleNamespace(shape=shape, terms=()))
