"""Transforms of images by per-example keys, alone and in the pipeline."""

import jax
import numpy as np
import pytest

from gan_jax import data
from gan_jax.core import transforms
from gan_jax.data import pipeline
from gan_jax.data.geometry import Geometry
from gan_jax.data.in_memory import InMemory
from gan_jax.errors import UserError

KEYS = jax.random.split(jax.random.key(0), 64)


def images(n=64, h=6, w=9):
    """Return images whose pixels say where they lie: row * 16 + column."""
    places = np.arange(h)[:, None] * 16 + np.arange(w)
    return np.broadcast_to(places.astype(np.uint8)[None, :, :, None], (n, h, w, 1))


def test_crops_are_parts_of_the_image_at_every_place():
    (crop,) = transforms.parse('crop:5')
    out = np.asarray(crop(images(), KEYS))
    assert (
        out.shape == (64, 5, 5, 1) and out.dtype == np.uint8 and crop.shape((6, 9, 1)) == (5, 5, 1)
    )
    corners = out[:, 0, 0, 0]
    np.testing.assert_array_equal(out, corners[:, None, None, None] + images(1, 5, 5))
    assert set(corners // 16) == {0, 1} and set(corners % 16) == {0, 1, 2, 3, 4}
    assert (np.asarray(crop(images(), None))[:, 0, 0, 0] == 2).all()


def test_jitter_is_the_identity_without_keys_and_keeps_a_constant():
    (jitter,) = transforms.parse('jitter:12,8')
    square = images(4, 8, 8)
    np.testing.assert_array_equal(jitter(square, None), square)
    flat = np.full((4, 8, 8, 3), 77, np.uint8)
    np.testing.assert_array_equal(jitter(flat, KEYS[:4]), flat)
    out = np.asarray(jitter(square, KEYS[:4]))
    assert out.shape == (4, 8, 8, 1) and len({x.tobytes() for x in out}) > 1


def test_draws_belong_to_the_example():
    for text in ('flip', 'crop:4', 'jitter:12,8'):
        (transform,) = transforms.parse(text)
        whole = transform(images(8), KEYS[:8])
        one = transform(images(8)[5:6], KEYS[5:6])
        np.testing.assert_array_equal(whole[5:6], one)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('flop', r"unknown config.data.transforms 'flop' \(did you mean 'flip'"),
        ('crop', 'crop takes 1 sizes in pixels'),
        ('flip crop:a', 'crop takes 1 sizes in pixels'),
        ('jitter:4,8', 'jitter takes the larger size first'),
        ('flip:3', 'flip takes 0 sizes'),
    ],
)
def test_wrong_transforms_are_refused(text, message):
    with pytest.raises(UserError, match=message):
        transforms.parse(text)


def test_a_pipeline_transforms_the_fields_of_an_example_alike():
    source = InMemory(images(20), None, Geometry(), 'x')

    class Pairs:
        spec = data.Spec({'input': source.spec.fields['image'], 'target': data.Field((6, 9, 1))})

        def __len__(self):
            return 20

        def __getitem__(self, index):
            image = source[index]['image']
            return {'input': image, 'target': image}

    keys = {**data.defaults(), 'transforms': 'flip crop:4'}
    p = pipeline.make(Pairs(), keys, batch_size=16, seed=0)
    assert p.spec.fields['target'] == data.Field((4, 4, 1), 'float32', 'image', '[-1,1]')
    out = jax.jit(p.preprocess)(p.resident, next(p.batches(0)), KEYS[:16])
    np.testing.assert_array_equal(out['input'], out['target'])
    assert len({x.tobytes() for x in np.asarray(out['input'])}) > 4
    with pytest.raises(UserError, match="'crop:7' is larger than images of 6x9"):
        pipeline.make(Pairs(), {**keys, 'transforms': 'crop:7'}, batch_size=16, seed=0)
