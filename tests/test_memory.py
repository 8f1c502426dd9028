"""A run is held against the memory there is, from shapes alone, before anything is made."""

import math

import numpy as np
import pytest
import runs

from gan_jax.data import geometry, synthetic
from gan_jax.data.in_memory import InMemory
from gan_jax.errors import UserError
from gan_jax.training import measure, memory
from gan_jax.training.inference import Trained
from gan_jax.training.run import open_run


def opened(shape=(8, 8, 1), **changes):
    """Return a run on random images, and what tracing its init shows."""
    run = open_run(runs.small(**changes), synthetic.Source(shape, 100, 10))
    return run, memory.trace(run.algorithm, run.key)


def sizes(*args, **changes):
    return {part.what: part.size for part in memory.parts(*opened(*args, **changes))}


def test_parts_are_what_a_run_holds():
    found = sizes()
    weights = 4 * 8 + 8 + 8 * 64 + 64
    # parameters, their average, Adam's two moments and the gradient, and the moments' counts
    assert 5 * 4 * weights <= found["network 'g'"] <= 5 * 4 * weights + 64
    assert found["network 'd'"] < 4.1 * 4 * (64 * 8 + 8 + 8 + 1)
    assert found['data'] == 100 * (64 + 4)
    # of 16 images: layers of 8 and 64 numbers; the activation between them calls no module
    assert found['activations'] == 16 * 4 * (8 + 64)
    assert found['pictures'] == 4 * 64 * 4 + (2 * 66 + 2) ** 2 * 3


def test_what_makes_a_part_larger():
    plain = sizes()
    assert sizes(accumulate=4)['activations'] == plain['activations'] // 4
    assert sizes(precision='bfloat16')['activations'] == plain['activations'] // 2
    assert sizes(batch_size=32)['activations'] == 2 * plain['activations']
    assert sizes(**{'data.device_cache_mb': 0})['data'] == 0
    # four steps a call of 16 images, on the host and on the device, and what networks see of one
    assert sizes(**{'data.device_cache_mb': 0})['batches'] == 2 * 4 * 16 * 68 + 16 * (256 + 4)
    two = sizes(devices=2)
    assert two["network 'g'"] == 2 * plain["network 'g'"]
    assert two['activations'] == plain['activations']


@pytest.mark.parametrize('algorithm', ['gan', 'autoencoder', 'classifier'])
def test_no_run_is_thought_larger_than_its_compiled_step(algorithm):
    changes = {'autoencoder': {'data.range': '[0,1]'}, 'classifier': {'model.classes': 10}}
    config = runs.small(algorithm, batch_size=64, **changes.get(algorithm, {}))
    config.devices = 1
    run = open_run(config, synthetic.Source((16, 16, 1), 100, 10))
    stepper = measure.Stepper(run)
    traced = memory.trace(run.algorithm, run.key)
    found = {part.what: part.size for part in memory.parts(run, traced)}
    assert 0 < sum(found.values()) - found['pictures'] <= measure.memory(stepper).peak
    stepper.close()


def test_a_refusal_names_the_parts_the_place_and_the_key():
    found = [
        memory.Part('terms', 10, 'terms'),
        memory.Part('network', 3 * 10**9, 'model.g'),
        memory.Part('batches', 2 * 10**9, 'batch_size'),
    ]
    with pytest.raises(UserError) as refusal:
        memory.hold(found, 4 * 10**9, 'a card')
    assert str(refusal.value) == (
        'at least 5.00 GB are needed, and a card has 4.00 GB: network 3.00 GB, batches 2.00 GB; '
        'lower model.g'
    )
    memory.hold(found, 6 * 10**9, 'a card')
    memory.hold(found, 0, 'a card of unknown size')


def test_a_container_has_what_its_group_may_have(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, 'LIMITS', (str(tmp_path / 'max'), str(tmp_path / 'none')))
    whole = memory.host()
    assert whole > 2**20
    for text, expected in (('max\n', whole), ('1048576\n', 2**20), (f'{2**63}', whole)):
        (tmp_path / 'max').write_text(text)
        assert memory.host() == expected


def test_more_examples_than_fit_are_refused_before_one_is_made(monkeypatch):
    run, traced = opened()
    trained = Trained(run.config, run.spec, run.algorithm, traced.state, 0)
    monkeypatch.setattr(memory, 'host', lambda: 10**6)
    with pytest.raises(UserError, match=r'10000 examples 1\.28 MB; lower --num'):
        trained.sample(10_000)
    with pytest.raises(UserError, match=r'160000 examples 20\.48 MB; lower --num'):
        trained.interpolate(10_000)


def test_the_shape_of_resized_images_is_known_without_resizing_one():
    images = np.zeros((2, 8, 8, 1), np.uint8)
    fit = geometry.make(size='100000x200000', channels=3)
    assert InMemory(images, None, fit, 'x').spec.shape == (100_000, 200_000, 3)
    for size, crop, channels in (('4x6', 'center', 3), ('', '1,2,3,4', 0), ('5', 'none', 2)):
        fit = geometry.make(size=size, crop=crop, channels=channels)
        assert fit.shape((8, 8, 1)) == fit.fit(images[0]).shape
    with pytest.raises(geometry.Misfit, match='has 7 channels, which cannot become 3'):
        geometry.make(channels=3).shape((8, 8, 7))


def test_random_images_of_any_shape_take_little():
    source = synthetic.Source((2**12, 2**13, 3), 5000)
    assert source.images.nbytes <= synthetic.KEPT_BYTES and len(source) == 5000
    assert math.prod(synthetic.Source((4, 4, 1), 5000).images.shape) == synthetic.DISTINCT * 16
