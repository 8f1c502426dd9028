"""What a layer computes its kernel from: functions (layer, name, parameter) -> kernel."""

import math
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core import spectral as vectors

EPSILON = 1e-12

# The layer, the name of the parameter in it, and the parameter [..., in, out].
Reparametrisation = Callable[[nn.Module, str, jax.Array], jax.Array]


def plain(layer: nn.Module, name: str, kernel: jax.Array) -> jax.Array:
    """Return the parameter itself."""
    del layer, name
    return kernel


def equalised(gain: float) -> Reparametrisation:
    """Scale by gain / sqrt(fan in): the equalised learning rate (arXiv:1710.10196, section 4.1)."""

    def scale(layer: nn.Module, name: str, kernel: jax.Array) -> jax.Array:
        del layer, name
        return kernel * (gain / math.sqrt(kernel[..., 0].size))

    return scale


def spectral(layer: nn.Module, name: str, kernel: jax.Array) -> jax.Array:
    """Divide by the largest singular value (Miyato et al. 2018, arXiv:1802.05957).

    The vectors that it is approximated by start after one power iteration, and are moved by
    `core.spectral.tick` alone.
    """

    def start() -> vectors.Vectors:
        u = jax.random.normal(layer.make_rng('params'), kernel.shape[-1:])
        return vectors.iterate(kernel, u)

    found = layer.variable(vectors.COLLECTION, name, start)
    return kernel / vectors.sigma(kernel, found.value)


def weight(layer: nn.Module, name: str, kernel: jax.Array) -> jax.Array:
    """Give each filter a norm of its own (Salimans and Kingma 2016, arXiv:1602.07868).

    The norms start as those of the parameter, so that the kernel is the parameter at first.
    """
    filters = kernel.reshape(-1, kernel.shape[-1])
    norms = jnp.sqrt(jnp.square(filters).sum(axis=0) + EPSILON)
    own = layer.param(f'{name}_norm', lambda key: norms)
    return (filters * (own / norms)[None]).reshape(kernel.shape)


# By the name in a config; None leaves it to the layer's init.
WEIGHT_NORMS: dict[str, Reparametrisation | None] = {
    'none': None,
    'spectral': spectral,
    'weight': weight,
}
