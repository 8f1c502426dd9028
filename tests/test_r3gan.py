"""R3GAN: its sizes, its start, the label, the resampling filter, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gan_jax.errors import UserError
from gan_jax.models import r3gan
from gan_jax.nn import resample

TINY = {'widths': (8, 8), 'blocks': (1, 2), 'shape': (8, 8, 3)}


@pytest.mark.parametrize(
    ('size', 'side', 'widths', 'blocks'),
    [
        ('L', 32, (768, 768, 768, 768), 2),
        ('L', 256, (768, 768, 768, 768, 384, 192, 96), 2),
        ('M', 64, (384, 384, 384, 192, 96), 2),
        ('S', 64, (128, 128, 64, 32, 16), 1),
        ('S', 28, (128, 128, 64), 1),
    ],
)
def test_one_dial_of_size(size, side, widths, blocks):
    net = r3gan.Generator(shape=(side, side, 3), size=size)
    net.check()
    assert net.stages() == [(w, blocks, w // 8) for w in widths]


@pytest.mark.parametrize(('shape', 'smallest'), [((32, 32, 3), (4, 4)), ((48, 80, 1), (6, 10))])
def test_rectangles_start_from_a_few_pixels(shape, smallest):
    options = {'shape': shape, 'widths': (8,) * 4}
    g, d = r3gan.Generator(**options), r3gan.Discriminator(**options)
    assert g.smallest() == smallest
    variables, images = jax.eval_shape(
        lambda: g.init_with_output(jax.random.key(0), jnp.zeros((2, 64)), train=True)[::-1]
    )
    assert images.shape == (2, *shape) and variables['params']['basis'].shape == (*smallest, 8)
    verdict, _ = jax.eval_shape(
        lambda: d.init_with_output(jax.random.key(0), jnp.zeros((2, *shape)), train=True)
    )
    assert verdict.logits.shape == (2,)


def test_blocks_start_as_the_identity_and_the_rest_keeps_the_variance():
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 8))
    block = r3gan.Block(16, 2, 3, 1.0)
    variables = block.init(jax.random.key(1), x)
    np.testing.assert_array_equal(block.apply(variables, x), x)
    net = r3gan.Discriminator(widths=(256, 256), blocks=(8, 8), shape=(8, 8, 3))
    params = net.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)), train=True)['params']
    # He's sqrt(2 / (1 + slope^2) / fan in), times 16^(-1/4) of sixteen blocks
    for layer, fan_in in (('expand', 256), ('mix', 16 * 9)):
        kernel = params['stage_1_block_3'][layer]['kernel']
        np.testing.assert_allclose(kernel.std(), (2 / 1.04 / fan_in) ** 0.5 / 2, rtol=0.02)
    assert not params['stage_0_block_0']['project']['kernel'].any()


def test_the_label_changes_image_and_logit():
    g, d = (cls(num_classes=3, embed=5, **TINY) for cls in (r3gan.Generator, r3gan.Discriminator))
    label = jnp.asarray([0, 1, 0])
    images, _ = g.init_with_output(jax.random.key(0), jnp.ones((3, 64)), label, train=False)
    verdict, _ = d.init_with_output(jax.random.key(0), jnp.ones((3, 8, 8, 3)), label, train=False)
    for out in (images, verdict.logits):
        np.testing.assert_allclose(out[0], out[2], rtol=1e-5)
        assert not np.allclose(out[0], out[1], rtol=1e-2)
    with pytest.raises(UserError, match='needs a label for every example'):
        g.init(jax.random.key(0), jnp.ones((3, 64)), train=False)


@pytest.mark.parametrize('taps', [(0.125, 0.375, 0.375, 0.125), (0.5, 0.5)])
def test_resampling_is_the_filter_with_zeros_beyond_the_border(taps):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 6, 4, 3)), jnp.float32)
    kernel = jnp.asarray(np.outer(taps, taps), jnp.float32)[:, :, None, None]
    kernel = jnp.tile(kernel, (1, 1, 1, 3))
    p = (len(taps) - 2) // 2
    numbers = ('NHWC', 'HWIO', 'NHWC')

    def lax_down(x):
        return lax.conv_general_dilated(x, kernel, (2, 2), [(p, p)] * 2, dimension_numbers=numbers,
                                        feature_group_count=3)  # fmt: skip

    np.testing.assert_allclose(resample.filtered_down(x, taps), lax_down(x), atol=1e-6)
    y = jnp.asarray(np.random.default_rng(1).normal(size=(2, 3, 2, 3)), jnp.float32)
    (want,) = jax.linear_transpose(lax_down, x)(y)
    np.testing.assert_allclose(resample.filtered_up(y, taps), 4 * want, atol=1e-6)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'shape': (33, 33, 3)}, 'size 33x33: an R3GAN doubles .*; allowed: 32'),
        ({'shape': (2, 2, 3)}, 'size 2x2'),
        ({'size': 'XL'}, "unknown size 'XL'.*; available: S, M, L"),
        ({'shape': (32, 32, 3), 'widths': (8, 8)}, r'widths \(8, 8\) has 2 values; .* or 4'),
        (TINY | {'cardinality': (3, 3)}, '8 channels times expansion 2 .* cardinality 3; allowed'),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(options, message):
    with pytest.raises(UserError, match=message) as refusal:
        r3gan.Discriminator(**options).check()
    assert '\n' not in str(refusal.value)
