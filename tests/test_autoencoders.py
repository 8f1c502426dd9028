"""Autoencoders: losses in closed form, what learns from what, ages, and pictures of latents."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import runs
from PIL import Image
from test_steps import context

from gan_jax import config as configs
from gan_jax import models, train
from gan_jax.algorithms.vae import divergence
from gan_jax.core import strokes
from gan_jax.core.optim import defaults
from gan_jax.data import image_spec
from gan_jax.errors import UserError
from gan_jax.models.caae import ordinal
from gan_jax.pictures import save_png

SHAPE, CLASSES, KEY = (6, 6, 1), 3, jax.random.key(0)
PARTS = {
    'vae': {'encoder': {'hidden': (5,)}, 'decoder': {'hidden': (5,)}},
    'aae': {'encoder': {'hidden': (5,)}, 'decoder': {'hidden': (5,)}, 'd_z': {'hidden': (5,)}},
    'caae': {
        'encoder': {'hidden': (5,), 'z_dim': 4},
        'decoder': {'hidden': (5,)},
        'd_z': {'hidden': (5,)},
        'd': {'hidden': (5,)},
        'classes': CLASSES,
    },
}


def config_of(name, **changes):
    """Return the config of a tiny autoencoder, trained by plain descent."""
    config = configs.base(name)
    config.update({'batch_size': 8, 'devices': 1, 'duration': '100st'})
    config.data.range = '[0,1]'
    config.model = models.node(name, **PARTS[name])
    config.optim = {part: {**defaults('sgd'), 'lr': 0.1, 'momentum': 0.0} for part in config.optim}
    config.update_from_flattened_dict(changes)
    return config


def built(name, **changes):
    """Return the procedure of a tiny autoencoder."""
    config = config_of(name, **changes)
    configs.validate(config)
    spec = image_spec(SHAPE, classes=map(str, range(CLASSES)))
    return configs.algorithm(config).build(configs.resolve(config, 100), spec)


def batch(n=8):
    draw = np.random.default_rng(0)
    label = (np.arange(n) % CLASSES).astype(np.int32)
    return {'image': draw.uniform(size=(n, *SHAPE)).astype(np.float32), 'label': label}


def empty(state):
    """Return a state whose parameters are all 0."""
    nets = {
        name: net.replace(params=jax.tree.map(jnp.zeros_like, net.params))
        for name, net in state.nets.items()
    }
    return state.replace(nets=nets)


def mean(metric):
    return float(metric.total / metric.count)


def test_the_divergence_is_that_of_normal_distributions():
    m, v = np.array([0.5, -1.0]), np.array([2.0, 0.25])
    expected = 0.5 * (v + m**2 - 1 - np.log(v)).sum()
    np.testing.assert_allclose(divergence(m[None], np.log(v)[None]), [expected], rtol=1e-6)
    assert divergence(jnp.zeros((1, 3)), jnp.zeros((1, 3))) == 0
    # against the mean of log q - log p over draws
    x = m + np.sqrt(v) * np.random.default_rng(0).normal(size=(400_000, 2))
    q = -0.5 * ((x - m) ** 2 / v + np.log(v))
    assert (q + 0.5 * x**2).sum(1).mean() == pytest.approx(expected, rel=0.01)


def test_the_bound_of_networks_that_say_nothing_is_a_bit_for_each_pixel():
    algorithm = built('vae')
    state = empty(algorithm.init(KEY))
    means = {k: mean(m) for k, m in algorithm.validate(state, batch(), KEY).items()}
    bits = 36 * np.log(2)
    assert means == pytest.approx({'loss': bits, 'reconstruction': bits, 'kl': 0}, rel=1e-5)
    bias = {'bias': jnp.array([1.0, 2.0]), 'kernel': jnp.zeros((5, 2))}
    encoder = state.nets['encoder']
    told = encoder.replace(params={**encoder.params, 'mean': bias})
    moved = state.replace(nets={**state.nets, 'encoder': told})
    means = {k: mean(m) for k, m in algorithm.validate(moved, batch(), KEY).items()}
    assert means['kl'] == pytest.approx(2.5) and means['loss'] == pytest.approx(bits + 2.5)
    weighted = built('vae', beta=4.0).validate(moved, batch(), KEY)
    assert mean(weighted['loss']) == pytest.approx(bits + 10)
    np.testing.assert_allclose(algorithm.encode(moved, batch()['image'])[0], [1, 2])


@pytest.mark.parametrize(('width', 'length'), [(1, 20), (2, 20), (3, 20), (5, 21), (4, 8)])
def test_the_thickness_of_a_bar_is_its_width(width, length):
    bar = np.zeros((1, 28, 28, 1), np.float32)
    bar[0, 3 : 3 + length, 10 : 10 + width] = 1
    for image in (bar, bar.transpose(0, 2, 1, 3)):  # one corner of its outline is cut
        np.testing.assert_allclose(strokes.thickness(image), [width], rtol=0.1)
    if width > 1:  # half bright borders; a line of one pixel would be two half bright ones
        between = 0.5 * bar + 0.5 * np.roll(bar, 1, 2)
        np.testing.assert_allclose(strokes.thickness(between), [width], rtol=0.2)
    assert strokes.thickness(np.zeros((1, 28, 28, 1))) == 0


def test_strokes_are_in_the_order_of_their_thickness():
    y, x = np.indices((28, 28)) - 13.5
    rings = [np.clip(w / 2 + 0.5 - abs(np.hypot(y, x) - 8), 0, 1) for w in (1.5, 2, 3, 4, 5)]
    found = np.asarray(strokes.thickness(np.stack(rings)[..., None].astype(np.float32)))
    np.testing.assert_allclose(found, [1.5, 2, 3, 4, 5], rtol=0.05)
    assert (np.diff(found) > 0).all()


def test_ages_are_told_in_their_order():
    np.testing.assert_array_equal(ordinal(jnp.array([0, 1, 2]), 3), [[-1, -1], [1, -1], [1, 1]])


def test_each_update_leaves_the_other_networks_bit_identical():
    algorithm, given = built('caae'), batch()
    start = algorithm.init(KEY)
    updates = {
        'd': (['d'], algorithm.d_losses),
        'd_z': (['d_z'], algorithm.d_z_losses),
        'decoder': (['encoder', 'decoder'], algorithm.losses),
    }

    @jax.jit
    def all_of_them(state):
        return [algorithm.learn(state, *u, given, KEY, 'x')[0].nets for u in updates.values()]

    for (names, _), nets in zip(updates.values(), all_of_them(start), strict=True):
        for name, net in nets.items():
            same = jax.tree.map(lambda a, b: bool((a == b).all()), net, start.nets[name])
            assert all(jax.tree.leaves(same.params)) == (name not in names)


def test_images_at_all_ages_and_whether_they_are_in_order():
    algorithm = built('caae', measure='thickness')
    state = empty(algorithm.init(KEY))
    images = batch()['image']
    made = algorithm.at_all_ages(state, images)
    assert made.shape == (8, CLASSES, *SHAPE) and (made == 0.5).all()
    assert mean(algorithm.validate(state, batch(), KEY)['ordered']) == 0
    assert algorithm.grid(state, KEY, batch()).shape == (8, 1 + CLASSES, *SHAPE)
    # a decoder that draws one row more at each age
    decoder = state.nets['decoder']
    first = jnp.zeros((4 + 2 * (CLASSES - 1), 5)).at[4:6, 0:2].set(jnp.eye(2))
    row = jnp.full((5, 6, 6), 0.0).at[0, 2, 1:5].set(40.0).at[1, 3, 1:5].set(40.0)
    bias = jnp.full((6, 6), -20.0).at[1, 1:5].set(20.0)
    params = {
        'layer_0': {'kernel': first, 'bias': jnp.zeros(5)},
        'out': {'kernel': row.reshape(5, 36), 'bias': bias.ravel()},
    }
    chex.assert_trees_all_equal_shapes(params, decoder.params)
    drawing = state.replace(nets={**state.nets, 'decoder': decoder.replace(params=params)})
    assert mean(algorithm.validate(drawing, batch(), KEY)['ordered']) == 1


def test_makers_give_images_back_and_sample_the_prior():
    algorithm = built('caae', **{'model.prior': 'uniform'})
    state = jax.eval_shape(algorithm.init, KEY)
    makers = algorithm.makers()
    for name in ('reconstruction', 'prior'):

        def make(state, maker=makers[name]):
            return maker.make(state, KEY, 5, {'image': batch(5)['image']}, None)

        assert jax.eval_shape(make, state).shape == (5, *SHAPE)
    drawn = algorithm.draw(state, KEY, 1000)
    assert drawn.shape == (1000, 4) and abs(np.asarray(drawn)).max() <= 1
    np.testing.assert_array_equal(drawn[:10], algorithm.draw(state, KEY, 10))


def test_what_cannot_be_is_refused_in_one_line():
    with pytest.raises(UserError, match=r'model\.classes=0 is not allowed: set it to the number'):
        built('caae', **{'model.classes': 0})
    with pytest.raises(UserError, match=r"data\.range='\[-1,1\]' is not allowed: an autoencoder"):
        built('aae', **{'data.range': '[-1,1]'})


@pytest.mark.parametrize('name', ['aae', 'caae'])
def test_a_step_keeps_the_state_s_structure(name):
    algorithm = built(name)
    state = jax.eval_shape(algorithm.init, KEY)
    step = jax.eval_shape(algorithm.train_step, state, batch(), context(KEY))
    chex.assert_trees_all_equal_shapes_and_dtypes(step[0], state)
    assert {'loss', 'reconstruction', 'latent_loss', 'd_z_loss'} <= set(step[1])


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Return the folder of a variational autoencoder of digits, and its config."""
    folder = tmp_path_factory.mktemp('latents') / 'run'
    for i, image in enumerate(np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)):
        save_png(folder.parent / 'data' / ('train', 'test')[i % 2] / str(i % 4) / f'{i}.png', image)
    config = config_of('vae', duration='2st')
    config.data.update({'name': 'folder', 'path': str(folder.parent / 'data'), 'split': 'train'})
    config.eval.update({'split': 'test', 'batch_size': 20})
    config.checkpoint.best = 'val_loss'
    train.train(config, folder)
    return folder


def test_latents_are_drawn_and_the_split_is_measured(run):
    assert runs.metrics(run)[-1]['val_loss'] == pytest.approx(64 * np.log(2), rel=0.1)
    status, out, error = runs.call(f'--mode=latents --workdir={run} --num=20 --side=3 --columns=4')
    assert (status, error) == (0, '') and 'scatter.png and manifold.png of 20 examples' in out
    where = run / 'latents'
    with np.load(where / 'latents.npz') as arrays:
        assert arrays['z'].shape == (20, 2) and arrays['label'].shape == (20,)
    sizes = {}
    for path in where.glob('*.png'):
        with Image.open(path) as picture:
            sizes[path.stem] = picture.size
    # 8x8 digits are shown eight times as large, with lines of two pixels
    assert sizes['manifold'] == (3 * 66 + 2,) * 2
    assert sizes['reconstructions'] == (4 * 66 + 2, 2 * 66 + 2) and 'scatter' in sizes


def test_a_model_that_encodes_nothing_has_no_latents_to_show(tmp_path):
    train.train(runs.small(duration='1st', steps_per_call=1), tmp_path)
    status, _, error = runs.call(f'--mode=latents --workdir={tmp_path}')
    assert status == 2 and "algorithm='gan' does not read latents out of images" in error
