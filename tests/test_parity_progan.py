"""ProGAN's networks while the last stage fades in, and the gradients of both players.

The reference scales biases as it does weights, has the same gain everywhere, and divides the
variance of a group by its size - 1; ours are the paper's. Weights and biases are converted, and
gradients back; the variance is the reference's in these tests alone.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_parity_dcgan_forward import close, straight

from gan_jax import models
from gan_jax.core import growth
from gan_jax.models import progan
from gan_jax.nn import minibatch
from gan_jax.nn.minibatch import MinibatchStddev
from gan_jax.nn.norm import PixelNorm

SIDE = 4
LAYERS = {
    'formatLayer': 'stage_0_dense',
    'groupScale0': 'stage_0_conv',
    'groupScaleZero.0': 'stage_0_conv',
    'groupScaleZero.1': 'stage_0_dense',
    'decisionLayer': 'logit',
}


def layer(name):
    """Return the network and our layer of a reference's weight or bias."""
    net, *parts = name.split('.')
    if parts[0] == 'scaleLayers':
        return net, f'stage_{int(parts[1]) + 1}_conv_{int(parts[2]) + 1}'
    if parts[0].endswith('RGBLayers'):
        return net, f'stage_{parts[1]}_image'
    return net, LAYERS.get(parts[0]) or LAYERS['.'.join(parts[:2])]


def gain(net, ours):
    """Return the gain of one of our layers."""
    if ours == 'logit' or (net == 'G' and ours.endswith('image')):
        return progan.LINEAR
    return progan.LATENT if (net, ours) == ('G', 'stage_0_dense') else progan.GAIN


def scale(name, weights):
    """Return what a reference's weight or bias is multiplied by."""
    if name.endswith('weight'):
        return math.sqrt(2) / gain(*layer(name))
    weight = weights[name.removesuffix('bias') + 'weight']
    return math.sqrt(2 / math.prod(weight.shape[1:]))


def arranged(name, value):
    """Return a reference's weight or bias with the axes of ours."""
    net, ours = layer(name)
    if value.ndim == 4:
        return straight(value)
    if ours != 'stage_0_dense':
        return value.T
    if net == 'G':  # its units are an image [C, h, w]
        image = value.reshape(-1, SIDE, SIDE, *value.shape[1:])
        units = image.transpose(*range(3, image.ndim), 1, 2, 0)
        return units.reshape(*value.shape[1:][::-1], -1)
    if value.ndim == 1:
        return value
    return value.reshape(len(value), -1, SIDE, SIDE).transpose(2, 3, 1, 0).reshape(-1, len(value))


def params_from(weights, net):
    """Return our parameters from the reference's state dict."""
    params = {}
    for name, value in weights.items():
        if name.startswith(f'{net}.'):
            made = jnp.asarray(arranged(name, value) * scale(name, weights))
            leaf = 'kernel' if name.endswith('weight') else 'bias'
            params.setdefault(layer(name)[1], {})[leaf] = made
    return params


@pytest.fixture(scope='module')
def case(parity):
    """Return the fixture, our networks, and their parameters."""
    readme, weights, ins, outs = parity('progan_32')
    size = readme['constructor']
    assert size['depthScale0'] == 32 and size['leakyReluLeak'] == 0.2
    widths = {'widths': (size['depthScale0'], *size['addScale'])}
    node = models.node('progan', classes=0, g={'z_dim': size['dimLatent'], **widths}, d=widths)
    shape = (size['resolution'], size['resolution'], 3)
    nets = {part: models.build(node, part.lower(), shape) for part in 'GD'}
    params = {net: params_from(weights, net) for net in nets}
    with pytest.MonkeyPatch.context() as patch:
        unbiased = functools.partial(MinibatchStddev, unbiased=True)
        patch.setattr(minibatch, 'MinibatchStddev', unbiased)
        yield readme, weights, nets, params, ins, outs


def applied(nets, params, alpha):
    """Return both networks as functions; alpha: the reference's, the share of the old stages."""
    extra = {growth.COLLECTION: {'level': jnp.float32(3 - alpha)}}

    def g(params, z):
        return nets['G'].apply({'params': params, **extra}, z, train=True)

    def d(params, images):
        return nets['D'].apply({'params': params, **extra}, images, train=True).logits

    return g, d


@pytest.mark.parametrize('alpha', [0.0, 0.3, 1.0])
def test_forward(case, alpha):
    _, _, nets, params, ins, outs = case
    g, d = applied(nets, params, alpha)
    real = jnp.asarray(ins['real'].transpose(0, 2, 3, 1))
    fake = jax.jit(g)(params['G'], jnp.asarray(ins['z']))
    close(fake.transpose(0, 3, 1, 2), outs[f'alpha{alpha}/G'])
    close(jax.jit(d)(params['D'], real)[:, None], outs[f'alpha{alpha}/D_real'])
    close(jax.jit(d)(params['D'], fake)[:, None], outs[f'alpha{alpha}/D_fake'])


@pytest.mark.parametrize('net', ['G', 'D'])
def test_gradients_within_a_fade(case, net):
    readme, weights, nets, params, ins, outs = case
    g, d = applied(nets, params, 0.3)
    z, real = jnp.asarray(ins['z']), jnp.asarray(ins['real'].transpose(0, 2, 3, 1))
    losses = {
        'G': lambda p: -d(params['D'], g(p, z)).mean(),
        'D': lambda p: d(p, g(params['G'], z)).mean() - d(p, real).mean(),
    }
    gradients = jax.jit(jax.grad(losses[net]))(params[net])
    order, wanted = readme['grad_norm_order'][net], outs[f'alpha0.3/wgan_{net}_grad_norms']
    for name, want in zip(order, wanted, strict=True):
        full = f'{net}.{name}'
        leaf = 'kernel' if full.endswith('weight') else 'bias'
        got = np.linalg.norm(gradients[layer(full)[1]][leaf]) * scale(full, weights)
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-6, err_msg=full)


def test_layers_alone(case):
    _, _, _, _, ins, outs = case
    features = jnp.asarray(ins['feat'].transpose(0, 2, 3, 1))
    got = MinibatchStddev(4, unbiased=True).apply({}, features)
    close(got.transpose(0, 3, 1, 2), outs['minibatch_stddev_in4d'])
    close(PixelNorm(eps=progan.EPSILON).apply({}, jnp.asarray(ins['z']), train=True),
          outs['pixelnorm_z'])  # fmt: skip
