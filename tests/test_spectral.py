"""Spectral normalisation: the layer, and vectors that move once per update, in closed form."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_steps import batches, context, run, tiny

from gan_jax.core import spectral
from gan_jax.core.state import Net
from gan_jax.nn.dense import Dense
from gan_jax.nn.reparametrise import spectral as normalised


def game(**changes):
    """Return a small GAN with a normalised discriminator, and its first state."""
    algorithm = tiny(**{'model.d.weight_norm': 'spectral', **changes})
    return algorithm, algorithm.init(jax.random.key(0))


def vectors(state):
    return state.nets['d'].extra['spectral']


def iterated(kernel, u):
    """Return the vectors after one power iteration, in plain numpy."""
    matrix = np.asarray(kernel).reshape(-1, kernel.shape[-1])
    v = matrix @ np.asarray(u)
    v /= np.linalg.norm(v)
    u = matrix.T @ v
    return u / np.linalg.norm(u), v


def test_a_kernel_is_divided_by_its_largest_singular_value():
    layer, x = Dense(5, use_bias=False, reparametrise=normalised), jnp.ones((1, 7))
    variables = dict(layer.init(jax.random.key(0), x))
    net = Net(variables.pop('params'), variables, (), None)
    for _ in range(100):
        net = spectral.tick(net)
    largest = np.linalg.svd(np.asarray(net.params['kernel']))[1][0]
    y = layer.apply(net.variables, x)
    np.testing.assert_allclose(y, x @ net.params['kernel'] / largest, rtol=1e-5)


@pytest.mark.parametrize('changes', [{}, {'accumulate': 2}, {'loss.batching': 'one_batch'}])
def test_vectors_move_once_per_update_of_their_network(changes):
    algorithm, state = game(**changes)
    batch = {'image': batches(1)['image'][0]}
    after = jax.jit(algorithm.d_step)(state, batch, jax.random.key(0))[0]
    for name, layer in state.nets['d'].params.items():
        expected = iterated(layer['kernel'], vectors(state)[name]['kernel'].u)
        np.testing.assert_allclose(vectors(after)[name]['kernel'].u, expected[0], rtol=1e-4)
        np.testing.assert_allclose(vectors(after)[name]['kernel'].v, expected[1], rtol=1e-4)
    both = jax.jit(algorithm.train_step)(state, batch, context(jax.random.key(0)))[0]
    chex.assert_trees_all_close(vectors(both), vectors(after), rtol=1e-5)


def test_the_gradient_is_that_of_the_normalised_kernel():
    kernel = jax.random.normal(jax.random.key(0), (4, 3))
    found = spectral.iterate(kernel, jnp.ones(3))
    for _ in range(50):
        found = spectral.iterate(kernel, found.u)
    grad = jax.grad(lambda k: (k / spectral.sigma(k, found)).sum())(kernel)
    exact = jax.grad(lambda k: (k / jnp.linalg.norm(k, 2)).sum())(kernel)
    np.testing.assert_allclose(grad, exact, atol=1e-5)


def test_devices_do_not_matter():
    algorithm, data = game()[0], batches(2)
    one, two = run(algorithm, data), run(algorithm, data, devices=2)
    chex.assert_trees_all_close(one[0], two[0], rtol=2e-4, atol=2e-5)
