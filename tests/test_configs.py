"""Every file in configs/: it loads, is valid, says how to run it, and its step has a shape."""

import importlib.util
import subprocess
import sys

import jax
import numpy as np
import pytest
from conftest import ROOT
from test_models import SYSTEMS
from test_steps import context

from gan_jax import config as configs
from gan_jax import config_file
from gan_jax.data import Spec, image_spec
from gan_jax.errors import UserError
from gan_jax.pictures import save_png

FILES = sorted((ROOT / 'configs').glob('*.py'))

# Shape of the images, and classes; the networks' parameters are counted in test_models.py.
DATA = {
    **{name: source[:2] for name, source in SYSTEMS.items()},
    'dcgan_folder': ((64, 64, 3), 0),
    'r3gan_cifar10': ((32, 32, 3), 10),
    'r3gan_celeba': ((64, 64, 3), 0),
    **dict.fromkeys(
        ('dcgan_stackedmnist', 'wgangp_stackedmnist', 'r3gan_stackedmnist'), ((32, 32, 3), 1000)
    ),
    'r3gan_folder': ((64, 64, 3), 0),
    **dict.fromkeys(('progan_celeba', 'progancourse_celeba', 'progan_folder'), ((64, 64, 3), 0)),
    'progan_celeba128': ((128, 128, 3), 0),
    'stylegan_celeba': ((64, 64, 3), 0),
    'speedrun_celeba': ((64, 64, 3), 0),
    'stylegan2_cifar10': ((32, 32, 3), 10),
    'stylegan2_celeba': ((64, 64, 3), 0),
    'stylegan2_folder': ((64, 64, 3), 0),
    'cgan_mnist': ((28, 28, 1), 10),
    'classifier_celeba': ((64, 64, 3), 2),
    **dict.fromkeys(('wgan_cifar10', 'acgan_cifar10', 'ssgan_svhn'), ((32, 32, 3), 10)),
    'lsgan_celeba': ((64, 64, 3), 0),
    'ssgan_mnist': ((28, 28, 1), 10),
    'mlp_digits': ((8, 8, 1), 10),
    **dict.fromkeys(('sngan_cifar10', 'wgangp_cifar10', 'biggan_cifar10'), ((32, 32, 3), 10)),
    **dict.fromkeys(('sngan_celeba', 'wgangp_celeba', 'sagan_celeba'), ((64, 64, 3), 0)),
    'autoencoder_digits': ((8, 8, 1), 10),
    'mlp_ring': ((2,), 8),
    'mlp_grid': ((2,), 25),
    'caae_utkface': ((64, 64, 3), 10),
    'cyclegan_summer2winter': ((128, 128, 3), 0),
    'cyclegancourse_summer2winter': ((128, 128, 3), 0),
    'cyclegan_horse2zebra': ((256, 256, 3), 0),
    'pix2pix_facades': ((256, 256, 3), 0),
    'r3gan_facades': ((256, 256, 3), 0),
    **dict.fromkeys(('cyclegan_folder', 'pix2pix_folder', 'pix2pix_edges'), ((64, 64, 3), 0)),
}
# Fields of the data of algorithms that read other ones than an image, the main one last.
FIELDS = {'cyclegan': ('a', 'b'), 'pix2pix': ('input', 'target')}


@pytest.fixture(scope='session')
def pictures(tmp_path_factory):
    """Return a folder of images, for the config that looks at them."""
    folder = tmp_path_factory.mktemp('pictures')
    for i in range(4):
        for part in ('all', 'sets/trainA', 'sets/trainB'):
            save_png(folder / part / f'{i}.png', np.full((64, 64, 3), 60 * i, np.uint8))
    return folder / 'all'


def built(path, pictures=''):
    """Return a config, its algorithm, and the shapes of its state and of one batch."""
    config = config_file.load(path)
    config.devices = 1
    if path.stem.endswith(('_folder', '_edges')):
        two = config.data.name in ('pairs', 'unpaired')
        config.data.path = str(pictures and (pictures.parent / 'sets' if two else pictures))
    config_file.complete(path, config)
    configs.validate(config)
    shape, classes = DATA.get(path.stem, ((28, 28, 1), 10))
    resolved = configs.resolve(config, 10_000)
    spec = image_spec(shape, classes=map(str, range(classes)))
    fields = FIELDS.get(config.algorithm, ('image',))
    if config.algorithm in FIELDS:
        spec = Spec(dict.fromkeys(fields, spec.fields['image']), fields[-1])
    algorithm = configs.algorithm(config).build(resolved, spec)
    state = jax.eval_shape(algorithm.init, jax.random.key(0))
    batch = {
        **{f: jax.ShapeDtypeStruct((config.batch_size, *shape), 'float32') for f in fields},
        'label': jax.ShapeDtypeStruct((config.batch_size,), 'int32'),
    }
    return config, algorithm, state, batch


@pytest.mark.parametrize('path', FILES, ids=lambda p: p.stem)
def test_a_step_has_the_shape_of_its_state(path, pictures):
    _, algorithm, state, batch = built(path, pictures)
    after, metrics = jax.eval_shape(algorithm.train_step, state, batch, context(jax.random.key(0)))
    assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == jax.tree.map(
        lambda x: (x.shape, x.dtype), state
    )
    assert metrics and all(m.total.shape == () for m in metrics.values())


@pytest.mark.parametrize('path', FILES, ids=lambda p: p.stem)
def test_a_config_says_how_it_is_run(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    command = 'python launch.py' if path.stem == 'mlp_digits' else f'--config=configs/{path.name}'
    assert command in module.__doc__
    assert f'`{path.stem}`' in (ROOT / 'README.md').read_text()
    assert f'\n| `{path.stem}` |' in (ROOT / 'docs' / 'results.md').read_text()


@pytest.mark.parametrize(('size', 'gamma'), [('64', 2.0), ('256', 150.0), ('64x256', 17.3205)])
def test_gamma_follows_from_the_size_of_the_images(size, gamma, pictures, capsys):
    path = ROOT / 'configs' / 'r3gan_folder.py'
    config = config_file.load(path)
    config.data.update({'path': str(pictures), 'size': size})
    config_file.complete(path, config)
    for name in ('r1', 'r2'):
        assert config.terms[name].weight.first == pytest.approx(gamma)
        assert config.terms[name].weight.final == pytest.approx(gamma / 10)
    assert capsys.readouterr().out.startswith(f'gamma {gamma:.3g}, falling to {gamma / 10:.3g}')
    config.terms.r1.weight.first = 1.0
    config_file.complete(path, config)
    assert config.terms.r2.weight.first == 1.0 and not capsys.readouterr().out


@pytest.mark.parametrize(
    ('size', 'batch_size', 'factors'),
    [('64', 32, (4, 4, 4, 2, 1)), ('128', 16, (8, 8, 8, 4, 2, 1)), ('48x80', 40, (3, 3, 2, 1))],
)
def test_batches_of_a_growing_gan_follow_from_the_size_of_the_images(
    size, batch_size, factors, pictures
):
    path = ROOT / 'configs' / 'progan_folder.py'
    config = config_file.load(path)
    config.data.update({'path': str(pictures), 'size': size})
    config_file.complete(path, config)
    assert (config.batch_size, config.growth.batch) == (batch_size, factors)


def test_gamma_of_stylegan2_is_the_published_one(pictures, capsys):
    path = ROOT / 'configs' / 'stylegan2_folder.py'
    config = config_file.load(path)
    config.data.update({'path': str(pictures), 'size': '64x128'})
    config_file.complete(path, config)
    assert config.terms.r1.weight == pytest.approx(0.0002 * 64 * 128 / 32)
    assert capsys.readouterr().out.startswith('gamma 0.0512 for 64x128 in batches of 32')
    config.terms.r1.weight = 1.0
    config_file.complete(path, config)
    assert config.terms.r1.weight == 1.0 and not capsys.readouterr().out


def test_one_key_of_r3gan_sets_what_belongs_together():
    config = config_file.load(ROOT / 'configs' / 'r3gan_cifar10.py')
    config.update_from_flattened_dict(
        {'model.g.size': 'S', 'optim.g.lr.stop': '9kimg', 'terms.r1.weight.first': 0.5}
    )
    config = configs.settled(config)
    stops = (config.optim.d.b2, config.terms.r2.weight, config.terms.ada.p, config.ema.half_life)
    assert config.model.d.size == 'S' and {node.stop for node in stops} == {'9kimg'}
    assert config.terms.r2.weight.first == 0.5 and config.terms.r2.weight.final == 0.05


def test_a_saved_config_is_the_config(tmp_path):
    from gan_jax.training.workdir import check_workdir, opened, read_config

    for path in FILES:
        config = configs.settled(config_file.load(path))
        with opened(tmp_path / path.stem, config, dict, False):
            pass
        saved = read_config(tmp_path / path.stem)
        assert configs.differences(saved, config) == ([], [])
        check_workdir(tmp_path / path.stem, config, dict)


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('steps_per_call', 0, 'steps_per_call=0 is not allowed: it must be an int, at least 1'),
        ('checkpoint.best_mode', 'mni', "checkpoint.best_mode 'mni' .*did you mean 'min'"),
        (
            'loss.batching',
            'mix',
            "unknown loss.batching 'mix'.*; available: two_batches, one_batch",
        ),
        ('loss.real', (1.0, 0.5), r'loss\.real=\(1\.0, 0\.5\) is not allowed'),
        ('loss.flip', 1.5, 'a probability, at least 0 and at most 1'),
        ('ema.ramp', -1.0, r'ema\.ramp=-1\.0 is not allowed'),
        ('optim.g.lr', -1.0, r'optim\.g\.lr=-1\.0 is not allowed'),
        ('sample.every', 'often', 'sample.every=.* it must be a period such as'),
    ],
)
def test_values_out_of_range_are_refused(key, value, message):
    config = configs.base()
    config.update_from_flattened_dict({key: value})
    with pytest.raises(UserError, match=message) as refusal:
        configs.validate(config)
    assert '\n' not in str(refusal.value)


def test_a_derived_config_loads_from_any_program(tmp_path):
    code = (
        'import pathlib, sys; from gan_jax.config_file import load; load(pathlib.Path(sys.argv[1]))'
    )
    config = str(ROOT / 'configs' / 'dcgan64_cifar10.py')
    subprocess.run([sys.executable, '-c', code, config], cwd=tmp_path, check=True)
