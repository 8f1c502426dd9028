"""Layers: convolutions against lax to the second derivative, norms, dropout, resampling, names."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gan_jax.errors import UserError
from gan_jax.nn import activations, conv, init, norm, resample
from gan_jax.nn.conditioning import LabelPlane
from gan_jax.nn.dense import Dense
from gan_jax.nn.dropout import Dropout
from gan_jax.nn.noise import Noise
from gan_jax.nn.reparametrise import equalised, weight
from gan_jax.runtime import parallel
from gan_jax.runtime.cpu import contractions, tiles
from gan_jax.runtime.cpu.geometry import Geometry

NUMBERS = ('NHWC', 'HWIO', 'NHWC')


def lax_conv(x, w, stride, padding):
    pads = padding if isinstance(padding, str) else [(padding, padding)] * 2
    return lax.conv_general_dilated(x, w, (stride, stride), pads, dimension_numbers=NUMBERS)


def lax_transpose(x, w, stride, padding):
    # lax's transposed convolution slides the kernel unflipped; torch's and Keras' scatter it
    p = 0 if padding == 'VALID' else padding
    pads = 'SAME' if padding == 'SAME' else [(w.shape[0] - 1 - p,) * 2] * 2
    return lax.conv_transpose(x, w[::-1, ::-1], (stride, stride), pads)


def values_and_derivatives(f, stride, padding, probe):
    """Return f's value, its gradient, and the gradient of a function of the gradient."""

    def loss(args):
        return jnp.vdot(jnp.tanh(f(*args, stride, padding)), probe)

    def of_gradient(args):
        a, b = jax.grad(loss)(args)
        return jnp.square(a).sum() + (b**3).sum()

    return jax.jit(lambda x, w: (f(x, w, stride, padding), jax.grad(loss)((x, w)),
                                 jax.grad(of_gradient)((x, w))))  # fmt: skip


CONVS = [  # kernel, stride, padding, height and width
    (1, 2, 'SAME', (5, 4)),
    (3, 2, 'SAME', (8, 7)),
    (3, 2, 1, (7, 6)),
    (4, 2, 'SAME', (8, 5)),
    (4, 2, 1, (6, 9)),
    (5, 2, 'SAME', (8, 7)),
    (5, 2, 'VALID', (9, 8)),
    (5, 3, 2, (7, 8)),
    (7, 2, 3, (9, 8)),
    (8, 2, 'SAME', (8, 9)),
    (4, 1, 'SAME', (5, 4)),
    (5, 1, 2, (4, 5)),
    (3, 1, 1, (5, 4)),
    (5, 1, 'SAME', (4, 4)),  # more taps than pixels
    (5, 1, 1, (3, 4)),
    (3, 1, 2, (3, 4)),
    (7, 2, 3, (4, 5)),
    (5, 2, 'SAME', (3, 3)),
]


@pytest.mark.parametrize('transposed', [False, True])
@pytest.mark.parametrize(('kernel', 'stride', 'padding', 'size'), CONVS)
def test_convolutions_equal_lax(kernel, stride, padding, size, transposed):
    ours, theirs = (conv.conv_transpose2d, lax_transpose) if transposed else (conv.conv2d, lax_conv)
    if transposed and kernel < stride and padding == 'SAME':
        theirs = functools.partial(dilated, size=size)
    rng = np.random.default_rng(kernel)
    x = jnp.asarray(rng.normal(size=(2, *size, 8)), jnp.float32)
    w = jnp.asarray(rng.normal(size=(kernel, kernel, 8, 9)) / kernel**2, jnp.float32)
    probe = rng.normal(size=jax.eval_shape(lambda: theirs(x, w, stride, padding)).shape)
    probe = jnp.asarray(probe, jnp.float32)
    got = values_and_derivatives(ours, stride, padding, probe)(x, w)
    want = values_and_derivatives(theirs, stride, padding, probe)(x, w)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5 * float(abs(b).max()))


@pytest.mark.parametrize(('kernel', 'stride', 'size'), [(5, 1, 4), (5, 2, 3), (3, 2, 1)])
def test_an_image_smaller_than_the_kernel_is_not_taken_for_it(kernel, stride, size):
    """XLA reverses what it takes for the kernel, and its CPU library cannot convolve with that."""
    x, w = jnp.ones((2, size, size, 8)), jnp.ones((kernel, kernel, 8, 16))

    def loss(x, w):
        return jnp.square(conv.conv2d(x, w, stride)).sum()

    program = jax.jit(jax.value_and_grad(loss, (0, 1))).lower(x, w).compile().as_text()
    assert 'convolution(' in program and 'rhs_reversal' not in program


# kernel, stride, padding before, size, channels of x, features of y
WAYS = [
    (4, 2, 1, (8, 6), 16, 64),  # tiles of 2 x 2
    (4, 2, 1, (10, 7), 16, 64),
    (4, 2, 0, (13, 8), 16, 64),
    (3, 1, 1, (5, 8), 64, 64),
    (3, 1, 0, (6, 7), 64, 64),
    (3, 1, 2, (4, 4), 64, 64),
    (6, 2, 2, (8, 11), 16, 64),
    (4, 2, 1, (8, 9), 3, 5),  # one product
    (5, 2, 2, (8, 7), 3, 5),
    (4, 3, 1, (8, 9), 1, 2),
    (4, 1, 0, (4, 4), 9, 8),
    (5, 1, 2, (6, 5), 9, 3),  # one product, turned
    (7, 1, 0, (8, 9), 9, 1),
    (4, 2, 1, (8, 6), 8, 9),  # phases
    (5, 2, 1, (8, 6), 8, 9),
]


@pytest.mark.parametrize(('kernel', 'stride', 'low', 'size', 'channels', 'features'), WAYS)
def test_each_way_round_equals_the_plain_one(kernel, stride, low, size, channels, features):
    out = tuple(conv.out_size(n, kernel, stride, low) for n in size)
    shape = Geometry(size, (kernel, kernel), stride, (low, low), out)
    draw = np.random.default_rng(0).normal
    x = jnp.asarray(draw(size=(2, *size, channels)), jnp.float32)
    w = jnp.asarray(draw(size=(kernel, kernel, channels, features)), jnp.float32)
    y = jnp.asarray(draw(size=(2, *out, features)), jnp.float32)
    for name, a, b in (('output', x, w), ('input_gradient', y, w), ('kernel_gradient', x, y)):
        want = getattr(contractions, f'plain_{name}')(a, b, shape)
        got = jax.jit(getattr(contractions, name), static_argnums=2)(a, b, shape)
        np.testing.assert_allclose(got, want, atol=1e-5 * float(abs(want).max()), err_msg=name)


@pytest.mark.parametrize(('m', 'r'), [(1, 1), (1, 4), (2, 2), (2, 3)])
def test_minimal_filtering_is_the_trilinear_form(m, r):
    a, g, b = (np.array(matrix) for matrix in tiles.filtering(m, r))
    a = np.broadcast_to(a, (len(g), m))
    form = np.einsum('ti,tj,tk->ijk', a, g, b)
    i, j, k = np.ogrid[:m, :r, : m + r - 1]
    np.testing.assert_array_equal(form, i + j == k)


@pytest.mark.parametrize(('kernel', 'stride'), [(4, 2), (3, 1)])
def test_tiles_round_little_more_than_lax(kernel, stride):
    draw = np.random.default_rng(0).normal
    x, w = draw(size=(4, 16, 16, 64)), draw(size=(kernel, kernel, 64, 64))
    shape = Geometry((16, 16), (kernel,) * 2, stride, (1, 1), (16 // stride,) * 2)
    wide, exact = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), 0.0
    for i, j in np.ndindex(kernel, kernel):
        rows, columns = (slice(k, k + stride * (n - 1) + 1, stride)
                         for k, n in zip((i, j), shape.out, strict=True))  # fmt: skip
        exact = exact + wide[:, rows, columns] @ w[i, j]
    x, w = jnp.asarray(x, jnp.float32), jnp.asarray(w, jnp.float32)
    ours, lax_s = (np.sqrt(np.mean((np.asarray(f(x, w, shape)) - exact) ** 2))
                   for f in (contractions.output, contractions.plain_output))  # fmt: skip
    assert ours < 5 * lax_s < 1e-4


def test_operations_are_counted_as_a_convolution_is_defined():
    x, w = jnp.ones((2, 8, 8, 64)), jnp.ones((3, 3, 64, 64))
    with contractions.plain():
        cost = jax.jit(lambda x, w: conv.conv2d(x, w, 1, 'VALID')).lower(x, w).cost_analysis()
    assert cost['flops'] == 2 * 2 * 6 * 6 * 3 * 3 * 64 * 64


def dilated(x, w, stride, padding, size):
    """Transpose a 1x1 convolution: the product, with zeros between the pixels."""
    del padding
    out = jnp.zeros((len(x), size[0] * stride, size[1] * stride, w.shape[3]))
    return out.at[:, ::stride, ::stride].set(x @ w[0, 0])


def test_images_of_few_channels_take_another_path():
    x = jax.random.normal(jax.random.key(0), (2, 5, 6, 8))
    w = jax.random.normal(jax.random.key(1), (4, 4, 8, 3))
    np.testing.assert_allclose(
        conv.conv_transpose2d(x, w, 2, 1), lax_transpose(x, w, 2, 1), atol=1e-5
    )


def test_transposed_sizes():
    x, w = jnp.ones((1, 4, 6, 2)), jnp.ones((5, 5, 2, 3))
    sizes = {
        ('SAME', 0): (8, 12),
        ('VALID', 0): (11, 15),
        (2, 0): (7, 11),
        (2, 1): (8, 12),
    }
    for (padding, more), size in sizes.items():
        shape = conv.conv_transpose2d(x, w, 2, padding, more).shape
        assert shape == (1, *size, 3), (padding, more)


def test_output_padding_adds_the_pixels_that_a_stride_leaves_out():
    x = jax.random.normal(jax.random.key(0), (1, 4, 4, 8))
    w = jax.random.normal(jax.random.key(1), (3, 3, 8, 8))
    got = conv.conv_transpose2d(x, w, 2, 1, 1)
    want = lax.conv_transpose(x, w[::-1, ::-1], (2, 2), [(1, 2)] * 2)
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_layers_compute_in_the_dtype_of_their_input():
    x = jnp.ones((1, 4, 4, 2), jnp.bfloat16)
    y, variables = conv.ConvTranspose(3, 4, 2).init_with_output(jax.random.key(0), x)
    assert y.dtype == jnp.bfloat16
    assert variables['params']['kernel'].dtype == jnp.float32


def test_equalized_layer_scales_by_its_fan_in():
    x = jnp.ones((1, 5, 5, 4))
    ones = nn.initializers.ones
    layer = conv.Conv(1, 3, padding='VALID', kernel_init=ones, reparametrise=equalised(2.0))
    y, _ = layer.init_with_output(jax.random.key(0), x)
    np.testing.assert_allclose(y, 36 * 2 / 6, rtol=1e-6)


# Norms


def run_norm(layer, x, train=True):
    y, variables = layer.init_with_output(jax.random.key(0), x, train=train)
    return y, variables


def test_batch_norm_is_flax_batch_norm():
    x = 3 * jax.random.normal(jax.random.key(1), (6, 4, 4, 5)) + 1
    ours, theirs = norm.BatchNorm(0.8, 1e-3), nn.BatchNorm(False, momentum=0.8, epsilon=1e-3)
    start = ours.init(jax.random.key(0), x, train=True)
    got, new = ours.apply(start, x, train=True, mutable=['batch_stats'])
    want, reference = theirs.apply(start, x, mutable=['batch_stats'])
    np.testing.assert_allclose(got, want, atol=1e-5)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5), new, reference)
    evaluated = ours.apply(start | new, x, train=False)
    want = nn.BatchNorm(True, epsilon=1e-3).apply(start | new, x)
    np.testing.assert_allclose(evaluated, want, atol=1e-5)


def test_batch_norm_without_mutable_statistics_uses_those_of_the_batch():
    x = jax.random.normal(jax.random.key(1), (6, 5)) + 7
    start = norm.BatchNorm().init(jax.random.key(0), x, train=True)
    y = norm.BatchNorm().apply(start, x, train=True)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-5)


def test_batch_norm_is_that_of_the_global_batch():
    x = jax.random.normal(jax.random.key(1), (16, 3, 3, 4)) * jnp.arange(1, 17.0).reshape(
        -1, 1, 1, 1
    )
    layer = norm.BatchNorm()
    start = layer.init(jax.random.key(0), x, train=True)

    def run(variables, x):
        return layer.apply(variables, x, train=True, mutable=['batch_stats'])

    whole, stats = run(start, x)
    parts, synced = jax.pmap(run, axis_name=parallel.AXIS, in_axes=(None, 0), out_axes=(0, None))(
        start, x.reshape(8, 2, *x.shape[1:])
    )
    np.testing.assert_allclose(parts.reshape(x.shape), whole, atol=1e-5)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5), synced, stats)


@pytest.mark.parametrize(
    ('name', 'axes'), [('instance', (1, 2)), ('plain_instance', (1, 2)), ('layer', (1, 2, 3))]
)
def test_norms_of_each_example(name, axes):
    x = 5 * jax.random.normal(jax.random.key(1), (3, 6, 6, 4)) + 2
    y, _ = run_norm(norm.NORMS[name](), x)
    np.testing.assert_allclose(y.mean(axes), 0, atol=1e-5)
    np.testing.assert_allclose(y.std(axes), 1, atol=1e-4)


def test_pixel_norm_scales_each_pixel_to_mean_square_one():
    x = 5 * jax.random.normal(jax.random.key(1), (3, 6, 6, 4))
    y, _ = run_norm(norm.PixelNorm(), x)
    np.testing.assert_allclose(jnp.square(y).mean(-1), 1, rtol=1e-3)


def test_no_norm_is_the_identity():
    x = jnp.arange(6.0).reshape(2, 3)
    y, variables = run_norm(norm.NORMS['none'](), x)
    np.testing.assert_array_equal(y, x)
    assert not variables


# Dropout, resampling, conditioning


class Twice(nn.Module):
    """Two dropouts of the same input."""

    @nn.compact
    def __call__(self, x, keys):
        return Dropout(0.5, name='a')(x, keys), Dropout(0.5, name='b')(x, keys)


def test_dropout_mask_depends_on_the_key_and_the_path_alone():
    keys = jax.random.split(jax.random.key(3), 8)
    x = jnp.ones((8, 50))
    a, b = Twice().apply({}, x, keys)
    half, _ = Twice().apply({}, x[3:5], keys[3:5])
    np.testing.assert_array_equal(half, a[3:5])
    assert (a != b).any()
    assert (a[0] != a[1]).any()
    assert set(np.unique(a)) == {0.0, 2.0}
    assert 0.3 < (a == 0).mean() < 0.7


def test_dropout_is_off_without_keys():
    x = jnp.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(Twice().apply({}, x, None)[0], x)


def test_resampling():
    x = jnp.arange(4.0).reshape(1, 2, 2, 1)
    twice = jnp.asarray([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]], jnp.float32)
    np.testing.assert_array_equal(resample.nearest_neighbour(x, 2)[0, :, :, 0], twice)
    np.testing.assert_array_equal(resample.avgpool(resample.nearest_neighbour(x, 3), 3), x)
    np.testing.assert_array_equal(resample.maxpool(x, 2).ravel(), [3.0])
    np.testing.assert_allclose(resample.bilinear(x, 2)[0, 0, :, 0], [0, 0.25, 0.75, 1])
    depth = jnp.arange(8.0).reshape(1, 1, 1, 8)
    np.testing.assert_array_equal(
        resample.depth_to_space(depth, 2)[0], jnp.arange(8.0).reshape(2, 2, 2)
    )


@pytest.mark.parametrize('kind', resample.UP)
@pytest.mark.parametrize('stride', [1, 2, 3])
def test_every_way_up_enlarges_by_its_stride(kind, stride):
    class Up(nn.Module):
        @nn.compact
        def __call__(self, x):
            return resample.UP[kind](x, features=5, stride=stride, kernel=3)

    x = jnp.ones((2, 4, 6, 3))
    y, _ = jax.eval_shape(lambda: Up().init_with_output(jax.random.key(0), x))
    assert y.shape == (2, 4 * stride, 6 * stride, 5)


def test_label_plane_depends_on_the_label_alone():
    plane = LabelPlane(4, 6)
    x = jax.random.normal(jax.random.key(0), (3, 5, 7, 2))
    y, variables = plane.init_with_output(jax.random.key(1), x, jnp.asarray([2, 0, 2]))
    assert y.shape == (3, 5, 7, 3)
    np.testing.assert_array_equal(y[..., :2], x)
    np.testing.assert_array_equal(y[0, ..., 2], y[2, ..., 2])
    assert (y[0, ..., 2] != y[1, ..., 2]).any()
    sizes = jax.tree.map(jnp.size, variables['params'])
    assert sizes == {'embedding': {'embedding': 24}, 'plane': {'kernel': 210, 'bias': 35}}


# Names


def test_leaky_relu_takes_its_slope():
    np.testing.assert_allclose(
        activations.get('leaky_relu', 0.01)(jnp.asarray([-1.0, 2])), [-0.01, 2]
    )


def test_normal_init_is_that_of_dcgan():
    start = init.get('normal')
    kernel = start.kernel(jax.random.key(0), (4, 4, 64, 64))
    gamma = start.gamma(jax.random.key(0), (10_000,))
    np.testing.assert_allclose([kernel.mean(), kernel.std()], [0, 0.02], atol=2e-4)
    np.testing.assert_allclose([gamma.mean(), gamma.std()], [1, 0.02], atol=1e-3)


def test_torch_init_is_bounded_by_the_fan_in():
    kernel = init.get('torch').kernel(jax.random.key(0), (100, 50))
    assert 0.09 < abs(kernel).max() <= 0.1


@pytest.mark.parametrize(
    ('find', 'name', 'close'),
    [(activations.get, 'leaky_rely', 'leaky_relu'), (init.get, 'norml', 'normal')],
)
def test_unknown_names_are_refused_with_the_nearest(find, name, close):
    offered = f"unknown .* '{name}' .did you mean '{close}'.*; available: .*{close}"
    with pytest.raises(UserError, match=offered):
        find(name)


def test_weight_norm_gives_each_filter_a_norm_of_its_own():
    x = jax.random.normal(jax.random.key(1), (5, 4))
    layer = Dense(3, reparametrise=weight)
    y, variables = layer.init_with_output(jax.random.key(0), x)
    params = variables['params']
    np.testing.assert_allclose(y, x @ params['kernel'], rtol=1e-5)
    changed = params | {'kernel': 7 * params['kernel'], 'kernel_norm': 2 * params['kernel_norm']}
    np.testing.assert_allclose(layer.apply({'params': changed}, x), 2 * y, rtol=1e-5)


def test_noise_is_of_each_example_and_of_training():
    x = jnp.zeros((400, 10))
    keys = jax.random.split(jax.random.key(0), 400)
    layer = Noise(0.5, name='noise')
    noisy = layer.apply({}, x, keys)
    np.testing.assert_allclose((noisy.mean(), noisy.std()), (0, 0.5), atol=0.03)
    np.testing.assert_allclose(layer.apply({}, x[:3], keys[7:10]), noisy[7:10], rtol=1e-6)
    assert layer.apply({}, x, None) is x
