"""CycleGAN's and pix2pix's networks and steps against junyanz/pytorch-CycleGAN-and-pix2pix."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import parity_translation as theirs
import pytest
from parity_translation import nhwc
from test_parity_dcgan_forward import close

from gan_jax import config as configs
from gan_jax import models
from gan_jax.algorithms.protocol import Context
from gan_jax.data import Field, Spec
from gan_jax.models import cyclegan, patchgan, unet

NETWORKS = 'cyclegan_pix2pix_networks'
# resnet_bn too is theirs, but compiles for long; its batch norm is that of the others
NAMES = ('resnet_in', 'unet_bn', 'patch_in', 'patch_bn', 'pixel_bn')


def network(name, size, shape):
    """Return a module of ours and the layers of the reference."""
    kind, norm = name.split('_')
    options = {'shape': shape, 'norm': {'in': 'plain_instance', 'bn': 'batch'}[norm]}
    if kind == 'resnet':
        n = size['n_blocks']
        return cyclegan.Generator(width=size['ngf'], blocks=n, **options), theirs.resnet(n)
    if kind == 'unet':
        n = size['num_downs']
        return unet.Generator(width=size['ngf'] // 2, **options), theirs.unet(n)
    n = {'patch': 3, 'pixel': 0}[kind]
    return patchgan.Discriminator(width=size['ndf'], layers=n, **options), theirs.patchgan(n)


@pytest.mark.parametrize('name', NAMES)
def test_images_logits_and_gradients_are_theirs(name, parity):
    readme, weights, ins, outs = parity(NETWORKS)
    x = nhwc(ins['x'])
    if name == 'patch_bn':
        x = np.concatenate([x, nhwc(ins['x2'])], axis=-1)
    module, layers = network(name, readme['constructor'], (*x.shape[1:3], 3))
    weights = theirs.of(weights, f'{name}.')
    start = jax.eval_shape(functools.partial(module.init, train=True), jax.random.key(0), x)
    zeros = jax.tree.map(lambda s: np.zeros(s.shape, s.dtype), start)
    variables = {'params': theirs.params(layers, weights, zeros['params'])}
    if 'batch_stats' in start:
        variables['batch_stats'] = theirs.statistics(layers, weights)

    @functools.partial(jax.value_and_grad, has_aux=True)
    def loss(params):
        y = module.apply({**variables, 'params': params}, x, train=False)
        return jnp.square(y).mean(), y

    (_, y), grads = jax.jit(loss)(variables['params'])
    want = outs.get(f'{name}/eval_noninplace', outs[f'{name}/eval'])
    close(y, nhwc(want) if name[0] in 'ru' else want[:, 0])
    norms = dict(
        zip(readme['grad_norm_order'][name], outs[f'{name}/eval_sum_sq_grad_norms'], strict=True)
    )
    for theirs_name, (layer, leaf), _ in theirs.entries(layers, weights):
        got = np.linalg.norm(grads[layer][leaf])
        np.testing.assert_allclose(
            got, norms[theirs_name], rtol=1e-3, atol=1e-3 * max(norms.values())
        )
    if f'{name}/train' in outs:
        y, changed = module.apply(variables, x, train=True, mutable=['batch_stats'])
        want = outs[f'{name}/train']
        close(y, nhwc(want) if name[0] == 'r' else want[:, 0])
        first = layers[0 if name[0] == 'r' else 1]
        for ours, part in (('mean', 'running_mean'), ('var', 'running_var')):
            want = outs[f'{name}/after_train/{first.norm[0]}.{part}']
            got = changed['batch_stats'][first.norm[1]][ours]
            np.testing.assert_allclose(got, want, atol=1e-3)


def procedure(name, readme, shape, model, **changes):
    """Return the procedure of a fixture of steps."""
    size = readme['constructor']
    config = configs.base(name)
    config.model = model
    for node in config.optim.values():
        node.update({'name': 'adam', 'lr': size['lr'], 'b1': size['beta1'], 'b2': 0.999})
    config.batch_size = 2
    with config.ignore_type():
        config.update_from_flattened_dict(changes)
    fields = {'cyclegan': ('a', 'b'), 'pix2pix': ('input', 'target')}[name]
    spec = Spec({f: Field(shape, 'float32', span='[-1,1]') for f in fields}, fields[1])
    return configs.algorithm(config).build(configs.resolve(config, 10), spec), fields


def started(algorithm, layers, weights):
    """Return the state with the weights of the fixture; layers: of ours by (theirs, ours)."""
    shapes = jax.eval_shape(algorithm.init, jax.random.key(0))
    state = jax.tree.map(lambda s: np.zeros(s.shape, s.dtype), shapes)
    nets = dict(state.nets)
    for (prefix, name), found in layers.items():
        own = theirs.of(weights, f'{prefix}.')
        net = nets[name].replace(params=theirs.params(found, own, nets[name].params))
        if net.extra:
            net = net.replace(extra={'batch_stats': theirs.statistics(found, own)})
        nets[name] = net
    return state.replace(nets=nets)


def stepped(algorithm, fields, state, ins, steps=2):
    """Return the state after some steps, and the metrics of each."""
    step = jax.jit(algorithm.train_step)
    context = Context(jax.random.key(0), algorithm.phases()[0])
    found = []
    for i in range(steps):
        batch = dict(zip(fields, (nhwc(ins['A'][i]), nhwc(ins['B'][i])), strict=True))
        state, metrics = step(state, batch, context)
        found.append({k: float(m.total / m.count) for k, m in metrics.items()})
    return state, found


def check_weights(state, layers, outs, prefix, lr):
    """Compare weights after two steps of Adam, which may make much of a rounding error."""
    for (side, name), found in layers.items():
        by_name = {layer.theirs: layer for layer in found}
        for key, want in outs.items():
            start = f'{prefix}after2/{side}.'
            if key.startswith(start):
                layer = by_name[key.removeprefix(start).removesuffix('.weight')]
                got = state.nets[name].params[layer.ours]['kernel']
                np.testing.assert_allclose(got, layer.change(want), atol=4 * lr)
                assert np.median(np.abs(got - layer.change(want))) < 0.02 * lr


def test_two_steps_of_cyclegan_are_theirs(parity):
    readme, weights, ins, outs = parity('cyclegan_step')
    size = readme['constructor']
    model = models.node('cyclegan', g={'width': size['ngf'], 'blocks': 6}, d={'width': size['ndf']})
    shape = nhwc(ins['A'][0]).shape[1:]
    algorithm, fields = procedure('cyclegan', readme, shape, model, pool=0, **{'loss.half': False})
    resnet, patches = theirs.resnet(6), theirs.patchgan(3)
    layers = {
        ('G_A', 'ab'): resnet,
        ('G_B', 'ba'): resnet,
        ('D_A', 'd_b'): patches,
        ('D_B', 'd_a'): patches,
    }
    state, found = stepped(algorithm, fields, started(algorithm, layers, weights), ins)
    scale = {'cycle': size['lambda_A'], 'idt': size['lambda_A'] * size['lambda_identity']}
    names = {'G_A': 'ab_loss', 'G_B': 'ba_loss', 'D_A': 'd_b_loss', 'D_B': 'd_a_loss'}
    names |= {'cycle_A': 'cycle_a', 'cycle_B': 'cycle_b', 'idt_A': 'identity_b'}
    names |= {'idt_B': 'identity_a'}
    for i, metrics in enumerate(found):
        for key, ours in names.items():
            want = outs[f'iter{i}/loss_{key}'] / scale.get(key.split('_')[0], 1)
            np.testing.assert_allclose(metrics[ours], want, rtol=1e-4 if i == 0 else 3e-3)
    for side, name in layers:
        want = np.linalg.norm(outs[f'iter0/grad_norms/{side}'])
        np.testing.assert_allclose(found[0][f'{name}_grad_norm'], want, rtol=3e-2)
    check_weights(state, layers, outs, '', size['lr'])


def test_two_steps_of_pix2pix_are_theirs(parity):
    readme, weights, ins, outs = parity('pix2pix_step')
    size = readme['constructor']
    model = models.node('unet', g={'width': size['ngf'], 'dropout': 0.0}, d={'width': size['ndf']})
    shape = nhwc(ins['A'][0]).shape[1:]
    algorithm, fields = procedure('pix2pix', readme, shape, model)
    layers = {('G', 'g'): theirs.unet(algorithm.generator.levels()), ('D', 'd'): theirs.patchgan(3)}
    state, found = stepped(algorithm, fields, started(algorithm, layers, weights), ins)
    for i, metrics in enumerate(found):
        loss = {
            k: outs[f'noninplace/iter{i}/loss_{k}'] for k in ('G_GAN', 'G_L1', 'D_real', 'D_fake')
        }
        rtol = 1e-4 if i == 0 else 3e-3
        np.testing.assert_allclose(metrics['g_loss'], loss['G_GAN'], rtol=rtol)
        np.testing.assert_allclose(metrics['l1'], loss['G_L1'] / size['lambda_L1'], rtol=rtol)
        want = (loss['D_real'] + loss['D_fake']) / 2
        np.testing.assert_allclose(metrics['d_loss'], want, rtol=rtol)
    for side, name in layers:
        want = np.linalg.norm(outs[f'noninplace/iter0/grad_norms/{side}'])
        np.testing.assert_allclose(found[0][f'{name}_grad_norm'], want, rtol=1e-3)
    check_weights(state, layers, outs, 'noninplace/', size['lr'])
