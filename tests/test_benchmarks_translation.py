"""What benchmarks say of translations: labels found in photos, and sets taken for one another."""

import pathlib
import sys
import types

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'benchmarks'))

import facades  # noqa: E402
import seasons  # noqa: E402


def labels(seed, noise):
    """Return images whose pixels have colours of classes, and the classes."""
    rng = np.random.default_rng(seed)
    found = rng.integers(0, len(facades.COLOURS), (4, 16, 16))
    images = facades.COLOURS[found] + rng.integers(-noise, noise + 1, (*found.shape, 3))
    return images.clip(0, 255).astype(np.uint8), found


def test_classes_are_read_from_colours_that_compression_has_changed():
    images, found = labels(0, noise=12)
    np.testing.assert_array_equal(facades.classes(images), found)


def test_the_mean_colour_of_each_class_is_that_of_its_pixels():
    images, found = labels(0, noise=0)
    photos = np.random.default_rng(1).integers(0, 256, images.shape).astype(np.uint8)
    colours = facades.mean_colours(images, photos)
    np.testing.assert_allclose(colours[3], photos[found == 3].mean(0))
    images[:] = facades.COLOURS[0]
    np.testing.assert_allclose(facades.mean_colours(images, photos)[5], photos.mean((0, 1, 2)))


def test_photos_that_show_their_labels_are_labelled_right():
    images, found = labels(0, noise=0)
    perfect = facades.measure(images, images, found, facades.classes)
    assert perfect == {'l1': 0, 'lpips': 0, 'pixels right': 1, 'mean of classes': 1}
    worse = facades.measure(images, 255 - images, found, facades.classes)
    assert worse['l1'] > 0.5 and worse['lpips'] > 0.1
    assert worse['pixels right'] < 0.2 and worse['mean of classes'] < 0.2


def halves(n, at):
    """Return noisy photos [n, 32, 32, 3], dark on one side of a column and light on the other."""
    classes = np.zeros((n, 32, 32), int)
    classes[:, :, at:] = 7
    noise = np.random.default_rng(at).integers(-20, 20, (*classes.shape, 3))
    return (np.where(classes[..., None], 190, 60) + noise).astype(np.uint8), classes


def test_a_segmenter_finds_in_other_photos_what_it_was_shown():
    segment = facades.segmenter(*halves(4, 12))
    photos, classes = halves(2, 20)
    assert (segment(photos) == classes).mean() > 0.9
    assert (segment(255 - photos) == classes).mean() < 0.7


def coloured(seed, n, channel):
    """Return images with more of one colour than of others."""
    found = np.random.default_rng(seed).integers(0, 120, (n, 16, 16, 3))
    found[..., channel] += 130
    return found.astype(np.uint8)


@pytest.fixture
def swapped(monkeypatch):
    """Let makers swap two channels, which makes one set of the other and comes back exactly."""
    monkeypatch.setattr(seasons, 'maker', lambda trained: lambda x: x[..., [2, 1, 0]])
    monkeypatch.setattr(seasons.dataclasses, 'replace', lambda trained, maker_name: trained)
    return types.SimpleNamespace()


def test_a_translation_is_taken_for_the_other_set_and_what_changes_nothing_is_not(swapped):
    real = {'a': coloured(0, 40, 0), 'b': coloured(1, 40, 2)}
    model = seasons.classifier(real)
    rows = seasons.measure(swapped, model, {'a': coloured(2, 20, 0), 'b': coloured(3, 20, 2)})
    for row in rows.values():
        assert row['before'] <= 0.1 and row['after'] >= 0.9 and row['cycle'] == 0
