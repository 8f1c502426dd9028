"""config.data.labelled: which examples keep their labels, and how they come."""

import numpy as np
import pytest

from gan_jax import data
from gan_jax.data import config as sources
from gan_jax.data import pipeline as pipelines
from gan_jax.data.few_labels import few_labels
from gan_jax.data.protocol import load
from gan_jax.data.synthetic import Source
from gan_jax.errors import UserError


def digits(**changes):
    config = {**data.defaults(), 'labelled': 20, **changes}
    return data.open_source(config), config


def labels(source):
    return load(source, np.arange(len(source)))['label']


def test_as_many_of_each_class_keep_their_labels():
    source, _ = digits()
    whole = labels(data.open_source(data.defaults()))
    found = labels(source)
    known = found >= 0
    np.testing.assert_array_equal(np.bincount(found[known], minlength=10), 2)
    np.testing.assert_array_equal(found[known], whole[known])
    assert source.spec.unknown == len(source) - 20 == (~known).sum()
    assert [source[i]['label'] for i in range(30)] == list(found[:30])


def test_they_follow_from_the_draw_and_the_numbers_of_examples_alone():
    one, again, other = (labels(digits(labelled_draw=d)[0]) for d in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_the_labelled_ones_alone():
    source, config = digits(unlabelled=False)
    assert len(source) == sources.count(config) == 20
    np.testing.assert_array_equal(np.bincount(labels(source)), 2)
    assert source.spec.unknown == 0


def test_batches_have_both_streams_resident_or_not():
    def batches(**changes):
        source, config = digits(**changes)
        pipeline = pipelines.make(source, config, batch_size=8, seed=3)
        raw = pipeline.batches(16)
        found = [pipeline.preprocess(pipeline.resident, next(raw), None) for _ in range(4)]
        raw.close()
        return found

    for resident, streamed in zip(batches(), batches(device_cache_mb=0), strict=True):
        assert set(resident) == {'image', 'label', 'labelled', 'labelled_label'}
        assert resident['labelled'].shape == resident['image'].shape == (8, 8, 8, 1)
        assert (resident['labelled_label'] >= 0).all()
        for name, values in resident.items():
            np.testing.assert_array_equal(values, streamed[name])


def test_another_split_has_all_its_labels():
    _, config = digits(name='digits')
    assert (labels(data.open_split(config, '')) >= 0).all()


@pytest.mark.parametrize(
    ('labelled', 'classes', 'message'),
    [
        (10, 0, r'config\.data\.labelled=10 needs data with one label an example'),
        (7, 2, r'config\.data\.labelled=7 does not divide by the 2 classes'),
        (200, 2, r'needs 100 examples of each class; there are fewer of'),
    ],
)
def test_what_cannot_be_chosen_is_refused(labelled, classes, message):
    with pytest.raises(UserError, match=message):
        few_labels(Source((4, 4, 1), 64, classes), labelled, 0, True)
