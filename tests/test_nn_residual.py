"""Layers of residual networks, each by a closed form or an invariant."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.nn import init, norm, resample
from gan_jax.nn.attention import SelfAttention
from gan_jax.nn.conditioning import LabelBatchNorm, Projection, VectorBatchNorm
from gan_jax.nn.conv import Conv
from gan_jax.nn.minibatch import MinibatchStddev


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def test_a_convolution_and_a_resize_beside_it_are_one():
    x = draw(2, 6, 8, 5)
    for layer, slow in (
        (resample.ConvPool(7), lambda p: resample.avgpool(Conv(7).apply(p, x), 2)),
        (resample.UpConv(7), lambda p: Conv(7).apply(p, resample.nearest_neighbour(x, 2))),
        (resample.ConvPool(7, 1), lambda p: resample.avgpool(Conv(7, 1).apply(p, x), 2)),
    ):
        params = layer.init(jax.random.key(0), x)
        np.testing.assert_allclose(layer.apply(params, x), slow(params), atol=1e-6)


@pytest.mark.parametrize('size', [(4, 6), (5, 7)])
def test_max_pooling_is_flax_max_pooling_and_so_is_its_gradient(size):
    from flax import linen

    x = draw(2, *size, 3)

    def both(pool):
        return pool(x), jax.grad(lambda x: jnp.square(pool(x)).sum())(x)

    want = both(lambda x: linen.max_pool(x, (2, 2), (2, 2)))
    got = both(lambda x: resample.maxpool(x, 2))
    np.testing.assert_array_equal(got[0], want[0])
    np.testing.assert_allclose(got[1], want[1], rtol=1e-6)


@pytest.mark.parametrize(('channels', 'group'), [(32, 16), (24, 8), (6, 2)])
def test_group_norm_standardises_pixels_and_groups_of_channels(channels, group):
    x = 3 + 2 * draw(2, 4, 5, channels)
    y, _ = norm.GroupNorm().init_with_output(jax.random.key(0), x, train=True)
    groups = np.asarray(y).reshape(2, 20, -1, group)
    np.testing.assert_allclose(groups.mean((1, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(groups.std((1, 3)), 1, rtol=1e-4)


def test_label_batch_norm_is_batch_norm_with_the_row_of_the_class():
    x, label = draw(4, 3, 3, 5), jnp.asarray([1, 0, 2, 1])
    layer = LabelBatchNorm(num_classes=3)
    variables = layer.init(jax.random.key(0), x, train=True, condition=label)
    tables = {'scale': draw(3, 5, seed=1), 'bias': draw(3, 5, seed=2)}
    variables = {**variables, 'params': tables}
    for train in (True, False):
        got = layer.apply(variables, x, train=train, condition=label)
        ones = {'scale': jnp.ones(5), 'bias': jnp.zeros(5)}
        plain = norm.BatchNorm().apply({**variables, 'params': ones}, x, train=train)
        rows = {k: v[label][:, None, None] for k, v in tables.items()}
        np.testing.assert_allclose(got, plain * rows['scale'] + rows['bias'], atol=1e-6)


def test_vector_batch_norm_is_batch_norm_where_its_vector_is_zero_and_linear_in_it():
    x, layer = draw(4, 3, 3, 5), VectorBatchNorm(kernel_init=jax.nn.initializers.normal(1.0))
    variables = layer.init(jax.random.key(0), x, train=True, condition=jnp.zeros((4, 2)))
    ones = {'scale': jnp.ones(5), 'bias': jnp.zeros(5)}
    plain = norm.BatchNorm().apply({**variables, 'params': ones}, x, train=True)

    def of(vector):
        return layer.apply(variables, x, train=True, condition=vector)

    np.testing.assert_allclose(of(jnp.zeros((4, 2))), plain, atol=1e-6)
    vector = draw(4, 2, seed=3)
    np.testing.assert_allclose(of(3 * vector) - plain, 3 * (of(vector) - plain), atol=1e-4)
    assert abs(of(vector) - plain).max() > 0.1


def test_projection_is_the_product_with_the_vector_of_the_class():
    features, label = draw(4, 6), jnp.asarray([2, 0, 1, 2])
    layer = Projection(3)
    got, variables = layer.init_with_output(jax.random.key(0), features, label)
    vectors = variables['params']['classes']['kernel'].T
    np.testing.assert_allclose(got, (features * vectors[label]).sum(1), rtol=1e-5)


class TestAttention:
    x = draw(2, 4, 6, 16)

    def applied(self, change):
        layer = SelfAttention(kernel_init=jax.nn.initializers.normal(0.5))
        params = layer.init(jax.random.key(0), self.x)['params']
        return layer.apply({'params': change(dict(params))}, self.x), params

    def test_it_starts_as_the_identity(self):
        np.testing.assert_array_equal(self.applied(lambda params: params)[0], self.x)

    def test_it_is_softmax_of_products_over_pooled_places(self):
        got, params = self.applied(lambda params: params | {'scale': jnp.float32(0.7)})
        q, k, v = (self.x @ params[n]['kernel'][0, 0] for n in ('query', 'key', 'value'))
        k, v = (np.asarray(a).reshape(2, 2, 2, 3, 2, -1).max((2, 4)).reshape(2, 6, -1)
                for a in (k, v))  # fmt: skip
        scores = np.asarray(q).reshape(2, 24, -1) @ k.swapaxes(1, 2)
        shares = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        taken = (shares @ v).reshape(2, 4, 6, -1) @ np.asarray(params['out']['kernel'][0, 0])
        np.testing.assert_allclose(got, self.x + 0.7 * taken, atol=1e-5)

    def test_equal_keys_share_attention_equally(self):
        def flat(params):
            return params | {'scale': jnp.float32(1), 'key': {'kernel': jnp.zeros((1, 1, 16, 2))}}

        got, _ = self.applied(flat)
        added = np.asarray(got - self.x).reshape(2, 24, -1)
        np.testing.assert_allclose(added, added[:, :1].repeat(24, 1), atol=1e-5)


class TestMinibatchStddev:
    def test_it_appends_the_deviation_of_each_group(self):
        x = draw(6, 2, 3, 4)
        y = MinibatchStddev(3, unbiased=True)(x)
        groups = np.asarray(x).reshape(2, 3, -1)
        want = groups.std(1, ddof=1).mean(-1).repeat(3)
        np.testing.assert_array_equal(y[..., :4], x)
        np.testing.assert_allclose(y[..., 4], np.broadcast_to(want[:, None, None], (6, 2, 3)),
                                   rtol=1e-5)  # fmt: skip

    def test_equal_examples_have_none_and_a_finite_gradient(self):
        x = jnp.ones((4, 2, 2, 3))
        assert MinibatchStddev(4)(x)[..., 3].max() < 1e-3
        assert jnp.isfinite(jax.grad(lambda x: MinibatchStddev(4)(x).sum())(x)).all()

    def test_groups_do_not_straddle_parts_of_a_batch(self):
        x = draw(8, 2, 2, 3)
        parts = [MinibatchStddev(4)(x[i : i + 4]) for i in (0, 4)]
        np.testing.assert_allclose(MinibatchStddev(4)(x), np.concatenate(parts), rtol=1e-6)
        with pytest.raises(UserError, match='groups of 4 examples do not divide the 6 that one'):
            MinibatchStddev(4)(x[:6])


def test_orthogonal_kernels_keep_lengths():
    kernel = init.get('orthogonal').kernel(jax.random.key(0), (3, 3, 8, 16))
    matrix = np.asarray(kernel).reshape(-1, 16)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(16), atol=1e-5)


def test_glorot_for_relu_has_twice_the_variance():
    key, shape = jax.random.key(0), (3, 3, 64, 64)
    plain, twice = (init.get(n).kernel(key, shape).var() for n in ('glorot', 'glorot_relu'))
    np.testing.assert_allclose(twice / plain, 2, rtol=1e-3)
