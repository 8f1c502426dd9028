"""The dry run says what a run takes, and so do the flags beside it refuse what they cannot be."""

import math

import jax
import numpy as np
import pytest

from gan_jax import config as configs
from gan_jax import models
from gan_jax.data import synthetic
from gan_jax.errors import UserError
from gan_jax.modes import dryrun
from gan_jax.training import measure
from gan_jax.training.run import open_run


def config(**changes):
    """Return a small config without data."""
    found = configs.base()
    found.batch_size, found.devices, found.duration = 8, 1, '800img'
    found.model = models.node(
        'mlp', prior='normal', g={'z_dim': 4, 'hidden': (8,)}, d={'hidden': (8,)}
    )
    found.update_from_flattened_dict(changes)
    return found


def test_a_dry_run_prints_what_a_run_takes(capsys):
    found = dryrun.show(config(), shape='4x4x1', rate=100.0)
    printed = capsys.readouterr().out
    assert 'Generator' in printed and 'Discriminator' in printed and '(given)' in printed
    assert 'expected time          0:00:08' in printed
    # weights and biases of 4 -> 8 -> 16 and of 16 -> 8 -> 1
    assert found.parameters == {'g': 4 * 8 + 8 + 8 * 16 + 16, 'd': 16 * 8 + 8 + 8 + 1}
    assert found.seconds == 8.0 and found.images == 800
    # parameters and Adam's two moments, and a few counters
    numbers = 3 * sum(found.parameters.values())
    assert 4 * numbers < found.checkpoint <= 4 * (numbers + 8)
    assert found.memory.arguments > found.checkpoint and found.fits


def test_a_rate_is_measured_where_none_is_given():
    found = dryrun.estimate(open_run(config(), synthetic.Source((4, 4, 1))))
    assert found.images_per_second > 0 and math.isfinite(found.seconds)


def test_flops_are_those_of_the_layers_and_leave_accumulation_out():
    def flops(**changes):
        stepper = measure.Stepper(open_run(config(**changes), synthetic.Source((16, 16, 1))))
        return measure.flops_per_image(stepper.run, stepper.runner)

    once = flops()
    # The wide matrices count: 8 x 256 of G four times (twice forwards, in G's step also back and
    # to the kernel), 256 x 8 of D three times forwards and six times backwards at most.
    product = 2 * 8 * 256
    assert 8 * product < once < 20 * product
    assert flops(accumulate=2) == pytest.approx(once, rel=1e-6)
    assert flops(seeds=3) == pytest.approx(3 * once, rel=1e-6)


def test_a_step_that_does_not_fit_is_said_not_to():
    memory = measure.Memory(arguments=60, temporary=50, output=60, shared=60)
    found = dryrun.Estimate({'g': 1}, 1.0, memory, 1, 1, 1.0, 100, 'toy')
    assert memory.peak == 110 and found.fits is False
    assert any('does not fit' in text for _, text in dryrun.rows(found, given=True))
    assert found._replace(capacity=0).fits is None


def test_an_epoch_is_as_long_as_the_data_or_asked_for(tmp_path):
    np.save(tmp_path / 'x.npy', np.zeros((30, 4, 4), np.uint8))
    array = {'data.name': 'array', 'data.path': str(tmp_path / 'x.npy'), 'duration': '3ep'}
    assert dryrun.show(config(**array), '4x4x1', rate=1.0).images == 90
    assert dryrun.show(config(duration='2ep'), '4x4x1', rate=1.0).images == 2 * 1797
    assert dryrun.show(config(**array), '7x4x4x1', rate=1.0).images == 21
    absent = config(**{**array, 'data.path': str(tmp_path / 'nowhere.npy')})
    with pytest.raises(UserError, match=r"images of data.name='array' is unknown: write --shape=N"):
        dryrun.show(absent, '4x4x1', rate=1.0)
    absent.duration = '80img'
    assert dryrun.show(absent, '4x4x1', rate=1.0).images == 80


@pytest.mark.parametrize('shape', ['4', '4x4', '0x4x1', '4x4x1x1x1', 'axbxc', '4x4x1 '])
def test_a_bad_shape_is_refused(shape):
    with pytest.raises(UserError, match='write HxWxC'):
        synthetic.like(config(), shape)


def test_shapes_are_known_without_data():
    assert synthetic.like(config()).spec.shape == (8, 8, 1)
    sized = config(**{'data.name': 'folder', 'data.size': '12x16', 'data.channels': 1})
    assert synthetic.like(sized).spec.shape == (12, 16, 1)
    tfds = config(**{'data.name': 'tfds', 'data.dataset': 'cifar10'})
    assert synthetic.like(tfds).spec.shape == (32, 32, 3)
    assert len(synthetic.like(config(), '500x4x4x3')) == 500
    with pytest.raises(UserError, match='--shape=HxWxC'):
        synthetic.like(config(**{'data.name': 'folder'}))


def test_synthetic_examples_repeat_and_have_labels():
    source = synthetic.Source((4, 4, 1), 3000, num_classes=5)
    assert (source[7]['image'] == source[7 + synthetic.DISTINCT]['image']).all()
    assert 0 <= source[2999]['label'] < 5
    batch = source.batch(jax.numpy.arange(4).__array__())
    assert batch['image'].shape == (4, 4, 4, 1) and batch['label'].shape == (4,)
