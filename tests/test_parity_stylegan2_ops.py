"""StyleGAN2's operators: filters, filtered convolutions, modulation, activation, deviations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_parity_dcgan_forward import close, straight

from gan_jax.nn import resample
from gan_jax.nn.activations import bounded, scaled_leaky_relu
from gan_jax.nn.conv import conv2d
from gan_jax.nn.minibatch import MinibatchStddev
from gan_jax.nn.modulation import modulated
from gan_jax.nn.norm import PixelNorm


@pytest.fixture(scope='module')
def case(parity):
    """Return inputs, images as channels last, and outputs."""
    _, _, ins, outs = parity('stylegan2_ops')
    images = {k: jnp.asarray(v.transpose(0, 2, 3, 1)) for k, v in ins.items() if v.ndim == 4}
    return {k: jnp.asarray(v) for k, v in ins.items()} | images, outs


def first(x):
    return x.transpose(0, 3, 1, 2)


FILTERS = {
    'upsample2d': lambda x: resample.filtered_up(x, resample.TAPS),
    'downsample2d': lambda x: resample.filtered_down(x, resample.TAPS),
    'filter2d': lambda x: resample.filtered(x, resample.TAPS, 2, 1),
}


def test_the_taps_are_the_reference_s_filter(case):
    np.testing.assert_allclose(np.outer(resample.TAPS, resample.TAPS), case[1]['filter1'])


@pytest.mark.parametrize('name', FILTERS)
def test_filters(case, name):
    ins, outs = case
    close(first(FILTERS[name](ins['x'])), outs[f'f1/{name}'])


def weights(ins, k):
    """Return a kernel as ours of the reference's [out, in, k, k], not yet made channels last."""
    return jnp.asarray(straight(np.asarray(first(ins[f'w{k}']))))


@pytest.mark.parametrize('k', [1, 3])
def test_filtered_convolutions(case, k):
    ins, outs = case
    x, kernel = ins['x'], weights(ins, k)
    close(first(conv2d(x, kernel)), outs[f'conv2d_resample_k{k}_plain'])
    close(first(resample.filtered_conv_up(x, kernel)), outs[f'conv2d_resample_k{k}_up2'])
    down = resample.FilteredDown(5, k).convolve(x, kernel)
    close(first(down), outs[f'conv2d_resample_k{k}_down2'])


def test_modulated_convolutions(case):
    ins, outs = case
    x, kernel, styles = ins['x'], weights(ins, 3), ins['styles']
    plain = modulated(x, kernel, styles)
    close(first(plain), outs['modulated_conv2d/plain'])
    close(first(modulated(x, kernel, styles, demodulate=False)), outs['modulated_conv2d/nodemod'])
    up = modulated(x, kernel, styles, resample.filtered_conv_up)
    close(first(up), outs['modulated_conv2d/up2'])
    close(first(plain + ins['noise']), outs['modulated_conv2d/noise'])


def test_activations(case):
    ins, outs = case
    x = ins['x'] + ins['b'][None, None, None]
    close(first(scaled_leaky_relu(x)), outs['bias_act/lrelu'])
    # their gain replaces sqrt(2), and the bound comes after it
    gain = 0.5 / np.sqrt(2)
    close(first(scaled_leaky_relu(x, gain, 0.4 / gain)), outs['bias_act/lrelu_gain0.5_clamp0.4'])
    close(first(bounded(0.5 * x, 0.4)), outs['bias_act/linear_gain0.5_clamp0.4'])


def test_deviation_of_groups_and_second_moment(case):
    ins, outs = case
    x = ins['feat']
    # theirs groups examples i, i + N / G, ...; ours those in a row
    order = np.arange(len(x)).reshape(4, -1).T.ravel()
    close(first(MinibatchStddev(4).apply({}, x[order])), outs['minibatch_std_g4_f1'][order])
    normal = PixelNorm(eps=1e-8).apply({}, ins['v'], train=False)
    close(normal, outs['normalize_2nd_moment'])


def depthwise(x, low, high):
    """Filter by XLA's own convolution of each channel."""
    kernel = np.outer(resample.TAPS, resample.TAPS).astype(np.float32)[:, :, None, None]
    return jax.lax.conv_general_dilated(
        x,
        jnp.tile(kernel, (1, 1, 1, x.shape[-1])),
        (1, 1),
        [(low, high)] * 2,
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        feature_group_count=x.shape[-1],
    )


@pytest.mark.parametrize(('shape', 'pads'), [((5, 8), (2, 1)), ((1, 4), (2, 2)), ((7, 6), (-1, 1))])
def test_filtering_is_a_depthwise_convolution_with_all_derivatives(shape, pads):
    draw = np.random.default_rng(0)
    x = jnp.asarray(draw.normal(size=(2, *shape, 3)), jnp.float32)

    def loss(filter):
        def f(x):
            return (filter(x) ** 3).sum()

        def second(x):
            return (jax.grad(f)(x) ** 2).sum()

        return f(x), jax.grad(f)(x), jax.grad(second)(x)

    ours = loss(lambda x: resample.filtered(x, resample.TAPS, *pads))
    theirs = loss(lambda x: depthwise(x, *pads))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_modulation_is_a_convolution_with_kernels_of_each_example():
    draw = np.random.default_rng(0)
    x, styles = draw.normal(size=(3, 4, 6, 5)), draw.normal(size=(3, 5))
    x, styles = jnp.asarray(x, jnp.float32), jnp.asarray(styles, jnp.float32)
    kernel = jnp.asarray(draw.normal(size=(3, 3, 5, 2)), jnp.float32)

    def grouped(x, kernel, styles):
        own = kernel[None] * styles[:, None, None, :, None]
        own = own * jax.lax.rsqrt((own**2).sum((1, 2, 3), keepdims=True) + 1e-8)
        return jnp.concatenate([conv2d(x[i : i + 1], own[i]) for i in range(3)])

    def second(f):
        def penalty(*arguments):
            gradients = jax.grad(lambda *a: (f(*a) ** 2).sum(), (0, 1, 2))(*arguments)
            return sum((g**2).sum() for g in gradients)

        return jax.grad(penalty, (0, 1, 2))

    close(modulated(x, kernel, styles), grouped(x, kernel, styles))
    for a, b in zip(
        second(modulated)(x, kernel, styles), second(grouped)(x, kernel, styles), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-4 * abs(b).max())
