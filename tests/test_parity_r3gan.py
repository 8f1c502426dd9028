"""R3GAN's networks and both of its steps: RpGAN with R1 and R2, with and without classes."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_parity_dcgan_forward import close, straight
from test_parity_dcgan_step import recorded
from test_steps import context

from gan_jax import config as configs
from gan_jax import models, terms
from gan_jax.data import image_spec
from gan_jax.nn import resample

KEY = jax.random.key(1)
LAYERS = {'LinearLayer1': 'expand', 'LinearLayer2': 'mix', 'LinearLayer3': 'project'}
BIASES = {'NonLinearity1': 'expand', 'NonLinearity2': 'mix'}


def last_stage(size):
    return len(size['WidthPerStage']) - 1


def where(name, size):
    """Return the path of a reference's weight among our parameters, and the map of its value."""
    net, *parts = name.split('.')
    if parts[0] != 'MainLayers':
        layer = {'ExtractionLayer': 'image', 'AggregationLayer': 'image', 'EmbeddingLayer': 'label'}
        if parts[0] == 'EmbeddingLayer':
            return ('label', 'embedding'), np.transpose
        return (layer[parts[0]], 'kernel'), straight
    stage, position = int(parts[1]), int(parts[3])
    i = stage if net == 'G' else last_stage(size) - stage
    if parts[4] in LAYERS or parts[4] in BIASES:
        block = f'stage_{i}_block_{position - (net == "G")}'
        if parts[4] in BIASES:
            return (block, BIASES[parts[4]], 'bias'), np.asarray
        return (block, LAYERS[parts[4]], 'kernel'), straight
    if parts[4] == 'Basis':
        if net == 'G':
            return ('basis',), lambda w: w.transpose(1, 2, 0)
        return ('basis',), lambda w: w[:, 0].transpose(1, 2, 0)
    if parts[-2] == 'Layer':  # a change of width, which in D comes after the stage that it leaves
        return (f'stage_{i if net == "G" else i - 1}_width', 'kernel'), straight
    return ('scales' if net == 'G' else 'logit', 'kernel'), np.transpose


def params_from(weights, net, size):
    """Return our parameters from the reference's state dict."""
    params = {}
    for name, value in weights.items():
        if name.startswith(net):
            (*path, leaf), change = where(name, size)
            node = params
            for part in path:
                node = node.setdefault(part, {})
            node[leaf] = jnp.asarray(change(value))
    return params


def leaf_of(tree, path):
    for part in path:
        tree = tree[part]
    return tree


def algorithm_of(size, ins):
    """Return our GAN with the reference's sizes, gamma and codes."""
    config = configs.base()
    config.devices, config.batch_size = 1, len(ins['z'])
    config.loss = {'name': 'relativistic', 'reuse_z': True}
    gamma = {'weight': size['gamma']}
    config.terms = terms.node(r1=gamma, r2=gamma)
    options = {
        'widths': tuple(size['WidthPerStage']),
        'blocks': tuple(size['BlocksPerStage']),
        'cardinality': tuple(size['CardinalityPerStage']),
        'expansion': size['ExpansionFactor'],
        'kernel': size['KernelSize'],
    }
    if size['ConditionDimension']:
        options |= {'embed': size['ConditionEmbeddingDimension']}
    config.model = models.node(
        'r3gan',
        classes=size['ConditionDimension'] or 0,
        g={'z_dim': size['NoiseDimension'], **options},
        d=options,
    )
    for node in config.optim.values():
        node.update({'b1': 0.0, 'lr': 0.0})
    configs.validate(config)
    shape = (size['resolution'],) * 2 + (ins['real'].shape[1],)
    spec = image_spec(shape, classes=map(str, range(config.model.classes)))
    return configs.algorithm(config).build(configs.resolve(config, 100), spec)


@pytest.fixture(scope='module', params=['r3gan_32', 'r3gan_cond'])
def case(request, parity):
    """Return the game with the reference's weights, its inputs and its outputs."""
    readme, weights, ins, outs = parity(request.param)
    size = readme['constructor']
    game = algorithm_of(size, ins)
    params = {net: params_from(weights, net.upper(), size) for net in ('g', 'd')}
    labels = jnp.asarray(ins['c'].argmax(1)) if 'c' in ins else None
    if labels is not None:
        assert (ins['c'] == np.eye(ins['c'].shape[1])[labels]).all()
    real = jnp.asarray(ins['real'].transpose(0, 2, 3, 1))
    return readme, game, params, (real, jnp.asarray(ins['z']), labels), outs


def test_forward(case):
    _, game, params, (real, z, label), outs = case

    def both(g, d):
        fake = game.generator.apply({'params': g}, z, label, train=True)
        on = (game.discriminator.apply({'params': d}, x, label, train=True) for x in (fake, real))
        return fake, *(verdict.logits for verdict in on)

    fake, on_fake, on_real = jax.jit(both)(params['g'], params['d'])
    close(fake.transpose(0, 3, 1, 2), outs['G'])
    close(on_fake, outs['D_fake'])
    close(on_real, outs['D_real'])


@pytest.fixture(scope='module')
def step(case):
    """Return the gradients of both players in one step, and what it measured."""
    _, game, params, (real, z, label), _ = case
    game = dataclasses.replace(game, prior=recorded(np.asarray(z)))
    start = jax.jit(game.init)(jax.random.key(0))
    assert jax.tree.map(jnp.shape, params) == {
        name: jax.tree.map(jnp.shape, net.params) for name, net in start.nets.items()
    }
    nets = {name: net.replace(params=params[name]) for name, net in start.nets.items()}
    batch = {'image': real} if label is None else {'image': real, 'label': label}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(game), '_labels', lambda self, keys: label)
        end, metrics = jax.jit(game.train_step)(start.replace(nets=nets), batch, context(KEY))
    # Adam's first moment after one step is the gradient, with b1 = 0.
    gradients = {name: net.opt_state[0].mu for name, net in end.nets.items()}
    return gradients, {k: float(m.total / m.count) for k, m in metrics.items()}


def test_losses_and_penalties(case, step):
    readme, _, _, _, outs = case
    _, means = step
    gamma = readme['constructor']['gamma']
    for name in ('r1', 'r2'):
        np.testing.assert_allclose(means[name], outs[f'Dstep/{name}'].mean() / 2, rtol=1e-4)
    np.testing.assert_allclose(means['d_loss'], outs['Dstep/adversarial'].mean(), rtol=1e-4)
    total = means['d_loss'] + gamma * (means['r1'] + means['r2'])
    np.testing.assert_allclose(total, outs['Dstep/loss_mean'], rtol=1e-4)
    np.testing.assert_allclose(means['g_loss'], outs['Gstep/loss_mean'], rtol=1e-4)


@pytest.mark.parametrize('net', ['G', 'D'])
def test_gradients(case, step, net):
    readme, _, _, _, outs = case
    gradients, size = step[0][net.lower()], readme['constructor']
    for name, want in outs.items():
        if name.startswith(f'{net}step/grad/'):
            path, change = where(f'{net}.' + name.removeprefix(f'{net}step/grad/'), size)
            got, want = leaf_of(gradients, path), change(want)
            np.testing.assert_allclose(got, want, atol=1e-3 * abs(want).max(), err_msg=name)
    order, norms = readme['grad_norm_order'][net], outs[f'{net}step/grad_norms_{net}']
    for name, want in zip(order, norms, strict=True):
        got = np.linalg.norm(leaf_of(gradients, where(f'{net}.{name}', size)[0]))
        np.testing.assert_allclose(got, want, rtol=1e-3, err_msg=name)


def test_the_filter_is_the_reference_s(case):
    np.testing.assert_allclose(
        np.outer(resample.TAPS, resample.TAPS), case[-1]['lowpass_kernel'], atol=1e-7
    )
