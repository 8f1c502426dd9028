"""The Inception network against its references, the resizers, and FID-768 on real images."""

import functools

import jax
import numpy as np
import pytest
from PIL import Image, ImageFilter

from gan_jax.errors import UserError
from gan_jax.kinds.image import three_channels
from gan_jax.metrics import features
from gan_jax.metrics.evaluators import fid
from gan_jax.metrics.inception import weights
from gan_jax.metrics.inception.network import TAPS, Inception
from gan_jax.metrics.inception.resize import RESIZERS, enlarge, resize
from gan_jax.training import inference

RELATIVE = 1e-4


@functools.cache
def network():
    """Compile the network once: all taps, and the outputs of all blocks."""

    def run(variables, x):
        return Inception().apply(
            variables, x, tuple(TAPS), capture_intermediates=True, mutable=['intermediates']
        )

    return jax.jit(run)


def outputs(variables, images, how):
    """Return {tap: array}, {block: array} of uint8 images NCHW, at most two."""
    n = len(images)
    pair = np.concatenate([images, images])[:2].transpose(0, 2, 3, 1)
    taps, state = network()(variables, resize(pair, how))
    blocks = {k: np.asarray(v['__call__'][0])[:n] for k, v in state['intermediates'].items()
              if k.startswith('Mixed')}  # fmt: skip
    return {k: np.asarray(v)[:n] for k, v in taps.items()}, blocks


def expected_of(key, taps, blocks):
    """Return what an output of the pytorch-fid fixture is in terms of ours."""
    if key == 'fc_logits':
        return taps['logits']
    if key.startswith('mean_'):
        return blocks[key.removeprefix('mean_')].mean((1, 2))
    tap, reduction = key.removeprefix('tap').split('_')
    value = taps[tap].reshape(
        len(taps[tap]), *((1, 1, -1) if tap == '2048' else taps[tap].shape[1:])
    )
    if reduction == 'mean':
        return value.mean((1, 2))
    stride = int(reduction.removeprefix('stride'))
    return value[:, ::stride, ::stride].transpose(0, 3, 1, 2)


def close(ours, theirs):
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= RELATIVE * np.abs(theirs).max()


def test_network_and_resize_of_pytorch_fid(parity):
    _, arrays, ins, outs = parity('fid_inception')
    variables = weights.from_state_dict(arrays)
    seen = 0
    for name, images in ins.items():
        taps, blocks = outputs(variables, images, 'legacy')
        for path, theirs in outs.items():
            image, key = path.split('/')
            if image == name and 'resized' not in key:
                close(expected_of(key, taps, blocks), theirs)
                seen += 1
    assert seen >= len(outs) - 1


def test_network_and_resize_of_torch_fidelity(parity):
    _, arrays, ins, outs = parity('fid_inception_tf1resize')
    variables = weights.from_state_dict(arrays)
    for name, images in ins.items():
        taps, _ = outputs(variables, images, 'tf1')
        for key in TAPS:
            ours = taps[key].mean((1, 2)) if taps[key].ndim == 4 else taps[key]
            close(ours, outs[f'{name}/{key}'])


@pytest.mark.parametrize(
    ('fixture', 'how'), [('fid_inception', 'legacy'), ('fid_inception_tf1resize', 'tf1')]
)
def test_resizers_alone(parity, fixture, how):
    _, _, ins, outs = parity(fixture)
    (path,) = [k for k in outs if 'resized' in k]
    name, _, rows = path.partition('/')
    at = [int(r) for r in rows.partition('rows_')[2].split('_')]
    images = ins[name].transpose(0, 2, 3, 1)
    # one reference stores 0..1, the other 0..255
    scale = 255 if outs[path].max() <= 1 else 1
    ours = np.asarray(enlarge(images, how))[:, at].transpose(0, 3, 1, 2) / scale
    close(ours, outs[path])


@pytest.mark.parametrize('size', [(32, 48), (299, 299), (401, 350), (512, 64)])
def test_clean_is_what_pil_computes(size):
    images = np.random.default_rng(0).integers(0, 256, (1, *size, 2), np.uint8)
    ours = np.asarray(resize(images, 'clean'))[0] * 128 + 128
    for c in range(2):
        channel = Image.fromarray(images[0, :, :, c].astype(np.float32))
        theirs = np.asarray(channel.resize((299, 299), Image.Resampling.BICUBIC)).clip(0, 255)
        np.testing.assert_allclose(ours[:, :, c], theirs, atol=2e-3)


@pytest.mark.parametrize('how', RESIZERS)
def test_resizers_keep_constant_images(how):
    images = np.full((1, 7, 5, 1), 200, np.uint8)
    np.testing.assert_allclose(np.asarray(enlarge(images, how)), 200, rtol=1e-5)


def test_bad_names_and_channels_are_refused():
    with pytest.raises(UserError, match=r"did you mean 'clean'"):
        resize(np.zeros((1, 2, 2, 3)), 'claen')
    with pytest.raises(UserError, match="unknown features 'inceptoin'"):
        features.make('inceptoin', 'legacy', '', inference.load)
    with pytest.raises(UserError, match='not 2 channels'):
        three_channels(np.zeros((1, 2, 2, 2), np.uint8))


def test_early_weights_are_no_fid(data_file):
    path = data_file('inception_2015_768.npz')
    with pytest.raises(UserError, match='--features=inception768'):
        features.make('inception', 'legacy', str(path), inference.load)


def test_fid768_grows_with_noise_with_blur_and_with_a_missing_class(data_file):
    extractor = features.make(
        'inception768', 'legacy', str(data_file('inception_2015_768.npz')), inference.load
    )
    with np.load(data_file('cifar10_train_first4000_lossless.npz')) as data:
        kinds = [data['images'][data['labels'] == label][:8] for label in (0, 1)]
    clean = np.concatenate(kinds)
    noise = np.random.default_rng(0).standard_normal(clean.shape)

    def blurred(radius):
        filtered = (Image.fromarray(i).filter(ImageFilter.GaussianBlur(radius)) for i in clean)
        return np.stack([np.asarray(image) for image in filtered])

    def compute(images):
        return extractor.apply(images)[0]

    real = compute(clean)
    sets = {
        'noise': [compute(np.clip(clean + s * noise, 0, 255).astype(np.uint8)) for s in (8, 40)],
        'blur': [compute(blurred(r)) for r in (0.7, 2)],
        'missing': [real[: 8 + n] for n in (4, 0)],
    }
    for name, (little, much) in sets.items():
        values = [fid.from_features(real, fake) for fake in (real, little, much)]
        assert values[0] == 0, name
        assert 0 < values[1] < values[2], (name, values)
