"""One iteration of pytorch/examples' DCGAN, by our d_step and g_step: gradients and weights."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_parity_dcgan_forward import DISCRIMINATOR, GENERATOR, params_from, statistics_from
from test_steps import context

from gan_jax import config as configs
from gan_jax import models
from gan_jax.core import rng
from gan_jax.data import image_spec

TABLES = {'g': (GENERATOR, 'G'), 'd': (DISCRIMINATOR, 'D')}
KEY = jax.random.key(1)


def recorded(noise):
    """Return a prior that gives the i-th example of the first step the i-th row of the noise."""
    keys = rng.example_keys(rng.fold(KEY, 'd_step', 0), len(noise))
    known = jax.random.key_data(rng.split_each(keys, 'z'))

    def prior(key):
        found = (known == jax.random.key_data(key)[None]).all(axis=1)
        return jnp.where(found.any(), jnp.asarray(noise)[jnp.argmax(found)], jnp.nan)

    return prior


def algorithm_of(size, noise):
    """Return our GAN with the reference's sizes and codes."""
    config = configs.base()
    config.devices = 1
    config.batch_size = size['batch']
    config.loss.reuse_z = True
    config.model = models.node(
        'dcgan',
        prior='normal',
        g={'z_dim': size['nz'], 'widths': tuple(size['ngf'] * f for f in (8, 4, 2, 1))},
        d={'widths': tuple(size['ndf'] * f for f in (1, 2, 4, 8))},
    )
    for node in config.optim.values():
        node.update({'name': 'adam', 'lr': size['lr'], 'b1': size['beta1']})
    configs.validate(config)
    spec = image_spec((64, 64, size['nc']))
    algorithm = configs.algorithm(config).build(configs.resolve(config, 100), spec)
    return dataclasses.replace(algorithm, prior=recorded(noise))


@pytest.fixture(scope='module')
def iteration(parity):
    """Return our state before and after one iteration, its means, and the reference's outputs."""
    readme, weights, ins, outs = parity('dcgan')
    size = readme['constructor']
    algorithm = algorithm_of(size, ins['noise'][0].reshape(-1, size['nz']))
    start = jax.jit(algorithm.init)(jax.random.key(0))
    for name, (table, prefix) in TABLES.items():
        net = start.nets[name].replace(
            params=params_from(table, weights, prefix),
            extra={'batch_stats': statistics_from(table, weights, prefix + '.main.{}.{}')},
        )
        start = start.replace(nets={**start.nets, name: net})
    batch = {'image': jnp.asarray(ins['real'][0].transpose(0, 2, 3, 1))}
    end, metrics = jax.jit(algorithm.train_step)(start, batch, context(KEY))
    means = {k: float(m.total / m.count) for k, m in metrics.items()}
    return size, start, end, means, outs


def reference(outs, group, name):
    """Return a group of the reference's arrays as a tree like our parameters."""
    weights = {k.removeprefix(f'{group}/'): v for k, v in outs.items() if k.startswith(group)}
    return params_from(TABLES[name][0], weights, TABLES[name][1])


def check(got, want, tolerance):
    """Compare trees leaf by leaf; `tolerance` of a leaf gives the absolute one."""
    flat = jax.tree_util.tree_leaves_with_path(got)
    for (path, a), b in zip(flat, jax.tree.leaves(want), strict=True):
        where = jax.tree_util.keystr(path)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance(b), err_msg=where)


def test_losses(iteration):
    _, _, _, means, outs = iteration
    err_real, err_fake, err_g = outs['log_errDreal_errDfake_errG_Dx_DGz1_DGz2'][0, :3]
    np.testing.assert_allclose(means['d_loss'], err_real + err_fake, rtol=1e-4)
    np.testing.assert_allclose(means['g_loss'], err_g, rtol=1e-4)


@pytest.mark.parametrize('name', ['d', 'g'])
def test_gradients(iteration, name):
    size, _, end, means, outs = iteration
    # Adam's first moment after one step is (1 - b1) times the gradient.
    gradients = jax.tree.map(lambda m: m / (1 - size['beta1']), end.nets[name].opt_state[0].mu)
    check(gradients, reference(outs, 'grad_iter0', name), lambda leaf: 1e-3 * np.abs(leaf).max())
    norm = np.sqrt((outs[f'grad_norms/{name.upper()}_iter0'] ** 2).sum())
    np.testing.assert_allclose(means[f'{name}_grad_norm'], norm, rtol=1e-3)


@pytest.mark.parametrize('name', ['d', 'g'])
def test_weights_after_a_step_of_adam(iteration, name):
    size, start, end, _, outs = iteration
    before, after = start.nets[name].params, end.nets[name].params
    want = reference(outs, 'after_iter1', name)
    # Where a gradient is near zero its sign, and so Adam's whole step, is rounding.
    check(after, want, lambda leaf: 2 * size['lr'])
    for old, ours, theirs in zip(*map(jax.tree.leaves, (before, after, want)), strict=True):
        assert np.abs(theirs - old).mean() > 0.5 * size['lr']
        assert np.abs(ours - theirs).mean() < 0.05 * size['lr']
