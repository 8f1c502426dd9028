"""Residual families: sizes of their papers, every size that can be halved, labels, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_models import count, shapes

from gan_jax.errors import UserError
from gan_jax.models import biggan, resnet, sagan

FAMILIES = {'resnet': resnet, 'sagan': sagan, 'biggan': biggan}
TINY = {'width': 2, 'num_classes': 3, 'attention': ()}


def pair(module, shape, **options):
    """Return generator and discriminator, checked."""
    options = {'shape': shape, **options}
    g = module.Generator(**options)
    if module is biggan:
        g = g.clone(z_dim=4 * len(g.channels()), shared=3)
    d = module.Discriminator(**options)
    g.check()
    d.check()
    return g, d


def test_sizes_of_the_papers():
    g, d = pair(resnet, (32, 32, 3), width=64)
    assert g.channels() == (256,) * 4 and d.channels() == (128,) * 4 and d.halving() == 2
    label = jnp.zeros(2, jnp.int32)
    assert count(shapes(g, jnp.zeros((2, 128)))[0]['params']) == 4_276_739
    g, d = pair(resnet, (64, 64, 3), width=64)
    assert g.channels() == (1024, 512, 256, 128, 64) and d.channels() == (64, 128, 256, 512, 1024)
    g, d = pair(biggan, (32, 32, 3), width=96, num_classes=10)
    assert g.channels() == (384,) * 4 and d.channels() == (192,) * 4
    variables, images = shapes(biggan.Generator(shape=(32, 32, 3), num_classes=10),
                               jnp.zeros((2, 80)), label)  # fmt: skip
    assert images.shape == (2, 32, 32, 3)
    assert variables['params']['block_0_norm_1']['scale']['kernel'].shape == (148, 384)
    g, d = pair(biggan, (128, 128, 3), width=96, num_classes=10)
    assert g.channels() == tuple(96 * m for m in (16, 16, 8, 4, 2, 1))
    assert d.channels() == tuple(96 * m for m in (1, 2, 4, 8, 16, 16)) and d.halving() == 5


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('size', [(8, 8), (16, 24), (28, 28), (32, 32), (48, 48), (64, 96)])
def test_sizes_that_can_be_halved(family, size):
    g, d = pair(FAMILIES[family], (*size, 1), **TINY)
    label = jnp.zeros(2, jnp.int32)
    _, images = shapes(g, jnp.zeros((2, g.z_dim)), label)
    assert images.shape == (2, *size, 1)
    _, verdict = shapes(d, images, label)
    assert verdict.logits.shape == (2,) and verdict.features.shape == (2, d.channels()[-1])


@pytest.mark.parametrize(
    ('module', 'inputs'),
    [
        (resnet.Generator(conditioning='batch_norm'), (3, 128)),
        (resnet.Generator(conditioning='vector'), (3, 128)),
        (resnet.Discriminator(conditioning='projection'), (3, 8, 8, 1)),
        (resnet.Discriminator(conditioning='plane'), (3, 8, 8, 1)),
        (biggan.Generator(z_dim=4), (3, 4)),
        (biggan.Discriminator(), (3, 8, 8, 1)),
    ],
)
def test_the_label_changes_what_they_say(module, inputs):
    module = module.clone(shape=(8, 8, 1), num_classes=2, width=2)
    module.check()
    variables = module.init(
        jax.random.key(0), jnp.ones(inputs), jnp.zeros(3, jnp.int32), train=True
    )
    noise = jax.random.normal
    params = {**variables['params']}
    params = jax.tree.map(lambda x: x + 0.1 * noise(jax.random.key(x.size), x.shape), params)
    label = jnp.asarray([0, 1, 0])
    out = module.apply({**variables, 'params': params}, jnp.ones(inputs), label, train=False)
    out = getattr(out, 'logits', out)
    np.testing.assert_allclose(out[0], out[2], rtol=1e-5)
    assert (out[0] != out[1]).any()
    with pytest.raises(UserError, match='needs a label for every example'):
        module.apply({**variables, 'params': params}, jnp.ones(inputs), train=False)


def test_attention_follows_the_first_block_of_its_height():
    options = {'shape': (16, 16, 1), 'widths': (8,) * 3, 'attention': (8,)}
    for module, inputs in (
        (resnet.Generator(**options), (2, 128)),
        (resnet.Discriminator(**options, halvings=1), (2, 16, 16, 1)),
    ):
        module.check()
        params = shapes(module, jnp.zeros(inputs))[0]['params']
        assert [name for name in params if 'attention' in name] == ['attention_8']
        assert params['attention_8']['query']['kernel'].shape == (1, 1, 8, 1)


def test_parts_of_z_reach_their_blocks_alone():
    g = biggan.Generator(shape=(16, 16, 1), num_classes=2, width=2, z_dim=6, shared=3)
    z, label = jax.random.normal(jax.random.key(1), (2, 6)), jnp.zeros(2, jnp.int32)
    variables = g.init(jax.random.key(0), z, label, train=False)

    def seen(z):
        kept = g.apply(variables, z, label, train=False, capture_intermediates=True)[1]
        return kept['intermediates']

    before, after = seen(z), seen(z.at[:, 4:].add(1.0))  # the last block's
    moved = {
        name
        for name in before
        if any((a != b).any() for a, b in zip(*map(jax.tree.leaves, (before[name], after[name])),
                                               strict=True))
    }  # fmt: skip
    moved -= {'block_1_dropout', 'block_2_dropout'}
    parts = {f'block_1_{name}' for name in ('norm_1', 'norm_2', 'conv_1', 'conv_2')}
    assert moved == parts | {'norm_out', 'out', '__call__'}


@pytest.mark.parametrize(
    ('module', 'message'),
    [
        (resnet.Generator(shape=(25, 32, 3)), 'size 25x32: .* cannot make it; .* of 8, such as 24'),
        (resnet.Generator(shape=(36, 36, 3), widths=(8,) * 4), 'of 3 blocks .* of 8, such as 32'),
        (resnet.Discriminator(shape=(30, 32, 3), widths=(8,) * 3, halvings=2), 'be halved 2 times'),
        (resnet.Discriminator(shape=(32, 32, 3), halvings=5), 'halvings=5 of 4 blocks'),
        (sagan.Generator(shape=(16, 16, 3)), 'attention at 32; available: 8, 16'),
        (sagan.Discriminator(shape=(64, 64, 3), attention=(64,)), 'available: 32, 16, 8, 4'),
        (
            resnet.Generator(shape=(8, 8, 3), width=1, attention=(8,)),
            'have 4 channels; .*8 or more',
        ),
        (resnet.Generator(shape=(8, 8, 3), conditioning='batch_norm'), 'model.classes is 0'),
        (resnet.Discriminator(shape=(8, 8, 3), conditioning='projection'), 'model.classes is 0'),
        (biggan.Generator(shape=(32, 32, 3)), 'needs labels: model.classes is 0'),
        (biggan.Discriminator(shape=(32, 32, 3)), 'needs labels: model.classes is 0'),
        (biggan.Generator(shape=(32, 32, 3), num_classes=2, z_dim=81), 'into 4 parts.* of 4'),
        (
            biggan.Generator(shape=(32, 32, 3), num_classes=2, norm='layer'),
            "norm='layer' cannot be told .*'batch'",
        ),
        (
            resnet.Generator(
                shape=(8, 8, 3), num_classes=2, conditioning='batch_norm', norm='none'
            ),
            "'batch_norm' with norm='none'; allowed: 'batch'",
        ),
        (resnet.Discriminator(shape=(8, 8, 3), stddev_group=1), 'stddev_group=1 has no deviation'),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(module, message):
    with pytest.raises(UserError, match=message) as refusal:
        module.check()
    assert '\n' not in str(refusal.value)
