"""Activations by name."""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from gan_jax import errors

Activation = Callable[[jax.Array], jax.Array]


def linear(x: jax.Array) -> jax.Array:
    """Return x."""
    return x


ACTIVATIONS: dict[str, Activation] = {
    'linear': linear,
    'relu': jax.nn.relu,
    'leaky_relu': jax.nn.leaky_relu,
    'elu': jax.nn.elu,
    'selu': jax.nn.selu,
    'silu': jax.nn.silu,
    'gelu': jax.nn.gelu,
    'tanh': jnp.tanh,
    'sigmoid': jax.nn.sigmoid,
}


def bounded(x: jax.Array, clamp: float) -> jax.Array:
    """Return x within +-clamp, or x where that is 0."""
    return jnp.clip(x, -clamp, clamp) if clamp else x


def scaled_leaky_relu(x: jax.Array, gain: float = 1.0, clamp: float = 0.0) -> jax.Array:
    """Return gain sqrt(2) leaky_relu(x) of slope 0.2, within +-gain clamp where that is not 0.

    sqrt(2) keeps the variance (about 1); as in StyleGAN2 (arXiv:1912.04958).
    """
    return bounded(jax.nn.leaky_relu(x, 0.2) * (math.sqrt(2) * gain), gain * clamp)


def get(name: str, slope: float = 0.2) -> Activation:
    """Return the activation of a name; slope is that of 'leaky_relu' below zero.

    Raises UserError where there is none of that name.
    """
    if name == 'leaky_relu':
        return functools.partial(jax.nn.leaky_relu, negative_slope=slope)
    return errors.choose(ACTIVATIONS, name, 'activation')
