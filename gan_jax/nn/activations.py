"""Activations by name."""

import functools
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


def get(name: str, slope: float = 0.2) -> Activation:
    """Return the activation of a name; slope is that of 'leaky_relu' below zero.

    Raises UserError where there is none of that name.
    """
    if name == 'leaky_relu':
        return functools.partial(jax.nn.leaky_relu, negative_slope=slope)
    return errors.choose(ACTIVATIONS, name, 'activation')
