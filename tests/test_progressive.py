"""Progressive growing: its stretches, how the networks grow through them, and what is refused."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_steps import GAMES, tiny

from gan_jax import config as configs
from gan_jax import models
from gan_jax.algorithms.protocol import Context, Phase
from gan_jax.core import growth
from gan_jax.core.nodes import fill
from gan_jax.core.state import TrainState
from gan_jax.data import synthetic
from gan_jax.errors import UserError
from gan_jax.nn.resample import avgpool, nearest_neighbour
from gan_jax.training import memory
from gan_jax.training.run import open_run

KEY = jax.random.key(0)
OPTIONS = GAMES['progressive'][0]
TIMES = {'stable': '90img', 'fade': '64img'}


def game(**growing):
    """Return a game of two stages, 4x4 and 8x8."""
    return tiny(**{**OPTIONS, 'growth': {**TIMES, **growing}})


def seen(state, images):
    """Return a state after a number of images."""
    return state.replace(images=jnp.int32(images))


def levels(algorithm, *images):
    """Return the levels after numbers of images."""
    nothing = TrainState.create({})
    return [float(algorithm.level(seen(nothing, n))) for n in images]


@pytest.fixture(scope='module')
def start():
    """Return the state that all these games begin with, trained by SGD."""
    return jax.jit(game().init)(KEY)


def batch(side, n=16):
    images = np.random.default_rng(0).uniform(-1, 1, (n, side, side, 1))
    return {'image': jnp.asarray(images, jnp.float32)}


def stepped(algorithm, state, side):
    """Return the state after a step at a size, and its means."""
    phase = next(p for p in algorithm.phases() if p.resolution == side)
    step = jax.jit(algorithm.train_step)
    state, metrics = step(state, batch(side, 16), Context(KEY, phase))
    return state, {name: float(m.total / m.count) for name, m in metrics.items()}


def test_stretches_follow_each_other_in_whole_batches():
    algorithm = game(batch=(2, 1))
    assert algorithm.phases() == (
        Phase(90, 4, 32, 'stable 4'),
        Phase(154, 8, 16, 'fade 8'),
        Phase(16000, 8, 16, 'stable 8'),
    )
    # 4x4 ends with the third batch of 32 images
    assert levels(algorithm, 0, 96, 125, 154, 3_000) == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert levels(game(fade='0img'), 80, 96) == [0.0, 1.0]


@pytest.mark.parametrize('reset', [True, False])
def test_a_stretch_begins_at_its_level_with_new_optimisers(reset):
    algorithm = tiny(**OPTIONS | {
        'growth': {**TIMES, 'reset': reset}, 'optim': {p: {'name': 'adam'} for p in 'dg'}
    })  # fmt: skip
    state, _ = stepped(algorithm, jax.jit(algorithm.init)(KEY), 4)
    entered = algorithm.enter(seen(state, 122), algorithm.phases()[1])
    for name, net in entered.nets.items():
        before = state.nets[name]
        chex.assert_trees_all_equal(net.params, before.params)
        assert float(net.extra[growth.COLLECTION]['level']) == pytest.approx(26 / 58)
        moments = [np.abs(x).max() for x in jax.tree.leaves(net.opt_state)]
        assert (max(moments) == 0) == reset
    # the average of the generator goes on
    ema = entered.nets['g'].ema
    chex.assert_trees_all_equal(ema['params'], state.nets['g'].ema['params'])
    assert float(ema[growth.COLLECTION]['level']) == pytest.approx(26 / 58)


def test_layers_of_later_stages_stay_as_they_are(start):
    algorithm = game()
    state, means = stepped(algorithm, start, 4)
    assert means['level'] == 0
    for name, net in state.nets.items():
        for layer, leaves in net.params.items():
            old = start.nets[name].params[layer]
            same = all(
                (a == b).all() for a, b in zip(*map(jax.tree.leaves, (leaves, old)), strict=True)
            )
            assert same == layer.startswith('stage_1')
    g = state.nets['g']
    chex.assert_trees_all_equal(g.ema['params']['stage_1_image'], g.params['stage_1_image'])


@pytest.mark.parametrize('side', [4, 8])
def test_each_step_leaves_the_other_net_bit_identical(start, side):
    algorithm = game()
    state = algorithm.at_level(seen(start, 125))
    stage = algorithm.of_stage(algorithm.stage(side), algorithm.phases()[1])
    after_d = jax.jit(stage.d_step)(state, batch(side), KEY)[0]
    after_g = jax.jit(stage.g_step)(state, batch(side), KEY)[0]
    chex.assert_trees_all_equal(after_d.nets['g'], state.nets['g'])
    chex.assert_trees_all_equal(after_g.nets['d'], state.nets['d'])
    for after, name in ((after_d, 'd'), (after_g, 'g')):
        assert (after.nets[name].params['stage_0_conv']['kernel']
                != state.nets[name].params['stage_0_conv']['kernel']).any()  # fmt: skip


def test_a_stage_has_its_share_of_the_learning_rate(start):
    whole, half = game(), game(rate=(1.0, 0.5))
    start = seen(start, 200)
    ends = [stepped(algorithm, start, 8)[0] for algorithm in (whole, half)]
    first, more, less = (state.nets['d'].params for state in (start, *ends))
    more, less = (jax.tree.map(jnp.subtract, params, first) for params in (more, less))
    chex.assert_trees_all_close(less, jax.tree.map(lambda x: x / 2, more), atol=1e-6)


def test_real_images_fade_in_as_the_networks_do(start):
    blend, plain = game(), game(blend=False)
    state = seen(start, 125)
    images = batch(8)['image']
    half = (images + nearest_neighbour(avgpool(images, 2), 2)) / 2
    phase = blend.phases()[1]
    got, want = (
        jax.jit(algorithm.train_step)(state, {'image': x}, Context(KEY, phase))[0]
        for algorithm, x in ((blend, images), (plain, half))
    )
    chex.assert_trees_all_close(got.nets['d'].params, want.nets['d'].params, atol=1e-6)


def test_what_is_sampled_has_full_size_at_any_time(start):
    algorithm = game()
    make = jax.jit(algorithm.makers()['g'].make, static_argnums=2)
    images = make(algorithm.at_level(start), KEY, 3)
    assert images.shape == (3, 8, 8, 1)
    np.testing.assert_allclose(nearest_neighbour(avgpool(images, 2), 2), images, atol=1e-6)
    grown = make(algorithm.at_level(seen(start, 154)), KEY, 3)
    assert not np.allclose(grown, images, atol=1e-2)


def test_small_images_in_large_batches_need_no_more_memory():
    def sizes(factors):
        config = configs.base('progressive')
        config.update({'devices': 1, 'duration': '1000kimg', 'model': OPTIONS['model']})
        config.growth = fill(configs.algorithm(config).KEYS['growth'], {'batch': factors} | TIMES)
        run = open_run(config, synthetic.Source((8, 8, 1)))
        found = memory.parts(run, memory.trace(run.algorithm, KEY))
        return {part.what: part.size for part in found}

    plain = sizes((1, 1))
    assert plain['activations'] == sizes((4, 1))['activations'] > 0
    assert sizes((8, 1))['activations'] == 2 * plain['activations']


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'duration': '154img'}, 'duration=154 images .* growing to a height of 8 takes 154; make'),
        ({'growth.batch': (2, 2, 1)}, r'growth.batch \(2, 2, 1\) has 3 values; allowed: one, or 2'),
        ({'growth.rate': (1.0,) * 3}, r'growth.rate \(1.0, 1.0, 1.0\) has 3 values'),
        ({'growth.batch': 0}, 'growth.batch=0 is not allowed'),
        (
            {'model': models.node('dcgan', g={'widths': (4,)}, d={'widths': (4,)})},
            "not allowed with model.name='dcgan': model.g cannot grow; available: progan, stylegan",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_in_one_line(changes, message):
    with pytest.raises(UserError, match=message) as refusal:
        tiny(**{**OPTIONS, 'growth': TIMES, **changes})
    assert '\n' not in str(refusal.value)


def test_a_network_that_is_cloned_is_otherwise_the_same():
    algorithm = game()
    small = algorithm.of_stage(0, algorithm.phases()[0])
    assert dataclasses.replace(small.generator, shape=(8, 8, 1)) == algorithm.generator
