"""StyleGAN2: sizes, architectures, precision, mixing, noise, the mean of w, and what is refused."""

import functools
import zlib

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from test_steps import tiny

from gan_jax import models
from gan_jax.core.state import Net, apply, apply_averaged, init_net
from gan_jax.errors import UserError
from gan_jax.models import stylegan2
from gan_jax.nn.mapping import mixed, truncate
from gan_jax.nn.network import Base

SMALL = {'shape': (8, 8, 1), 'width': 4, 'layers': 1}
KEY, NO_TX = jax.random.key(0), optax.identity()


def generator(**options):
    return stylegan2.Generator(**{**SMALL, 'z_dim': 4, 'w_dim': 6, **options})


def drawn(path, leaf):
    """Return numbers that a leaf of a shape can start with; compiling the draws takes long."""
    names = jax.tree_util.keystr(path)
    if not any(name in names for name in ('kernel', 'const', 'image')) or 'bias' in names:
        return jnp.zeros(leaf.shape, leaf.dtype)
    scale = 100 if 'mapping' in names and 'label' not in names else 1
    draw = np.random.default_rng(zlib.crc32(names.encode()))
    return jnp.asarray(scale * draw.normal(size=leaf.shape), leaf.dtype)


def started(module, x):
    """Return the net of a module that has not learnt."""
    shapes = jax.eval_shape(lambda: init_net(module, NO_TX, KEY, x))
    return jax.tree_util.tree_map_with_path(drawn, shapes)


def shapes(module, *inputs):
    """Return the shapes of a module's variables and of its output, uncompiled."""
    output, variables = jax.eval_shape(lambda: module.init_with_output(KEY, *inputs, train=True))
    return variables, output


@pytest.mark.parametrize(
    ('shape', 'smallest', 'widths'),
    [
        ((32, 32, 3), (4, 4), (512, 512, 512, 512)),
        ((256, 256, 3), (4, 4), (512,) * 4 + (256, 128, 64)),
        ((64, 96, 1), (4, 6), (512,) * 4 + (256,)),
        ((28, 28, 1), (7, 7), (512, 512, 512)),
    ],
)
def test_channels_are_the_published_ones(shape, smallest, widths):
    g = stylegan2.Generator(shape=shape, base=16384)
    g.check()
    assert (g.smallest(), g.channels()) == (smallest, widths)


@pytest.mark.parametrize('architecture', ['plain', 'skip', 'residual'])
@pytest.mark.parametrize('shape', [(8, 12, 3), (14, 14, 1), (4, 4, 3)])
def test_architectures_and_rectangles(architecture, shape):
    options = {'shape': shape, 'architecture': architecture, 'num_classes': 3, 'width': 4}
    label = jnp.zeros(4, jnp.int32)
    variables, images = shapes(generator(**options), jnp.zeros((4, 4)), label)
    assert images.shape == (4, *shape) and images.dtype == jnp.float32
    made = [name for name in variables['params']['synthesis'] if name.endswith('image')]
    stages = len(generator(**options).channels())
    assert len(made) == (stages if architecture == 'skip' else 1)
    d = stylegan2.Discriminator(layers=1, **options)
    variables, verdict = shapes(d, jnp.zeros((4, *shape)), label)
    assert verdict.logits.shape == (4,) and verdict.features.shape == (4, 4)
    seen = [name for name in variables['params'] if name.endswith('image')]
    assert len(seen) == (stages if architecture == 'skip' else 1)


def test_only_the_highest_stages_are_of_low_precision():
    options = {'shape': (16, 16, 3), 'compute_dtype': 'bfloat16', 'half': 1}
    g, d = generator(**options), stylegan2.Discriminator(**SMALL | options)
    assert g.dtypes() == ('float32', 'float32', 'bfloat16')
    assert generator(**options | {'half': 9}).dtypes() == ('float32', 'bfloat16', 'bfloat16')
    net = started(g, jnp.zeros((2, 4)))
    z = jax.random.normal(KEY, (2, 4))
    images = jax.jit(lambda: apply(g, net, z)[0])()
    assert images.dtype == jnp.float32
    wide = generator(**options | {'compute_dtype': 'float32'})
    full = jax.jit(lambda: apply(wide, net, z)[0])()
    np.testing.assert_allclose(images, full, atol=0.05 * abs(full).max())
    net = started(d, jnp.zeros((4, 16, 16, 3)))
    logits = jax.jit(lambda: apply(d, net, jnp.ones((4, 16, 16, 3)))[0].logits)()
    assert logits.dtype == jnp.float32 and jnp.isfinite(logits).all()


def test_evaluation_is_of_full_precision():
    class Told(Base):
        def __call__(self, x, *, train):
            return x.astype(self.compute_dtype)

    net, x = Net({}, {}, None, None), jnp.ones(2)
    assert apply_averaged(Told(compute_dtype='bfloat16'), net, x).dtype == jnp.float32


def test_activations_are_bounded():
    g = generator(clamp=1e-3, architecture='plain')
    net = started(g, jnp.ones((2, 4)))
    images = jax.jit(lambda: g.apply(net.variables, jnp.ones((2, 4)), train=False))()
    assert 0 < abs(images).max() <= 1e-3


def test_noise_is_drawn_for_each_example_and_starts_at_nothing():
    g, z = generator(mixing=0.0), jnp.ones((3, 4))
    net = started(g, z)
    keys = jax.random.split(KEY, 3)

    @functools.partial(jax.jit, static_argnums=1)
    def images(net, noise, keys=keys):
        return g.apply(net.variables, z, train=False, noise=noise, keys=keys)

    modes = [images(net, noise) for noise in ('const', 'random', 'none')]
    np.testing.assert_array_equal(modes[0], modes[1])
    np.testing.assert_array_equal(modes[0], modes[2])
    louder = jax.tree_util.tree_map_with_path(
        lambda path, x: x + 1.0 if path[-1].key == 'strength' else x, net.params
    )
    net = net.replace(params=louder)
    const, drawn, none = (images(net, noise) for noise in ('const', 'random', 'none'))
    for a, b in ((const, drawn), (const, none), (drawn, none)):
        assert not np.allclose(a, b, atol=1e-3)
    np.testing.assert_allclose(const[0], const[1], atol=1e-5)
    assert not np.allclose(drawn[0], drawn[1], atol=1e-3)
    np.testing.assert_allclose(images(net, 'random', keys[::-1]), drawn[::-1], atol=1e-5)


def test_styles_are_mixed_from_a_layer_on():
    ws, others = jnp.zeros((2000, 6, 2)), jnp.ones((2000, 2))
    found = mixed(ws, others, 0.5, jax.random.split(KEY, 2000))[..., 0]
    own = (found == 0).sum(1)
    assert (np.sort(found, axis=1) == found).all() and own.min() == 1 and own.max() == 6
    assert abs((own < 6).mean() - 0.5) < 0.05
    np.testing.assert_allclose(np.bincount(own)[1:6] / (own < 6).sum(), 0.2, atol=0.05)
    np.testing.assert_array_equal(mixed(ws, others, 0.0, jax.random.split(KEY, 2000)), ws)


def test_truncation_pulls_the_first_layers_to_the_mean():
    ws, mean = np.asarray(jax.random.normal(KEY, (2, 6, 3))), np.float32([1, 2, 3])
    np.testing.assert_array_equal(truncate(ws, mean, 1.0, None), ws)
    np.testing.assert_allclose(truncate(ws, mean, 0.0, None), np.broadcast_to(mean, ws.shape))
    found = truncate(ws, mean, 0.5, 2)
    np.testing.assert_array_equal(found[:, 2:], ws[:, 2:])
    np.testing.assert_allclose(found[:, :2], (ws[:, :2] + mean) / 2, rtol=1e-5)


def test_the_mean_of_w_moves_in_training_alone():
    g, z = generator(w_decay=0.75), jax.random.normal(KEY, (8, 4))
    net = started(g, z)
    assert not net.extra['w_avg']['mean'].any()
    keys = jax.random.split(KEY, 8)
    after = jax.jit(lambda: apply(g, net, z, keys=keys, method='styles')[1])()
    w = g.apply(net.variables, z, train=False, method='styles')[:, 0]
    np.testing.assert_allclose(after.extra['w_avg']['mean'], 0.25 * w.mean(0), rtol=1e-5)
    chex.assert_trees_all_equal(after.extra['noise'], net.extra['noise'])


@pytest.fixture(scope='module')
def game():
    node = models.node(
        'stylegan2',
        prior='normal',
        g={'z_dim': 4, 'w_dim': 6, 'layers': 1, 'width': 4},
        d={'layers': 1, 'width': 4, 'stddev_group': 2},
    )
    algorithm = tiny(model=node)
    shapes = jax.eval_shape(algorithm.init, KEY)
    state = jax.tree_util.tree_map_with_path(drawn, shapes)
    ema = dict(state.nets['g'].ema)
    ema['params'] = jax.tree_util.tree_map_with_path(
        lambda path, x: x + 1.0 if path[-1].key == 'strength' else x, ema['params']
    )
    nets = {**state.nets, 'g': state.nets['g'].replace(ema=ema)}
    return algorithm, state.replace(nets=nets)


def test_sampling_options(game):
    algorithm, state = game
    maker = algorithm.makers()['g']
    assert maker.options == {'truncation': None, 'psi': 1.0, 'cutoff': None, 'noise': 'const'}

    def made(n=4, **options):
        chosen = {**maker.options, **options}
        draw = jax.jit(maker.make, static_argnums=2, static_argnames=tuple(chosen))
        return np.asarray(draw(state, KEY, n, **chosen))

    plain = made()
    for options in ({'psi': 0.5, 'cutoff': 1}, {'noise': 'none'}):
        assert not np.allclose(plain, made(**options), atol=1e-4)
    one = made(psi=0.0, noise='none')
    np.testing.assert_allclose(one[0], one[1], atol=1e-5)
    drawn = made(noise='random')
    np.testing.assert_allclose(drawn[:2], made(2, noise='random'), atol=1e-5)
    assert not np.allclose(plain, drawn, atol=1e-4)
    z = maker.spaces['z'].draw(state, KEY, 4, **maker.options)
    images = jax.jit(lambda: maker.spaces['z'].synthesize(state, z, None, **maker.options))()
    np.testing.assert_allclose(images, plain, atol=1e-5)


def test_w_is_a_space_that_z_leads_to(game):
    algorithm, state = game
    maker = algorithm.makers()['g']
    z, w = maker.spaces.values()
    assert [*maker.spaces] == ['z', 'w'] and w.down is None
    options = {**maker.options, 'psi': 0.5, 'noise': 'none'}
    latents = z.draw(state, KEY, 4, **options)

    @jax.jit
    def run(latents):
        ws = z.down(state, latents, None, **options)
        drawn = w.draw(state, KEY, 4, **options)
        made = [w.synthesize(state, ws, None, **options)]
        return ws, drawn, [*made, z.synthesize(state, latents, None, **options)]

    ws, drawn, (by_w, by_z) = run(latents)
    assert ws.shape == (4, 4, 6)
    np.testing.assert_allclose(drawn, ws, rtol=1e-5)
    np.testing.assert_allclose(by_w, by_z, atol=1e-5)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'psi': 'much'}, "psi='much' is not allowed"),
        ({'cutoff': 5}, 'cutoff=5 is not allowed: it must be an int from 0 to 4'),
        ({'noise': 'some'}, "unknown noise 'some'.*; available: const, random, none"),
    ],
)
def test_options_that_cannot_be_are_refused(game, options, message):
    algorithm, state = game
    maker = algorithm.makers()['g']
    with pytest.raises(UserError, match=message) as refusal:
        jax.eval_shape(lambda: maker.make(state, KEY, 2, **{**maker.options, **options}))
    assert '\n' not in str(refusal.value)


@pytest.mark.parametrize(
    ('module', 'message'),
    [
        (generator(shape=(33, 33, 3)), 'size 33x33: a StyleGAN2 doubles .*; allowed: 32'),
        (generator(architecture='resnet'), "unknown architecture 'resnet'.*; available: plain"),
        (stylegan2.Discriminator(**SMALL, stddev_group=1), 'stddev_group=1 has no deviation'),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(module, message):
    with pytest.raises(UserError, match=message) as refusal:
        module.check()
    assert '\n' not in str(refusal.value)


def test_a_conditional_one_needs_a_label():
    with pytest.raises(UserError, match='needs a label for every example'):
        shapes(generator(num_classes=3), jnp.zeros((2, 4)))
