"""The digest of a data set's content: what changes it, and what does not."""

import numpy as np
import pytest

from gan_jax import data
from gan_jax.data import content
from gan_jax.data.geometry import Geometry
from gan_jax.data.in_memory import InMemory
from gan_jax.data.protocol import BadExample, Subset, image_spec


def gray(n=100, labels=True):
    """Return n gray 2x3 images of values that follow from their numbers."""
    images = (np.arange(n * 6) * 7 % 251).astype(np.uint8).reshape(n, 2, 3, 1)
    return InMemory(images, np.arange(n) % 3 if labels else None, Geometry(), 'gray')


class OneByOne:
    """Read a source without its batches."""

    def __init__(self, source, bad=()):
        self.source, self.spec, self.bad = source, source.spec, bad

    def __len__(self):
        return len(self.source)

    def __getitem__(self, index):
        if index in self.bad:
            raise BadExample(str(index), 'is bad')
        return self.source[index]


def test_the_digest_is_pinned():
    assert data.digest(gray()) == PINNED


PINNED = 'whole:e391e29839ba25d0bf6fa6272fe128e6b516ce7171132721af4dc8df0445bcf8'


@pytest.mark.parametrize('limit', [content.WHOLE_BYTES, 10])
def test_the_digest_does_not_depend_on_how_a_set_is_read(limit, monkeypatch):
    monkeypatch.setattr(content, 'WHOLE_BYTES', limit)
    want = data.digest(gray())
    assert want.startswith('whole:' if limit > 10 else 'sample:')
    assert data.digest(OneByOne(gray()), threads=1) == want
    assert data.digest(OneByOne(gray()), threads=3) == want
    read = gray().batch(np.arange(100))
    assert data.digest(gray(), {'': read}) == want


def test_a_set_that_was_read_has_the_digest_of_its_source():
    for source in (gray(), OneByOne(gray(), bad=(57,))):
        for device_cache_mb in (0, 1):
            keys = {**data.defaults(), 'device_cache_mb': device_cache_mb, 'on_error': 'skip'}
            assert data.read(source, keys).digest == data.digest(source)


def test_content_order_length_labels_and_classes_count():
    source = gray()
    other = gray()
    other.images = source.images.copy()
    other.images[57, 1, 1] += 1
    named = gray()
    named.spec = image_spec(source.spec.shape, 'uint8', ('a', 'b', 'c'))
    changed = [
        other,
        named,
        gray(99),
        gray(labels=False),
        Subset(source, np.arange(100)[::-1]),
        OneByOne(source, bad=(57,)),
    ]
    digests = {data.digest(s) for s in (source, *changed)}
    assert len(digests) == 1 + len(changed)


def test_a_sample_sees_the_length_and_the_ends(monkeypatch):
    monkeypatch.setattr(content, 'WHOLE_BYTES', 10)
    monkeypatch.setattr(content, 'SAMPLE', 4)
    want = data.digest(gray())
    assert data.digest(gray(99)) != want
    last, unseen = gray(), gray()
    last.images, unseen.images = last.images.copy(), unseen.images.copy()
    last.images[-1] += 1
    unseen.images[1] += 1
    assert data.digest(last) != want
    assert data.digest(unseen) == want


def test_the_parts_of_an_unpaired_set_are_told_apart():
    class Two:
        def __init__(self, a, b):
            self.streams = {'a': a, 'b': b}

    a, b = gray(10, labels=False), gray(12, labels=False)
    assert data.digest(Two(a, b)) != data.digest(Two(b, a))
    assert data.digest(Two(a, b)) == data.digest(Two(a, b))
