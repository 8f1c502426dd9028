"""Typed fields: what an example has is delivered or said, and -1 is a label that nobody knows."""

import jax
import numpy as np
import pytest
import runs

from gan_jax import config as configs
from gan_jax import data
from gan_jax.data import pipeline
from gan_jax.data.labels import from_csv, from_json
from gan_jax.data.preparation import write
from gan_jax.data.protocol import LABEL, Field, Spec, image_spec
from gan_jax.errors import UserError


def opened(**keys):
    return data.open_source({**data.defaults(), **keys})


@pytest.fixture
def npz(tmp_path):
    """Write ten images with labels, three of them unknown, ages, and arrays that are no fields."""
    draw = np.random.default_rng(0)
    path = tmp_path / 'set.npz'
    np.savez(
        path,
        images=draw.integers(0, 256, (10, 8, 8, 1), np.uint8),
        labels=np.asarray([0, 1, -1, 2, 1, -1, 0, 2, 2, -1]),
        age=draw.random((10, 2)),
        rank=np.arange(10),
        names=np.asarray(['x'] * 10),
        mean=np.zeros(3),
    )
    return {'name': 'array', 'path': str(path)}


def test_a_spec_survives_json():
    spec = Spec({'x': Field((2,), 'float32', 'points'), 'label': LABEL}, 'x', ('a', 'b'), 3)
    assert Spec.from_json({**spec.to_json(), 'size': 7}) == spec


def test_other_arrays_of_a_file_are_fields_or_named(npz, capsys):
    assert list(opened(**npz).spec.fields) == ['image', 'label']
    assert 'not read of' in (said := capsys.readouterr().err) and 'age, rank, names, mean' in said
    source = opened(**npz, fields='all', labels='none')
    assert list(source.spec.fields) == ['image', 'labels', 'age', 'rank']
    assert source.spec.fields['age'] == Field((2,), 'float32', 'value')
    assert capsys.readouterr().err.count('names, mean;') == 1
    for device_cache_mb in (0, 1):
        keys = {**data.defaults(), 'device_cache_mb': device_cache_mb}
        p = pipeline.make(source, keys, batch_size=10, seed=0)
        batch = next(p.batches(0))
        done = jax.jit(p.preprocess)(p.resident, batch, None)
        order = np.asarray(done['rank'])
        assert sorted(order) == list(range(10))
        np.testing.assert_array_equal(done['age'], source[0]['age'][None] * 0 + [
            source[int(i)]['age'] for i in order])  # fmt: skip


def test_fields_that_a_spec_does_not_declare_are_refused():
    class Source:
        spec = image_spec((4, 4, 1))

        def __len__(self):
            return 3

        def __getitem__(self, index):
            return {'image': np.zeros((4, 4, 1), np.uint8), 'age': np.float32(1)}

    message = 'example 0 has the fields age, image, but the spec of its source image'
    with pytest.raises(UserError, match=message):
        pipeline.make(Source(), data.defaults(), batch_size=1, seed=0)
    streamed = pipeline.make(
        Source(), {**data.defaults(), 'device_cache_mb': 0}, batch_size=1, seed=0
    ).batches(0)
    with pytest.raises(UserError, match=r'example \d has the fields age'):
        next(streamed)


def test_unknown_labels_are_counted_and_kept(npz, tmp_path):
    source = opened(**npz)
    assert (source.spec.num_classes, source.spec.unknown) == (3, 3)
    assert source.batch(np.arange(3))['label'].tolist() == [0, 1, -1]
    manifest = write.write_shards(source, tmp_path / 'prepared', {'source': 'x'})
    assert manifest['unknown'] == 3 and manifest['class_counts'] == {'0': 2, '1': 2, '2': 3}
    again = opened(name='prepared', path=str(tmp_path / 'prepared'))
    assert again.spec == source.spec
    np.savez(tmp_path / 'bad.npz', images=np.zeros((2, 4, 4), np.uint8), labels=[-2, 0])
    with pytest.raises(UserError, match='class numbers from 0, or -1, not -2'):
        opened(name='array', path=str(tmp_path / 'bad.npz'))


def test_unknown_labels_of_files():
    table = b'a.png,cat\nb.png,-1\nc.png,dog\n'
    found = from_csv(table, ['a.png', 'b.png', 'c.png'], 'labels.csv')
    assert found.of == {'a.png': 0, 'b.png': -1, 'c.png': 1} and found.classes == ('cat', 'dog')
    assert from_csv(b'a,2\nb,-1\n', ['a', 'b'], 'x').of == {'a': 2, 'b': -1}
    assert from_json(b'{"labels": [["a", 1], ["b", -1]]}', 'x').classes == ('0', '1')


def test_who_needs_labels_refuses_unknown_ones(npz):
    source = opened(**npz)
    config = runs.small(**{'model.classes': 3, 'data.name': 'array'})
    with pytest.raises(UserError, match=r"classes=3 needs every label, but 3 of data.name='array'"):
        configs.validate_data(config, source.spec)
    for device_cache_mb in (0, 1):
        keys = {**data.defaults(), 'device_cache_mb': device_cache_mb}
        with pytest.raises(UserError, match='3 of 10 labels are unknown'):
            next(pipeline.make(source, keys, batch_size=10, seed=0, labelled=True).batches(0))
