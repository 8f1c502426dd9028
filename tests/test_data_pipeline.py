"""Exact epochs, a stateless order, and the same batches however they come."""

import itertools
import threading

import jax
import numpy as np
import pytest

from gan_jax import data
from gan_jax.data import order, pipeline
from gan_jax.data.geometry import Geometry
from gan_jax.data.in_memory import InMemory
from gan_jax.data.protocol import Field, Spec, image_spec
from gan_jax.errors import UserError


def config(**keys):
    return {**data.defaults(), **keys}


def tiny(n=10, dtype=np.uint8, shape=(4, 4, 3), seed=0):
    """Return a source of n random images that are labelled with their numbers."""
    top = np.iinfo(dtype).max
    images = np.random.default_rng(seed).integers(0, top, (n, *shape), dtype, endpoint=True)
    return InMemory(images, np.arange(n), Geometry(), 'tiny')


class Paired:
    """Pairs whose target is the mirrored input."""

    spec = Spec({'input': Field((4, 4, 3)), 'target': Field((4, 4, 3))}, 'target')

    def __init__(self):
        self.source = tiny()

    def __len__(self):
        return len(self.source)

    def __getitem__(self, index):
        image = self.source[index]['image']
        return {'input': image, 'target': image}


class Unpaired:
    """Two sets of different lengths."""

    def __init__(self):
        self.streams = {'a': tiny(10), 'b': tiny(7, seed=1)}
        self.spec = Spec({'a': Field((4, 4, 3)), 'b': Field((4, 4, 3))}, 'b')


def take(batches, n):
    """Return the first n batches and close their iterator."""
    taken = list(itertools.islice(batches, n))
    batches.close()
    return taken


def test_the_order_is_pinned():
    assert order.order(8, 0, 0).tolist() == PINNED
    assert sorted(order.order(1000, 3, 5)) == list(range(1000))
    assert order.order(100, 0, 0).tolist() != order.order(100, 0, 1).tolist()
    assert order.order(100, 0, 0).tolist() != order.order(100, 1, 0).tolist()
    assert order.order(100, 0, 0, 'a').tolist() != order.order(100, 0, 0, 'b').tolist()


PINNED = [0, 3, 7, 5, 1, 2, 6, 4]


@pytest.mark.parametrize('device_cache_mb', [0, 1])
def test_every_example_once_an_epoch_over_processes(device_cache_mb):
    source = tiny(10)
    seen = []
    for number in range(5):
        rows = []
        for process in range(2):
            p = pipeline.make(source, config(device_cache_mb=device_cache_mb), batch_size=4, seed=3,
                              process=process, processes=2)  # fmt: skip
            batch = take(p.batches(4 * number), 1)[0]
            rows += list(p.resident['label'][batch['index']] if p.resident else batch['label'])
        assert len(rows) == 4
        seen += rows
    # 20 places are two epochs of 10, the border between them inside a batch
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen == order.positions(10, 3, 0, 20).tolist()


@pytest.mark.parametrize('position', [0, 3, 17, 10_000_000])
def test_batches_go_on_from_any_position(position):
    p = pipeline.make(tiny(10), config(device_cache_mb=0), batch_size=4, seed=1)
    labels = np.concatenate([b['label'] for b in take(p.batches(position), 3)])
    np.testing.assert_array_equal(labels, order.positions(10, 1, position, 12))


SOURCES = {
    'uint8': tiny,
    'uint16': lambda: tiny(dtype=np.uint16),
    'pairs': Paired,
    'unpaired': Unpaired,
}


@pytest.mark.parametrize('name', SOURCES)
def test_resident_and_streamed_are_the_same_bits(name):
    source = SOURCES[name]()
    # noise is slow to compile, and the same for all
    keys = config(transforms='flip', dequantise=name == 'uint8')
    whole = pipeline.make(source, keys, batch_size=8, seed=1)
    streamed = pipeline.make(source, {**keys, 'device_cache_mb': 0}, batch_size=8, seed=1)
    assert whole.resident is not None and streamed.resident is None
    example_keys = jax.random.split(jax.random.key(0), 8)
    finish, finish_streamed = jax.jit(whole.preprocess), jax.jit(streamed.preprocess)
    for left, right in zip(take(whole.batches(5), 3), take(streamed.batches(5), 3), strict=True):
        assert all(v.dtype == np.int32 for v in left.values())
        a = finish(whole.resident, left, example_keys)
        b = finish_streamed(None, right, example_keys)
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])


def test_the_order_does_not_depend_on_workers_or_threads():
    source = tiny(50)
    want = None
    for workers, threads in ((0, 1), (0, 4), (2, 2)):
        keys = config(device_cache_mb=0, workers=workers, threads=threads)
        got = take(pipeline.make(source, keys, batch_size=8, seed=2).batches(11), 9)
        want = want or got
        for a, b in zip(want, got, strict=True):
            np.testing.assert_array_equal(a['image'], b['image'])
            np.testing.assert_array_equal(a['label'], b['label'])


def test_streams_of_an_unpaired_set_are_shuffled_alone():
    p = pipeline.make(Unpaired(), config(), batch_size=10, seed=0)
    assert len(p) == 10
    batches = take(p.batches(0), 7)
    a = np.concatenate([b['index_a'] for b in batches])
    b = np.concatenate([b['index_b'] for b in batches])
    assert (np.bincount(a) == 7).all() and (np.bincount(b) == 10).all()
    assert not np.array_equal(a[:7], b[:7])


def test_scaling_is_exact_at_the_ends():
    for dtype in (np.uint8, np.uint16):
        top = np.iinfo(dtype).max
        images = np.asarray([0, top], dtype).reshape(2, 1, 1, 1)
        source = InMemory(images, None, Geometry(), 'ends')
        for span, low in (('[-1,1]', -1.0), ('[0,1]', 0.0)):
            p = pipeline.make(source, config(range=span), batch_size=2, seed=0)
            out = jax.jit(p.preprocess)(None, {'image': images}, None)['image']
            assert out.dtype == np.float32
            assert out.ravel().tolist() == [low, 1.0]
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    p = pipeline.make(
        InMemory(every, None, Geometry(), 'all'), config(range='[0,1]'), batch_size=1, seed=0
    )
    out = jax.jit(p.preprocess)(None, {'image': every}, None)['image']
    np.testing.assert_allclose(out, every / np.float32(255), rtol=2e-7)
    np.testing.assert_array_equal(np.rint(np.asarray(out) * 255), every)


def test_flips_are_mirrors_of_half_the_examples_and_alike_for_a_pair():
    source = Paired()
    p = pipeline.make(source, config(transforms='flip', device_cache_mb=0), batch_size=8, seed=0)
    keys = jax.random.split(jax.random.key(1), 64)
    raw = np.stack([source[i % 10]['input'] for i in range(64)])
    out = p.preprocess(None, {'input': raw, 'target': raw}, keys)
    np.testing.assert_array_equal(out['input'], out['target'])
    plain = p.preprocess(None, {'input': raw, 'target': raw}, None)['input']
    mirrored = (np.asarray(out['input']) == np.asarray(plain)[:, :, ::-1]).all(axis=(1, 2, 3))
    kept = (np.asarray(out['input']) == np.asarray(plain)).all(axis=(1, 2, 3))
    assert (mirrored ^ kept).all()
    assert 16 < mirrored.sum() < 48


def test_draws_belong_to_the_example_not_to_the_batch():
    p = pipeline.make(tiny(), config(transforms='flip', dequantise=True), batch_size=8, seed=0)
    keys = jax.random.split(jax.random.key(1), 8)
    raw = tiny(8).images
    finish = jax.jit(p.preprocess)
    batch = {'image': raw, 'label': np.arange(8)}
    whole = finish(None, batch, keys)['image']
    halves = [
        finish(None, {k: v[i : i + 4] for k, v in batch.items()}, keys[i : i + 4])['image']
        for i in (0, 4)
    ]
    np.testing.assert_array_equal(whole, np.concatenate(halves))


def test_dequantisation_stays_in_its_level_and_in_range():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    p = pipeline.make(
        InMemory(images, None, Geometry(), 'levels'), config(dequantise=True, range='[0,1]'),
        batch_size=1, seed=0,
    )  # fmt: skip
    out = p.preprocess(None, {'image': images}, jax.random.split(jax.random.key(0), 1))['image']
    assert out.min() >= 0 and out.max() < 1
    np.testing.assert_array_equal(np.floor(np.asarray(out) * 256 + 1e-3), images)
    assert len(np.unique(np.asarray(out) * 256 % 1)) > 100


def test_pooling_to_a_resolution_is_the_mean_of_blocks():
    source = tiny(2, shape=(8, 4, 3))
    p = pipeline.make(source, config(), batch_size=2, seed=0, resolution=4)
    assert p.spec.shape == (4, 2, 3)
    out = p.preprocess(None, {'image': source.images, 'label': np.arange(2)}, None)['image']
    mean = source.images.reshape(2, 4, 2, 2, 2, 3).mean(axis=(2, 4)) / 127.5 - 1
    np.testing.assert_allclose(out, mean, atol=1e-6)
    with pytest.raises(UserError, match='resolution 3 does not divide images of 8x4'):
        pipeline.make(source, config(), batch_size=2, seed=0, resolution=3)


def test_prepare_runs_per_device():
    p = pipeline.make(tiny(), config(transforms='flip'), batch_size=8, seed=0)
    batch = take(p.batches(0), 1)[0]
    keys = jax.random.split(jax.random.key(1), 8)
    split = jax.tree.map(lambda x: x.reshape(4, 2, *x.shape[1:]), (batch, keys))
    run = jax.pmap(p.preprocess, in_axes=(None, 0, 0), devices=jax.devices()[:4])
    out = run(p.resident, *split)['image']
    whole = p.preprocess(p.resident, batch, keys)['image']
    np.testing.assert_array_equal(out.reshape(whole.shape), whole)


class Counted:
    """Count how many examples were read."""

    spec = image_spec((64, 64, 3))

    def __init__(self, n):
        self.n = n
        self.read = 0
        self.lock = threading.Lock()

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        with self.lock:
            self.read += 1
        return {'image': np.zeros(self.spec.shape, np.uint8)}


def test_streaming_reads_no_more_than_its_buffer_ahead(monkeypatch):
    # a buffer of four batches, for a set that is ten times larger
    monkeypatch.setattr(pipeline, 'BUFFER_BYTES', 4 * 8 * Counted.spec.nbytes)
    source = Counted(320)
    p = pipeline.make(source, config(device_cache_mb=0, threads=3), batch_size=8, seed=0)
    batches = p.batches(0)
    for consumed in range(1, 41):
        next(batches)
        assert source.read <= 8 * (consumed + 4)
    batches.close()


@pytest.mark.parametrize(
    ('keys', 'batch', 'message'),
    [
        ({'range': '[0,255]'}, 4, r"unknown config.data.range '\[0,255\]'"),
        ({'workers': -1}, 4, 'config.data.workers=-1 is negative'),
        ({'on_error': 'ignore'}, 4, "config.data.on_error='ignore' is not allowed"),
        ({}, 3, 'config.batch_size=3 does not divide by 2 processes'),
    ],
)
def test_wrong_values_are_refused(keys, batch, message):
    with pytest.raises(UserError, match=message):
        pipeline.make(tiny(), config(**keys), batch_size=batch, seed=0, process=0, processes=2)


@pytest.mark.parametrize('device_cache_mb', [0, 1])
def test_one_read_serves_every_phase(device_cache_mb):
    source = Counted(30)
    examples = data.read(source, config(device_cache_mb=device_cache_mb))
    read = source.read
    assert read == (30 if device_cache_mb else 0)
    for batch_size, resolution in ((4, 32), (8, None)):
        p = pipeline.make(examples, config(), batch_size=batch_size, seed=0, resolution=resolution)
        assert p.resident is examples.resident and p.spec.shape[0] == (resolution or 64)
        assert len(take(p.batches(0), 1)[0]) == 1
    assert source.read == read or not device_cache_mb
