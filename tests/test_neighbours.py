"""The nearest training images of samples: a copy is found, and refused is what cannot be."""

import numpy as np
import pytest
import runs

from gan_jax import pictures
from gan_jax.data import geometry
from gan_jax.data.in_memory import InMemory
from gan_jax.errors import UserError
from gan_jax.metrics.features.protocol import Extractor
from gan_jax.metrics.sets import ImageSet
from gan_jax.training import neighbours


@pytest.fixture
def images():
    array = np.random.default_rng(0).integers(0, 256, (300, 4, 4, 1)).astype(np.uint8)
    return ImageSet.of('toys', '', InMemory(array, None, geometry.make(), 'image'), '[-1,1]')


def read(images, indices):
    (batch,) = images.batches(np.asarray(indices), len(indices))
    return batch.images


def test_copies_are_found_and_others_are_at_their_distance(images):
    samples = read(images, [299, 7])
    samples[1, 0, 0, 0] ^= 1  # one of 16 pixels is off by 1/255
    near = neighbours.nearest(samples, images, neighbours.pixels, 3)
    assert near.indices[:, 0].tolist() == [299, 7]
    np.testing.assert_allclose(near.distances[:, 0], [0, 1 / 255 / 4], atol=1e-7)
    everything = neighbours.pixels(read(images, range(300)))
    apart = np.sqrt(np.square(everything - neighbours.pixels(samples)[:, None]).mean(-1))
    np.testing.assert_allclose(near.distances, np.sort(apart)[:, :3], atol=1e-7)
    assert (np.diff(near.distances) >= 0).all()


def test_training_images_are_no_neighbours_of_their_own(images):
    near = neighbours.nearest(read(images, range(300)), images, neighbours.pixels, 1)
    assert near.distances.max() < 1e-6 and near.usual > 0.1


def test_features_decide_where_they_are_asked(images):
    first = Extractor('first', '', '', '', lambda x: (x[:, 0, 0].astype(np.float32), x[:, 0, 0]))
    sample = np.zeros((1, 4, 4, 1), np.uint8)
    near = neighbours.nearest(sample, images, neighbours.features(first), 1)
    everything = read(images, range(300))[:, 0, 0, 0]
    assert everything[near.indices[0, 0]] == everything.min()


def test_more_neighbours_than_images_are_refused(images):
    with pytest.raises(UserError, match='nearest=300 is not allowed: the set holds 300 images'):
        neighbours.nearest(read(images, [0]), images, neighbours.pixels, 300)


def test_the_mode_shows_a_row_for_each_sample(tmp_path):
    runs.trained(runs.small(duration='4st'), tmp_path / 'run')
    command = f'--mode=neighbours --workdir={tmp_path / "run"} --num=2 --nearest=3'
    status, out, _ = runs.call(command)
    assert status == 0 and out.count('by pixels from') == 2 and '(medians)' in out
    picture = pictures.read(tmp_path / 'run' / 'neighbours' / 'neighbours.png')
    assert picture.shape[:2] == pictures.grid_size(2, 4, 8, 8)
    status, _, err = runs.call(f'{command} --features=nothing')
    assert status == 2 and len(err.splitlines()) == 1 and 'unknown features' in err
