"""StyleGAN: styles are means and deviations, noise is of each channel, and the networks grow."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from test_steps import tiny
from test_stylegan2 import drawn

from gan_jax import models
from gan_jax.algorithms.protocol import Context
from gan_jax.core import growth
from gan_jax.core.state import init_net
from gan_jax.errors import UserError
from gan_jax.models import stylegan
from gan_jax.nn.adain import AdaIN
from gan_jax.nn.noise import PixelNoise
from gan_jax.nn.resample import bilinear

KEY = jax.random.key(0)
SMALL = {'shape': (8, 8, 1), 'widths': (4, 3), 'z_dim': 4, 'w_dim': 5, 'layers': 1}


def test_adain_gives_maps_the_mean_and_the_deviation_of_the_style():
    draw = np.random.default_rng(0)
    x, w = (draw.normal(size=s).astype(np.float32) for s in ((2, 5, 6, 3), (2, 4)))
    kernels = {n: draw.normal(size=(4, 3)).astype(np.float32) for n in ('scale', 'bias')}
    params = {n: {'kernel': k, 'bias': np.zeros(3, np.float32)} for n, k in kernels.items()}
    layer = AdaIN()

    @jax.jit
    def styled(params):
        def loss(params):
            y = layer.apply({'params': params}, x, w)
            return (y**3).sum(), y

        return jax.grad(loss, has_aux=True)(params)

    gradients, y = jax.device_get(styled(params))
    assert y.shape == x.shape and all(g.any() for g in jax.tree.leaves(gradients))
    # weights are scaled by 1 / sqrt(4)
    scale, bias = (w @ kernels[name] / 2 for name in ('scale', 'bias'))
    np.testing.assert_allclose(y.mean((1, 2)), bias, atol=1e-5)
    np.testing.assert_allclose(y.std((1, 2)), abs(1 + scale), rtol=1e-4)
    start = jax.eval_shape(lambda: layer.init(KEY, x, w))['params']
    assert jax.tree.map(jnp.shape, start) == jax.tree.map(np.shape, params)


def test_noise_is_one_parameter_of_a_number_for_each_channel():
    layer, x = PixelNoise(each=True), np.zeros((2, 4, 4, 3), np.float32)
    params = {'strength': np.float32([0, 1, 2])}
    noise = {'image': np.zeros((4, 4), np.float32)}

    @jax.jit
    def added(x):
        keys = jax.random.split(KEY, 2)
        return layer.apply({'params': params, 'noise': noise}, x, 'random', keys)

    made = jax.device_get(added(x))
    assert not made[..., 0].any() and made[..., 1].all()
    np.testing.assert_allclose(made[..., 2], 2 * made[..., 1], rtol=1e-6)
    assert not np.allclose(made[0], made[1], atol=1e-2)


@pytest.fixture(scope='module')
def net():
    """Return a generator of two stages, and its net with loud noise."""
    g = stylegan.Generator(**SMALL)
    shapes = jax.eval_shape(lambda: init_net(g, optax.identity(), KEY, jnp.zeros((2, 4))))
    found = jax.tree_util.tree_map_with_path(drawn, shapes)
    loud = jax.tree_util.tree_map_with_path(
        lambda path, x: x + 0.5 if path[-1].key == 'strength' else x, found.params
    )
    return g, found.replace(params=loud)


def test_at_the_level_of_a_stage_an_image_is_the_smaller_one_enlarged(net):
    g, net = net
    small = g.clone(shape=(4, 4, 1))
    z = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)

    def images(module, level):
        return module.apply(growth.at_level(net, level).variables, z, train=False)

    @jax.jit
    def all_of_them(levels):
        first = images(small, levels[0])
        return first, bilinear(first, 2), jax.lax.map(lambda level: images(g, level), levels)

    first, large, (start, halfway, grown) = jax.device_get(all_of_them(jnp.float32([0, 0.5, 1])))
    assert first.shape == (2, 4, 4, 1)
    np.testing.assert_allclose(start, large, atol=1e-5)
    np.testing.assert_allclose(halfway, (large + grown) / 2, atol=1e-5)
    assert not np.allclose(grown, large, atol=1e-2)


def test_styles_are_of_two_layers_for_each_stage_and_noise_starts_at_nothing(net):
    g, net = net
    shape = jax.eval_shape(
        lambda: g.apply(net.variables, jnp.ones((2, 4)), train=False, method='styles')
    )
    assert shape.shape == (2, 4, 5)
    assert g.HAS_W and g.options() == {'psi': 1.0, 'cutoff': None, 'noise': 'const'}
    strengths = [
        leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(net.params)
        if path[-1].key == 'strength'
    ]
    assert [x.shape for x in strengths] == [(4,), (4,), (3,), (3,)]


@pytest.mark.parametrize('algorithm', ['gan', 'progressive'])
def test_a_step_keeps_the_state_s_structure(algorithm):
    node = models.node(
        'stylegan',
        prior='normal',
        g={'z_dim': 4, 'w_dim': 4, 'layers': 1, 'widths': (4, 3)},
        d={'widths': (4, 3), 'stddev_group': 2},
    )
    more = {'growth': {'stable': '50img', 'fade': '50img'}} if algorithm == 'progressive' else {}
    node['classes'] = 3
    game = tiny(model=node, algorithm=algorithm, **more)
    state = jax.eval_shape(game.init, KEY)
    for phase in game.phases():
        side = phase.resolution or 8
        batch = {'image': jnp.zeros((16, side, side, 1)), 'label': jnp.zeros(16, jnp.int32)}
        step = functools.partial(game.train_step, ctx=Context(KEY, phase))
        after, metrics = jax.eval_shape(step, state, batch)
        chex.assert_trees_all_equal_shapes_and_dtypes(state, after)
        assert 'g_loss' in metrics


def test_what_cannot_be_is_refused_in_one_line():
    for changed, message in (
        ({'shape': (33, 33, 1)}, 'size 33x33: a StyleGAN doubles'),
        ({'widths': (4, 4, 4)}, r'widths \(4, 4, 4\) has 3 values'),
    ):
        with pytest.raises(UserError, match=message) as refusal:
            stylegan.Generator(**{**SMALL, **changed}).check()
        assert '\n' not in str(refusal.value)
