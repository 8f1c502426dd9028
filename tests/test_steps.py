"""Invariants of the steps: what they change, that they repeat, and that devices do not matter."""

import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import config as configs
from gan_jax import models
from gan_jax.algorithms.protocol import Context, Phase
from gan_jax.core import growth, rng
from gan_jax.core.state import merge
from gan_jax.core.update import zeros
from gan_jax.data import image_spec
from gan_jax.runtime import parallel
from gan_jax.terms.passes import Targets

SHAPE = (8, 8, 1)


# One game of each kind of state of the networks: their options, and the classes of their labels.
GAMES = {
    'plain': ({}, 0),
    'batch_norm': ({'norm': 'batch'}, 0),
    'spectral_norm': ({'model.d.weight_norm': 'spectral'}, 0),
    'biggan': (
        {
            'model': models.node(
                'biggan',
                prior='normal',
                classes=3,
                g={'z_dim': 4, 'width': 2, 'shared': 3, 'attention': (8,)},
                d={'width': 4, 'attention': (4,)},
            ),
            'loss.name': 'hinge',
            'sample.standing': 2,
        },
        3,
    ),
    # The second stage of two fades in; groups of two images.
    'progressive': (
        {
            'algorithm': 'progressive',
            'model': models.node(
                'progan',
                prior='normal',
                g={'z_dim': 4, 'widths': (4, 3)},
                d={'widths': (4, 3), 'stddev_group': 2},
            ),
            'growth': {'stable': '0img', 'fade': '100img'},
            'devices': 1,
        },
        0,
    ),
    'stylegan': (
        {
            'model': models.node(
                'stylegan',
                prior='normal',
                g={'z_dim': 4, 'w_dim': 4, 'layers': 1, 'widths': (3, 2)},
                d={'widths': (3, 2), 'stddev_group': 2},
            ),
        },
        0,
    ),
    'stylegan2': (
        {
            'model': models.node(
                'stylegan2',
                prior='normal',
                classes=3,
                g={'z_dim': 4, 'w_dim': 4, 'layers': 2, 'width': 4},
                d={'layers': 2, 'width': 4, 'stddev_group': 2},
            ),
            'terms': {'path_length': {'every': 2, 'shrink': 2}, 'r1': {'every': 2}},
            'loss.lazy_updates': True,
        },
        3,
    ),
}


def tiny(norm='none', model=None, terms=None, **changes):
    """Return the algorithm of a small config, trained by plain SGD.

    Adam divides by the gradient's size, and so makes much of rounding.
    """
    config = configs.base()
    config.batch_size = 16
    config.duration = '1000st'
    config.model = model or models.node(
        'dcgan',
        prior='normal',
        g={'z_dim': 4, 'widths': (8, 4), 'norm': norm, 'dropout': 0.2},
        d={'widths': (4, 8), 'norm': norm, 'dropout': 0.2},
    )
    for optimiser in config.optim.values():
        optimiser.update({'name': 'sgd', 'lr': 0.1})
    config.ema.half_life = '100img'
    config.terms = terms or {}
    with config.unlocked(), config.ignore_type():
        config.update_from_flattened_dict(changes)
    configs.validate(config)
    return configs.algorithm(config).build(configs.resolve(config, 100), image_spec(SHAPE))


def context(key):
    """Return the context of a procedure that has one phase."""
    return Context(key, Phase(0, 0, 16))


def batches(steps, n=16, seed=0, classes=0):
    """Return random images for some steps, and labels where there are classes."""
    draw = np.random.default_rng(seed)
    found = {'image': draw.uniform(-1, 1, (steps, n, *SHAPE)).astype(np.float32)}
    if classes:
        found['label'] = draw.integers(0, classes, (steps, n)).astype(np.int32)
    return found


def run(algorithm, data, backend='pmap', devices=1, max_steps=1, each=1):
    """Train on batches [steps, ...]; return the final state and merged metrics on the host."""
    key = jax.random.key(0)
    state = algorithm.init(key)
    first = jax.tree.map(lambda x: x[0], data)
    metrics = zeros(jax.eval_shape(algorithm.train_step, state, first, context(key))[1])

    def step(carry, constants, batch):
        state, new = algorithm.train_step(carry[0], batch, context(constants))
        return state, merge(carry[1], new)

    program = parallel.program(step, backend, devices, max_steps)
    carry, key = parallel.replicate((state, metrics), devices), parallel.replicate(key, devices)
    for start in range(0, len(jax.tree.leaves(data)[0]), each):
        part = jax.tree.map(lambda x: x[start : start + each], data)  # noqa: B023
        carry = program(carry, key, part)
    return jax.device_get(carry)


def gradients(before, after, name):
    """Return what SGD moved of a net."""
    return jax.tree.map(lambda a, b: b - a, before.nets[name].params, after.nets[name].params)


@pytest.fixture(scope='module')
def plain():
    return tiny()


# What StyleGAN keeps beside its parameters, StyleGAN2 does too.
@pytest.mark.parametrize(
    'game',
    ['batch_norm', 'biggan', pytest.param('stylegan', marks=pytest.mark.slow), 'stylegan2'],
)
def test_each_step_leaves_the_other_net_bit_identical(game):
    options, classes = GAMES[game]
    algorithm = tiny(**options)
    state = algorithm.init(jax.random.key(1))
    batch = jax.tree.map(lambda x: x[0], batches(1, classes=classes))
    after_d = jax.jit(algorithm.d_step)(state, batch, jax.random.key(0))[0]
    after_g = jax.jit(algorithm.g_step)(state, batch, jax.random.key(0))[0]
    chex.assert_trees_all_equal(after_d.nets['g'], state.nets['g'])
    chex.assert_trees_all_equal(after_g.nets['d'], state.nets['d'])
    for after, name in ((after_d, 'd'), (after_g, 'g')):
        moved = [np.abs(x).max() for x in jax.tree.leaves(gradients(state, after, name))]
        # what attention takes is scaled by 0 at first; of a StyleGAN the first image is not seen,
        # and the first style scales a map that is the same everywhere
        still = {'biggan': 4, 'stylegan': 4}.get(game, 0)
        assert sorted(moved)[still] > 0
        extra = [{**s.nets[name].extra, growth.COLLECTION: ()} for s in (state, after)]
        moved = [(a != b).any() for a, b in zip(*map(jax.tree.leaves, extra), strict=True)]
        assert any(moved) or not moved


def test_two_runs_are_equal_and_seeds_differ(plain):
    data = batches(3)
    chex.assert_trees_all_equal(run(plain, data), run(plain, data))
    one = plain.init(jax.random.key(0)).nets['g'].params
    two = plain.init(jax.random.key(1)).nets['g'].params
    assert any((a != b).any() for a, b in zip(*map(jax.tree.leaves, (one, two)), strict=True))


def test_scanned_steps_equal_a_loop(plain):
    data = batches(6)
    ones = run(plain, data, max_steps=4)
    for each in (2, 4):
        chex.assert_trees_all_equal(ones, run(plain, data, max_steps=4, each=each))


def test_scanned_steps_equal_single_programs():
    # The CPU compiles convolutions in loops differently; products of matrices it does not.
    node = models.node(
        'mlp', prior='normal', g={'z_dim': 4, 'dropout': 0.2}, d={'norm': 'batch', 'dropout': 0.2}
    )
    algorithm, data = tiny(model=node), batches(6)
    chex.assert_trees_all_equal(run(algorithm, data), run(algorithm, data, max_steps=6, each=6))


def test_a_step_is_traced_once(plain):
    @chex.assert_max_traces(n=1)
    def step(state, batch, key):
        return plain.train_step(state, batch, context(key))[0]

    chex.clear_trace_counter()
    jitted, state, data = jax.jit(step), plain.init(jax.random.key(0)), batches(8)
    for i in range(8):
        state = jitted(state, {'image': data['image'][i]}, jax.random.key(0))
    assert state.step == 8
    assert state.images == 8 * 16


# What StyleGAN does over a batch, ProGAN and StyleGAN2 do too.
# StyleGAN2 compiles for minutes, and its parts have proofs of their own.
@pytest.mark.parametrize(
    'game',
    [
        'plain',
        'batch_norm',
        'spectral_norm',
        'biggan',
        'progressive',
        pytest.param('stylegan2', marks=pytest.mark.slow),
    ],
)
def test_eight_devices_equal_one(game):
    options, classes = GAMES[game]
    algorithm, data = tiny(**options), batches(2, classes=classes)
    one, eight = run(algorithm, data), run(algorithm, data, devices=8)
    assert eight[0].images == one[0].images == 32
    chex.assert_trees_all_close(one[0], eight[0], rtol=2e-4, atol=1e-4)


def test_pmap_and_shard_map_give_the_same_bits():
    algorithm, data = tiny(norm='batch'), batches(4)
    a = run(algorithm, data, 'pmap', 4, max_steps=2, each=2)
    b = run(algorithm, data, 'shard_map', 4, max_steps=2, each=2)
    chex.assert_trees_all_equal(a, b)


@pytest.mark.parametrize('game', ['plain', 'spectral_norm', 'progressive'])
def test_accumulation_equals_the_full_batch(game):
    data, options = batches(2), GAMES[game][0]
    full, parts = run(tiny(**options), data), run(tiny(accumulate=2, **options), data)
    chex.assert_trees_all_close(full[0], parts[0], rtol=1e-4, atol=1e-5)
    means = [{k: m.total / m.count for k, m in r[1].items()} for r in (full, parts)]
    chex.assert_trees_all_close(*means, rtol=1e-4)


@pytest.mark.parametrize('backend', ['pmap', 'shard_map'])
def test_one_all_reduce_for_an_update(plain, backend):
    key = jax.random.key(0)
    state = plain.init(key)

    def step(carry, constants, batch):
        return plain.d_step(carry, batch, constants)[0]

    program = parallel.program(step, backend, 4)
    text = program.lower(state, key, batches(1)).compile().as_text()
    assert len(re.findall(r'= .* all-reduce(?:-start)?\(', text)) == 1
    assert not re.findall(r' (?:all-gather|all-to-all|collective-permute)\(', text)


def test_every_n_steps_runs_each_nth_step_and_reports_only_then():
    algorithm = tiny(**{'loss.n_critic': 3})
    state, key, data = algorithm.init(jax.random.key(0)), jax.random.key(0), batches(6)
    step = jax.jit(algorithm.train_step)
    for i in range(6):
        before = state
        state, metrics = step(state, {'image': data['image'][i]}, context(key))
        moved = any(
            (a != b).any()
            for a, b in zip(
                *(jax.tree.leaves(s.nets['g'].params) for s in (before, state)), strict=True
            )
        )
        assert moved == (i % 3 == 2)
        assert bool(metrics['g_loss'].count) == moved
        assert metrics['d_loss'].count


def test_ema_follows_its_closed_form(plain):
    state, key = plain.init(jax.random.key(0)), jax.random.key(0)
    chex.assert_trees_all_equal(state.nets['g'].ema['params'], state.nets['g'].params)
    after, _ = jax.jit(plain.g_step)(state, {'image': batches(1)['image'][0]}, key)
    decay = 0.5 ** (16 / 100)
    old, new = state.nets['g'].params, after.nets['g'].params
    expected = jax.tree.map(lambda a, b: decay * a + (1 - decay) * b, old, new)
    chex.assert_trees_all_close(after.nets['g'].ema['params'], expected, rtol=1e-5, atol=1e-7)
    assert state.nets['d'].ema is None


def test_draws_do_not_depend_on_devices():
    def draw(carry, constants, batch):
        keys = rng.example_keys(constants, len(batch))
        drawn = jax.vmap(lambda k: jax.random.normal(k, ()))(keys)
        weights = jnp.arange(16.0).reshape(-1, len(batch))[parallel.index()]
        return carry + parallel.pmean((drawn * weights).sum()) * parallel.size()

    key, sums = jax.random.key(3), []
    for devices in (1, 2, 8):
        program = parallel.program(draw, 'pmap', devices)
        sums.append(program(jnp.float32(0), key, np.zeros((1, 16), np.float32)))
    np.testing.assert_allclose(sums, sums[0], rtol=1e-6)


def test_soft_targets_stay_in_their_ranges():
    keys = rng.example_keys(jax.random.key(0), 4096)
    real, fake = Targets((0.8, 1.0), (0.0, 0.2)).draw(keys)
    assert 0.8 <= real.min() < 0.81 and 0.99 < real.max() <= 1.0
    assert 0.0 <= fake.min() < 0.01 and 0.19 < fake.max() <= 0.2
    flipped, _ = Targets(flip=0.05).draw(keys)
    assert abs(float((flipped == 0).mean()) - 0.05) < 0.015
