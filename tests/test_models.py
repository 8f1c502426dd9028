"""Networks: shapes, parameter counts of the systems they come from, and what they refuse."""

import importlib.util
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ROOT

from gan_jax import models
from gan_jax.errors import UserError
from gan_jax.models import cgan, dcgan, mlp, progan
from gan_jax.nn import resample
from gan_jax.nn.network import each
from gan_jax.nn.norm import NORMS

KERAS = {'weight_init': 'glorot', 'norm_momentum': 0.99, 'norm_eps': 1e-3, 'bias': True}
KERAS = KERAS | {'out_bias': True}

# Systems without a config: generator's and discriminator's options.
MORE = {
    'dcgan_celeba28': (
        {
            **KERAS,
            'widths': (512, 256, 128, 64),
            'strides': (1, 2, 2, 1),
            'kernel': (4, 5, 5, 5),
            'padding': ('VALID', 'SAME', 'SAME', 'SAME'),
            'act': 'leaky_relu',
        },
        {**KERAS, 'widths': (64, 128, 256, 512), 'kernel': 5, 'dropout': (0.3, 0.0, 0.3, 0.0)},
    ),
}

# (H, W, C), classes, parameters of generator and discriminator
SYSTEMS = {
    'mlp_mnist': ((28, 28, 1), 0, 114_064, 100_609),
    'mlp3_mnist': ((28, 28, 1), 0, 114_800, 110_849),
    'dcgan_quickdraw': ((28, 28, 1), 0, 177_329, 4_311_553),
    'dcgan_mnist': ((28, 28, 1), 0, 1_164_289, 40_705),
    'dcgan_flowers': ((80, 80, 3), 0, 1_971_715, 1_363_553),
    'cgan_flowers': ((80, 80, 3), 102, 1_546_991, 3_971_753),
    'dcgan64_cifar10': ((64, 64, 3), 0, 3_576_704, 2_765_568),
    'dcgan_celeba': ((64, 64, 3), 0, 3_576_704, 2_765_568),
    'dcgan_cifar10': ((32, 32, 3), 0, 370_627, 167_809),
    'dcgan_svhn': ((32, 32, 3), 0, 4_935_171, 1_034_113),
    'dcgan_logograms': ((128, 128, 1), 0, 8_723_073, 6_629_633),
    'dcgan_celeba28': ((28, 28, 3), 0, 3_955_715, 4_310_401),
}


def model_node(name):
    """Return config.model of a config, or of a system that has none."""
    if name in MORE:
        g, d = MORE[name]
        return models.node('dcgan', g=g, d=d)
    spec = importlib.util.spec_from_file_location(name, ROOT / 'configs' / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config().model.to_dict()


def shapes(module, *inputs):
    """Return the shapes of a module's variables and of its output in training, uncompiled."""
    keys = jax.random.split(jax.random.key(0), len(inputs[0]))
    variables = jax.eval_shape(lambda: module.init(jax.random.key(0), *inputs, train=True))
    output, _ = jax.eval_shape(
        lambda v: module.apply(v, *inputs, train=True, keys=keys, mutable=['batch_stats']),
        variables,
    )
    return variables, output


def count(tree):
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize('name', SYSTEMS)
def test_systems_have_the_sizes_of_their_sources(name):
    shape, classes, g_count, d_count = SYSTEMS[name]
    node = model_node(name) | {'classes': classes}
    g, d = models.build(node, 'g', shape), models.build(node, 'd', shape)
    label = jnp.zeros(2, jnp.int32)
    variables, images = shapes(g, jnp.zeros((2, g.z_dim)), label)
    assert count(variables['params']) == g_count
    assert images.shape == (2, *shape)
    variables, (logits, features, *more) = shapes(d, jnp.zeros((2, *shape)), label)
    assert features.shape[0] == 2 and more == [None, None]
    assert count(variables['params']) == d_count
    assert logits.shape == (2,)
    assert images.dtype == logits.dtype == jnp.float32


def test_running_statistics_of_the_first_gan_of_keras_are_counted_there():
    g = models.build(model_node('dcgan_quickdraw'), 'g', (28, 28, 1))
    assert count(shapes(g, jnp.zeros((2, g.z_dim)))[0]) == 183_713


AUTOENCODERS = {  # encoder, decoder, code, parameters
    'dense': ({'hidden': (32,)}, {}, (32,), 50_992),
    'conv': ({'widths': (16, 8, 8), 'hidden': ()}, {'widths': (8, 8, 16)}, (4, 4, 8), 4_385),
    'denoising': (
        {'widths': (32, 32, 16), 'hidden': ()},
        {'widths': (16, 32, 32)},
        (4, 4, 16),
        30_689,
    ),
    'both': ({'widths': (8, 4), 'hidden': (10,)}, {'widths': (4, 8)}, (10,), None),
}


@pytest.mark.parametrize('name', AUTOENCODERS)
def test_autoencoders(name):
    encoder, decoder, code_shape, total = AUTOENCODERS[name]
    node = models.node('autoencoder', encoder=encoder, decoder=decoder)
    encode, decode = (models.build(node, p, (28, 28, 1)) for p in ('encoder', 'decoder'))
    first, code = shapes(encode, jnp.zeros((2, 28, 28, 1)))
    assert code.shape == (2, *code_shape)
    second, logits = shapes(decode, jnp.zeros(code.shape))
    assert logits.shape == (2, 28, 28, 1)
    assert total in (None, count((first['params'], second['params'])))


@pytest.mark.parametrize(
    ('size', 'layers'), [(28, 2), (32, 3), (64, 4), (80, 4), (128, 5), ((64, 96), 4), (96, 3)]
)
def test_any_multiple_of_a_power_of_two_is_made_and_read(size, layers):
    h, w = (size, size) if isinstance(size, int) else size
    widths = (8,) * layers
    g = dcgan.Generator(shape=(h, w, 3), widths=widths)
    d = dcgan.Discriminator(shape=(h, w, 3), widths=widths)
    g.check()
    d.check()
    _, images = shapes(g, jnp.zeros((2, 100)))
    assert images.shape == (2, h, w, 3)
    _, (logits, *_) = shapes(d, jnp.zeros(images.shape))
    assert logits.shape == (2,)


UP, DOWN = tuple(resample.UP), ('strided_conv', *resample.POOL)
# each way up and each way down with each norm
SWITCHES = [(up, DOWN[(i + j) % len(DOWN)], norm)
            for i, up in enumerate(UP) for j, norm in enumerate(NORMS)]  # fmt: skip


@pytest.mark.parametrize(('up', 'down', 'norm'), SWITCHES)
def test_switches_combine(up, down, norm):
    options = {'shape': (16, 24, 1), 'widths': (4, 6), 'norm': norm, 'weight_init': 'equalized'}
    g, d = dcgan.Generator(up=up, **options), dcgan.Discriminator(down=down, **options)
    _, images = shapes(g, jnp.zeros((2, 100)))
    assert images.shape == (2, 16, 24, 1)
    assert shapes(d, jnp.zeros(images.shape))[1].logits.shape == (2,)


def test_edges_are_normalised_on_demand():
    def norms(cls, inputs, **options):
        module = cls(shape=(16, 16, 3), widths=(4, 4), **options)
        return {k for k in shapes(module, inputs)[0]['params'] if k.startswith('norm')}

    z, images = jnp.zeros((2, 100)), jnp.zeros((2, 16, 16, 3))
    assert norms(dcgan.Generator, z) == {'norm_0', 'norm_1'}
    assert norms(dcgan.Generator, z, norm_skip_edges=False) == {'norm_0', 'norm_1', 'norm_out'}
    assert norms(dcgan.Discriminator, images) == {'norm_1'}
    assert norms(dcgan.Discriminator, images, norm_skip_edges=False) == {'norm_0', 'norm_1'}


@pytest.mark.parametrize(
    ('module', 'message'),
    [
        (dcgan.Generator(shape=(30, 64, 3)), 'size 30x64: .* cannot make 30; .*: 32, 16, 48'),
        (dcgan.Generator(widths=(8, 8), strides=(2, 2, 2)), r'strides \(2, 2, 2\) has 3 .* or 2'),
        (dcgan.Generator(up='nearest', widths=(8, 8)), "unknown up 'nearest' .*nearest_conv"),
        (dcgan.Generator(norm='bacth', widths=(8, 8)), "unknown norm 'bacth' .*'batch'"),
        (dcgan.Generator(out_act='tanhh', widths=(8, 8)), "'tanhh' .*'tanh'"),
        (dcgan.Discriminator(down='avg_pool'), "unknown down 'avg_pool' .*'avgpool'"),
        (dcgan.Discriminator(shape=(4, 4, 1), padding='VALID'), 'size 4x4: too small'),
        (mlp.Discriminator(dropout=1.0), 'dropout 1.0; allowed'),
        (mlp.Generator(hidden=(8, 8), norm=('batch',) * 3), r"norm \('batch', .* has 3 values"),
        (mlp.Generator(weight_init='xavier'), "unknown init 'xavier'"),
        (cgan.Generator(widths=(8, 8)), 'needs labels'),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(module, message):
    with pytest.raises(UserError, match=message) as refusal:
        module.check()
    assert '\n' not in str(refusal.value)


def test_one_value_is_that_of_all_layers_in_a_tuple_or_not():
    # a single value on the command line is a tuple of one
    assert each('batch', 2, 'norm') == each(('batch',), 2, 'norm') == ('batch', 'batch')
    assert progan.Generator(shape=(8, 8, 1), widths=(4,)).channels() == (4, 4)


def test_conditional_models_ask_for_the_label():
    g = cgan.Generator(shape=(8, 8, 1), widths=(4, 4), num_classes=3)
    with pytest.raises(UserError, match='needs a label'):
        g.init(jax.random.key(0), jnp.zeros((2, 100)), train=True)


def test_the_label_changes_image_and_logit():
    options = {'shape': (8, 8, 1), 'widths': (4, 4), 'num_classes': 3, 'norm': 'none'}
    g, d = cgan.Generator(embed=5, **options), cgan.Discriminator(embed=5, **options)
    z = jnp.ones((3, 100))
    label = jnp.asarray([0, 1, 0])
    images, _ = g.init_with_output(jax.random.key(0), z, label, train=False)
    verdict, _ = d.init_with_output(jax.random.key(0), jnp.ones((3, 8, 8, 1)), label, train=False)
    for out in (images, verdict.logits):
        np.testing.assert_allclose(out[0], out[2], rtol=1e-5)
        assert (out[0] != out[1]).any()


def test_the_label_is_heard_from_the_start():
    options = {'shape': (16, 16, 1), 'widths': (16, 8), 'num_classes': 10, 'embed': 10}
    g, d = cgan.Generator(**options), cgan.Discriminator(norm='none', **options)
    z, label = jax.random.normal(jax.random.key(1), (64, 100)), jnp.arange(64) % 10
    images, variables = g.init_with_output(jax.random.key(0), z, label, train=False)

    def moved(*inputs):
        return float(jnp.square(g.apply(variables, *inputs, train=False) - images).mean())

    # Ten numbers of 110 are the label's; beside 128 channels of features it had a 129th.
    assert moved(z, (label + 1) % 10) > 0.05 * moved(z[::-1], label)
    seen = d.init_with_output(
        jax.random.key(0), images, label, train=True, capture_intermediates=True
    )[1]['intermediates']['label']['__call__'][0][..., 1]
    # As loud as the image itself, whose pixels lie between -1 and 1.
    assert 0.5 < float(seen.std()) < 2


def test_dropout_does_not_depend_on_how_the_batch_is_divided():
    d = mlp.Discriminator(shape=(4, 4, 1), hidden=(32, 16), dropout=0.4)
    x = jax.random.normal(jax.random.key(1), (6, 4, 4, 1))
    keys = jax.random.split(jax.random.key(2), 6)
    params = d.init(jax.random.key(0), x, train=True)
    whole = d.apply(params, x, train=True, keys=keys).logits
    parts = [d.apply(params, x[i : i + 3], train=True, keys=keys[i : i + 3])[0] for i in (0, 3)]
    np.testing.assert_allclose(whole, np.concatenate(parts), rtol=1e-5)
    assert (whole != d.apply(params, x, train=True).logits).all()


@pytest.mark.parametrize('part', ['Generator', 'Discriminator'])
def test_a_conditional_network_has_the_defaults_of_the_plain_one(part):
    plain = models.fields(getattr(models.find('dcgan'), part), {})
    conditional = models.fields(getattr(models.find('cgan'), part), {})
    assert conditional == {**plain, 'embed': 50}


def test_parts_of_a_model_come_from_any_file():
    node = models.node(g='dcgan.Generator', d={'name': 'mlp.Discriminator', 'hidden': (4,)})
    assert node['name'] == 'dcgan' and 'widths' in node['g'] and node['d']['hidden'] == (4,)
    g, d = models.build(node, 'g', (32, 32, 1)), models.build(node, 'd', (32, 32, 1))
    assert type(g) is dcgan.Generator and type(d) is mlp.Discriminator
    with pytest.raises(UserError, match=r"unknown model\.d\.name 'mlp\.Critic'.*; available: aae"):
        models.node('dcgan', g={}, d='mlp.Critic')
    with pytest.raises(UserError, match=r"unknown key 'model\.d\.widths'; available: model\.d"):
        models.node('dcgan', g={}, d={'name': 'mlp.Discriminator', 'widths': (4,)})


def test_a_block_of_layers_is_no_part_of_a_model():
    for file in ('r3gan', 'stylegan2'):
        assert {f'{file}.Generator', f'{file}.Discriminator'} == set(models.networks(file))
