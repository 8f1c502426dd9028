"""Grouped and depthwise convolutions against lax, to the second derivative."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from test_nn import NUMBERS, values_and_derivatives

from gan_jax.nn import conv
from gan_jax.runtime.cpu import groups as grouped


def lax_grouped(x, w, stride, padding, groups):
    pads = padding if isinstance(padding, str) else [(padding, padding)] * 2
    return lax.conv_general_dilated(
        x, w, (stride, stride), pads, dimension_numbers=NUMBERS, feature_group_count=groups
    )


# channels, features, groups, kernel, stride, padding, size
GROUPED = [
    (32, 64, 2, 3, 1, 1, (5, 4)),  # a product for each group
    (32, 48, 4, 3, 1, 1, (4, 5)),  # merged in twos
    (12, 18, 3, 3, 2, 1, (7, 6)),  # merged into one
    (8, 8, 8, 3, 1, 'SAME', (5, 4)),  # depthwise
    (6, 6, 6, 4, 2, 1, (7, 6)),
    (6, 6, 6, 4, 1, 'VALID', (4, 4)),
    (4, 8, 4, 3, 1, 1, (4, 4)),  # two features of each channel
    (34, 34, 2, 1, 1, 0, (3, 4)),
]


@pytest.mark.parametrize('case', GROUPED)
def test_grouped_convolutions_equal_lax(case):
    channels, features, groups, kernel, stride, padding, size = case
    rng = np.random.default_rng(kernel)
    x = jnp.asarray(rng.normal(size=(2, *size, channels)), jnp.float32)
    w = rng.normal(size=(kernel, kernel, channels // groups, features)) / kernel**2
    ours, theirs = (functools.partial(f, groups=groups) for f in (conv.conv2d, lax_grouped))
    w = jnp.asarray(w, jnp.float32)
    probe = rng.normal(size=jax.eval_shape(lambda: theirs(x, w, stride, padding)).shape)
    probe = jnp.asarray(probe, jnp.float32)
    got = values_and_derivatives(ours, stride, padding, probe)(x, w)
    want = values_and_derivatives(theirs, stride, padding, probe)(x, w)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5 * float(abs(b).max()))


@pytest.mark.parametrize(
    ('channels', 'groups', 'merged'),
    [(128, 8, 1), (64, 8, 2), (48, 6, 2), (12, 3, 3), (24, 6, 6), (1536, 96, 3), (60, 12, 4)],
)
def test_groups_are_merged_to_what_is_worth_a_product(channels, groups, merged):
    assert grouped.merging(channels, groups) == merged


def test_a_layer_of_groups_is_one_kernel_of_a_group_s_channels():
    layer = conv.Conv(6, groups=3, use_bias=False)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 4, 4, 9)), jnp.float32)
    variables = layer.init(jax.random.key(0), x)
    kernel = variables['params']['kernel']
    assert kernel.shape == (3, 3, 3, 6)
    parts = zip(jnp.split(x, 3, -1), jnp.split(kernel, 3, -1), strict=True)
    want = [conv.conv2d(*part) for part in parts]
    np.testing.assert_allclose(layer.apply(variables, x), jnp.concatenate(want, -1), atol=1e-6)


def test_other_backends_and_the_switch_have_the_plain_primitive(monkeypatch):
    monkeypatch.setenv('GAN_JAX_CPU_TUNING', 'off')
    x, w = jnp.ones((1, 4, 4, 8)), jnp.ones((3, 3, 2, 8))
    program = str(jax.make_jaxpr(functools.partial(conv.conv2d, groups=4))(x, w))
    assert program.count('conv_general_dilated[') == 1 and 'feature_group_count=4' in program
