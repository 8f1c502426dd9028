"""How weights start, by name: the kernel's draw, what it is at run time, the batch norm's gamma."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax import errors
from gan_jax.nn.reparametrise import Reparametrisation, equalised, plain


class Init(NamedTuple):
    """What a layer needs to start from."""

    kernel: Callable[..., jax.Array]
    reparametrise: Reparametrisation = plain
    gamma: Callable[..., jax.Array] = nn.initializers.ones

    def layer(self) -> dict[str, Any]:
        """Return the options of a layer with a kernel."""
        return {'kernel_init': self.kernel, 'reparametrise': self.reparametrise}


def around_one(std: float) -> Callable[..., jax.Array]:
    """Draw from N(1, std)."""

    def draw(key: jax.Array, shape: tuple[int, ...], dtype=jnp.float32) -> jax.Array:
        return 1 + std * jax.random.normal(key, shape, dtype)

    return draw


def normal(std: float = 0.02) -> Init:
    """Draw kernels from N(0, std), gammas from N(1, std) (Radford et al., arXiv:1511.06434)."""
    return Init(nn.initializers.normal(std), gamma=around_one(std))


def glorot() -> Init:
    """Draw kernels uniformly with variance 2 / (fan in + fan out) (Glorot, Bengio 2010): Keras."""
    return Init(nn.initializers.glorot_uniform())


def glorot_relu() -> Init:
    """Draw kernels as Glorot does, with twice the variance: before ReLUs (arXiv:1802.05957)."""
    return Init(nn.initializers.variance_scaling(2.0, 'fan_avg', 'uniform'))


def orthogonal() -> Init:
    """Draw kernels whose columns, or rows, are orthonormal (Saxe et al. 2014, arXiv:1312.6120)."""
    return Init(nn.initializers.orthogonal())


def torch() -> Init:
    """Draw kernels from U(-b, b) with b = 1 / sqrt(fan in), where torch's layers start."""
    return Init(nn.initializers.variance_scaling(1 / 3, 'fan_in', 'uniform'))


def equalized(gain: float = math.sqrt(2)) -> Init:
    """Draw kernels from N(0, 1), scaled at run time (Karras et al. 2018, arXiv:1710.10196)."""
    return Init(nn.initializers.normal(1.0), equalised(gain))


INITS = {
    'normal': normal,
    'glorot': glorot,
    'glorot_relu': glorot_relu,
    'orthogonal': orthogonal,
    'torch': torch,
    'equalized': equalized,
}


def get(name: str) -> Init:
    """Return the initialisation of a name; UserError where there is none."""
    return errors.choose(INITS, name, 'init')()
