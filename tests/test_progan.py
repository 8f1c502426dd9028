"""ProGAN's networks: their sizes, how a stage fades in, smaller ones within, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_models import count, shapes

from gan_jax.core import growth
from gan_jax.errors import UserError
from gan_jax.models import progan
from gan_jax.nn.resample import RESIZE, avgpool

TINY = {'widths': (8, 6, 4), 'shape': (16, 24, 3)}
KEY = jax.random.key(0)


def at(variables, level):
    """Return variables at a level of growth."""
    return {**variables, growth.COLLECTION: {'level': jnp.float32(level)}}


def test_the_sizes_are_the_course_s():
    net = progan.Generator(shape=(512, 512, 3), z_dim=128, up='bilinear')
    net.check()
    assert net.channels() == (512, 512, 512, 512, 256, 128, 64, 32)
    variables, images = shapes(net, jnp.zeros((2, 128)))
    assert images.shape == (2, 512, 512, 3)
    # and a bias of each pixel of the first image instead of each of its channels
    assert count(variables['params']) == 19_926_392 + 15 * 512


@pytest.mark.parametrize('up', ['nearest', 'bilinear'])
@pytest.mark.parametrize('stage', [1, 2])
def test_a_stage_without_a_share_gives_the_enlarged_image_of_the_one_before(up, stage):
    net = progan.Generator(z_dim=5, up=up, **TINY)
    z = jax.random.normal(KEY, (3, 5))
    variables = net.init(KEY, z, train=True)
    assert variables[growth.COLLECTION]['level'] == 2
    h, w = (4 * 2 ** (stage - 1), 6 * 2 ** (stage - 1))
    before = net.clone(shape=(h, w, 3)).apply(at(variables, stage - 1), z, train=True)
    now = net.clone(shape=(2 * h, 2 * w, 3)).apply(at(variables, stage - 1), z, train=True)
    assert before.shape == (3, h, w, 3)
    np.testing.assert_allclose(now, RESIZE[up](before, 2), atol=1e-5)
    half = net.clone(shape=(2 * h, 2 * w, 3)).apply(at(variables, stage - 0.5), z, train=True)
    full = net.clone(shape=(2 * h, 2 * w, 3)).apply(at(variables, stage), z, train=True)
    np.testing.assert_allclose(half, (now + full) / 2, atol=1e-5)
    # the whole network at the level of a smaller one
    whole = net.apply(at(variables, stage), z, train=False)
    np.testing.assert_allclose(whole, full if stage == 2 else RESIZE[up](full, 2), atol=1e-5)


@pytest.mark.parametrize('stage', [1, 2])
def test_a_discriminator_that_has_not_grown_sees_the_halved_image(stage):
    net = progan.Discriminator(stddev_group=2, **TINY)
    images = jax.random.normal(KEY, (4, 4 * 2**stage, 6 * 2**stage, 3))
    variables = net.init(KEY, jnp.zeros((4, *TINY['shape'])), train=True)
    large, small = (
        net.clone(shape=x.shape[1:]).apply(at(variables, stage - 1), x, train=True)
        for x in (images, avgpool(images, 2))
    )
    np.testing.assert_allclose(large.logits, small.logits, atol=1e-5)
    grown = net.clone(shape=images.shape[1:]).apply(at(variables, stage), images, train=True)
    assert abs(grown.logits - small.logits).min() > 1e-4


def test_layers_of_other_stages_get_no_gradient():
    net = progan.Generator(z_dim=5, **TINY)
    z = jax.random.normal(KEY, (3, 5))
    variables = net.init(KEY, z, train=True)
    small = net.clone(shape=(8, 12, 3))

    def loss(params):
        return jnp.square(small.apply(at({'params': params}, 1), z, train=True)).sum()

    gradients = jax.grad(loss)(variables['params'])
    moved = {name for name, leaves in gradients.items() if count(leaves) and leaves['kernel'].any()}
    assert moved == {
        'stage_0_dense', 'stage_0_conv', 'stage_1_conv_1', 'stage_1_conv_2', 'stage_1_image'
    }  # fmt: skip


@pytest.mark.parametrize(
    ('part', 'options', 'message'),
    [
        ('G', {'shape': (100, 100, 3)}, 'size 100x100: a ProGAN doubles images .*; allowed: 32'),
        ('D', {'shape': (64, 60, 3)}, 'size 64x60'),
        ('G', TINY | {'widths': (8, 8)}, r'widths \(8, 8\) has 2 values; .* or 3'),
        ('G', TINY | {'up': 'near'}, "unknown up 'near'"),
        ('D', TINY | {'stddev_group': 1}, 'stddev_group=1 has no deviation'),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(part, options, message):
    cls = progan.Generator if part == 'G' else progan.Discriminator
    with pytest.raises(UserError, match=message) as refusal:
        cls(**options).check()
    assert '\n' not in str(refusal.value)


def test_labels_stand_beside_z_and_project_features():
    small = {'widths': (4,), 'shape': (4, 6, 3), 'num_classes': 3}
    net, label = progan.Discriminator(stddev_group=2, **small), jnp.array([0, 1, 2, 2])
    images = jax.random.normal(KEY, (4, 4, 6, 3))
    variables = net.init(KEY, images, label, train=True)
    told = net.apply(variables, images, label, train=True)
    plain = net.clone(num_classes=0).apply(variables, images, train=True)
    vectors = variables['params']['projection']['classes']['kernel'] / np.sqrt(4)
    expected = plain.logits + (plain.features * vectors.T[label]).sum(1)
    np.testing.assert_allclose(told.logits, expected, rtol=1e-5)
    g = progan.Generator(z_dim=5, **small)
    variables, _ = shapes(g, jnp.zeros((4, 5)), label)
    kernels = variables['params']
    assert kernels['label']['embedding'].shape == (3, 5)
    assert kernels['stage_0_dense']['kernel'].shape[0] == 10
    for module, seen in ((net, images), (g, jnp.zeros((4, 5)))):
        with pytest.raises(UserError, match='needs a label for every example'):
            module.init(KEY, seen, train=True)
