"""What the networks of this package have in common: their options, and how a layer ends."""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import flax.linen as nn
import jax

from gan_jax import errors
from gan_jax.core import keys
from gan_jax.core.keys import field
from gan_jax.errors import UserError
from gan_jax.nn import activations, init, norm
from gan_jax.nn.dense import Dense
from gan_jax.nn.dropout import Dropout
from gan_jax.nn.norm import Norm
from gan_jax.nn.reparametrise import WEIGHT_NORMS

T = TypeVar('T')

OUT_ACT = keys.choice(
    'tanh',
    ('tanh', 'sigmoid', 'linear'),
    'Activation that makes the image: tanh for [-1,1], sigmoid for [0,1], linear for either.',
)


def each(value: T | tuple[T, ...], n: int, key: str) -> tuple[T, ...]:
    """Return one value per layer from a tuple of n, or from one value for all, in a tuple or not.

    Raises UserError where a tuple has another length.
    """
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    if len(values) not in (1, n):
        raise UserError(f'{key} {values} has {len(values)} values; allowed: one, or {n}')
    return values if len(values) == n else values * n


class Base(nn.Module):
    """What every network is given, and tells of itself.

    shape: (H, W, C) of the images. num_classes: 0 where there are no labels. compute_dtype: of
    activations in training; parameters are float32.
    """

    shape: tuple[int, int, int] = (28, 28, 1)
    num_classes: int = 0
    compute_dtype: str = 'float32'

    # Whether it makes w of z by `styles`, and images of w by `synthesize`.
    HAS_W: ClassVar[bool] = False

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape`."""

    def mixes_examples(self) -> tuple[str, ...]:
        """Return the normalisations in use that make examples of a batch depend on each other."""
        return ()

    def options(self) -> Mapping[str, Any]:
        """Return the keyword arguments of a pass that sampling can change, with their defaults."""
        return {}

    def group(self) -> int:
        """Return how many consecutive examples of a batch it takes statistics of, 1 for none."""
        return 1


class Network(Base):
    """Options of most networks; `norm` and `dropout` are one value, or one per hidden layer."""

    norm: str | tuple[str, ...] = field(
        keys.choice('none', tuple(norm.NORMS), 'Normalisation of hidden layers.', each=True)
    )
    norm_momentum: float = field(
        keys.number(0.9, "Momentum of batch norm's averages, in flax's sense.", low=0, high=1)
    )
    norm_eps: float = field(keys.number(1e-5, 'Added to the variance.', above=0, high=1))
    dropout: float | tuple[float, ...] = field(
        keys.number(0.0, 'Dropout rate of hidden layers.', low=0, below=1, each=True)
    )
    act: str = field(
        keys.choice('relu', tuple(activations.ACTIVATIONS), 'Activation of hidden layers.')
    )
    slope: float = field(keys.number(0.2, 'Slope of leaky_relu below zero.', low=-1, high=1))
    weight_init: str = field(
        keys.choice('normal', tuple(init.INITS), 'How weights start; see nn/init.py.')
    )

    weight_norm: str = field(
        keys.choice(
            'none', tuple(WEIGHT_NORMS), 'Normalisation of kernels; see nn/reparametrise.py.'
        )
    )

    def depth(self) -> int:
        """Return the number of hidden layers that may be normalised and dropped out."""
        return 0

    def norms(self) -> tuple[str, ...]:
        """Return the normalisation of each hidden layer."""
        return each(self.norm, self.depth(), 'norm')

    def mixes_examples(self) -> tuple[str, ...]:
        """Return the normalisations in use that make examples of a batch depend on each other."""
        return tuple(n for n in dict.fromkeys(self.norms()) if norm.NORMS[n].over_batch)

    def check(self) -> None:
        """Raise UserError where the options do not make a network."""
        for name in self.norms():
            errors.choose(norm.NORMS, name, 'norm')
        for rate in each(self.dropout, self.depth(), 'dropout'):
            if not 0 <= rate < 1:
                raise UserError(f'dropout {rate}; allowed: 0 <= dropout < 1')
        activations.get(self.act)
        init.get(self.weight_init)

    def weights(self) -> dict:
        """Return how the kernels of a layer start, and what is made of them."""
        start = init.get(self.weight_init)
        # A kernel that is divided by its largest singular value needs no other scale.
        own = WEIGHT_NORMS[self.weight_norm] or start.reparametrise
        return {'kernel_init': start.kernel, 'reparametrise': own}

    def dense(self, features: int, name: str, use_bias: bool = True) -> Dense:
        """Return a fully connected layer that starts as the options say."""
        return Dense(features, use_bias, **self.weights(), name=name)

    def norm_layer(self, kind: str, name: str) -> Norm:
        """Return the normalisation of a name."""
        gamma = init.get(self.weight_init).gamma
        return norm.NORMS[kind](self.norm_momentum, self.norm_eps, gamma, name=name)

    def normalize(self, x: jax.Array, kind: str, name: str, train: bool) -> jax.Array:
        """Apply the normalisation of a name to x [B, ..., C]."""
        return self.norm_layer(kind, name)(x, train=train)

    def activate(self, x: jax.Array, i: int, keys: jax.Array | None) -> jax.Array:
        """Apply the activation to x [B, ..., C], and the dropout of hidden layer i."""
        rate = each(self.dropout, self.depth(), 'dropout')[i]
        x = activations.get(self.act, self.slope)(x)
        return Dropout(rate, name=f'dropout_{i}')(x, keys)

    def finish(self, x: jax.Array, i: int, train: bool, keys: jax.Array | None) -> jax.Array:
        """End hidden layer i on x [B, ..., C]: normalise, activate, drop out."""
        x = self.normalize(x, self.norms()[i], f'norm_{i}', train)
        return self.activate(x, i, keys)
