"""Optimisers from the configuration, as optax chains whose schedules count images.

Batch sizes change between machines and between phases of a run, so learning rates follow the
number of real images seen: `tx.update(grads, opt_state, params, images=state.images)`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from gan_jax.core import keys, nodes
from gan_jax.errors import UserError


def constant(fraction: jax.Array) -> jax.Array:
    """Stay at the first value."""
    return jnp.zeros_like(fraction)


def linear(fraction: jax.Array) -> jax.Array:
    """Go to the final value in a straight line."""
    return fraction


def cosine(fraction: jax.Array) -> jax.Array:
    """Go to the final value along half a cosine (Loshchilov and Hutter 2017, arXiv:1608.03983)."""
    return 0.5 * (1.0 - jnp.cos(jnp.pi * fraction))


SCHEDULES: dict[str, Callable[[jax.Array], jax.Array]] = {
    'constant': constant,
    'linear': linear,
    'cosine': cosine,
}


def scheduled(
    images: jax.Array | int, name: str, start: int, stop: int, first: float, final: float
) -> jax.Array:
    """Return a value that goes from `first` at `start` images to `final` at `stop` images.

    Before `start` and after `stop` it stays. The result is a float32 scalar.
    """
    span = max(stop - start, 1)
    # The difference is taken before rounding to float32: counts above 2^24 are not exact there.
    fraction = jnp.clip((jnp.asarray(images) - start).astype(jnp.float32) / span, 0.0, 1.0)
    return first + (final - first) * SCHEDULES[name](fraction)


class RateState(NamedTuple):
    """Count the updates made so far."""

    updates: jax.Array


def learning_rate(node: Mapping[str, Any], images: jax.Array | int, t: jax.Array) -> jax.Array:
    """Return the learning rate of update t (0, 1, ...) when `images` have been seen."""
    schedule = dict(node['schedule'])
    first = jnp.float32(node['lr'])
    if schedule['name'] != 'constant':
        first = scheduled(images, first=node['lr'], **schedule)
    return first / (1.0 + node['decay'] * t.astype(jnp.float32))


def descend(node: Mapping[str, Any]) -> optax.GradientTransformationExtraArgs:
    """Scale updates by minus the learning rate of the moment."""
    constant_rate = node['schedule']['name'] == 'constant'

    def init(params: Any) -> RateState:
        del params
        return RateState(jnp.zeros((), jnp.int32))

    def update(updates, state, params=None, *, images=None, **unused):
        del params, unused
        if images is None and not constant_rate:
            raise ValueError('a learning-rate schedule needs update(..., images=...)')
        rate = learning_rate(node, images, state.updates)
        updates = jax.tree.map(lambda u: -rate.astype(u.dtype) * u, updates)
        return updates, RateState(optax.safe_increment(state.updates))

    return optax.GradientTransformationExtraArgs(init, update)


def _adam(node: Mapping[str, Any]) -> list[optax.GradientTransformation]:
    """Kingma and Ba 2015 (arXiv:1412.6980), with eps outside the root, as in torch."""
    return [optax.scale_by_adam(node['b1'], node['b2'], node['eps']), descend(node)]


def _rmsprop(node: Mapping[str, Any]) -> list[optax.GradientTransformation]:
    """g / (sqrt(v) + eps) with v from 0 (Tieleman and Hinton 2012), as in Keras 2 and torch."""
    return [
        optax.scale_by_rms(node['rho'], node['eps'], initial_scale=0.0, eps_in_sqrt=False),
        descend(node),
    ]


def _sgd(node: Mapping[str, Any]) -> list[optax.GradientTransformation]:
    """Keras' momentum: the velocity v = m v - lr g holds the learning rate of its own time."""
    momentum = [optax.trace(node['momentum'], node['nesterov'])] if node['momentum'] else []
    return [descend(node), *momentum]


OPTIMISERS: dict[str, Callable[[Mapping[str, Any]], list[optax.GradientTransformation]]] = {
    'adam': _adam,
    'rmsprop': _rmsprop,
    'sgd': _sgd,
}

OWN: dict[str, dict[str, keys.Key]] = {
    'adam': {
        'b1': keys.number(0.5, "Decay rate of the gradient's average.", low=0, below=1),
        'b2': keys.number(0.999, "Decay rate of the squared gradient's average.", low=0, below=1),
        'eps': keys.number(1e-8, 'Added to the root.', above=0),
    },
    'rmsprop': {
        'rho': keys.number(0.9, 'Decay rate: 0.9 in Keras, 0.99 in torch.', low=0, below=1),
        'eps': keys.number(1e-8, 'Added to the root: 1e-7 in Keras.', above=0),
    },
    'sgd': {
        'momentum': keys.number(0.9, 'Decay rate of the velocity, 0 for none.', low=0, below=1),
        'nesterov': keys.flag(True, 'Look ahead by the velocity.'),
    },
}
PATH: nodes.Keys = {
    'start': keys.duration('0img', 'When the learning rate starts to change.'),
    'stop': keys.duration('0img', 'When it has reached `final`.'),
    'final': keys.number(0.0, 'The learning rate from `stop` on.', low=0),
}
KEYS = nodes.Named(
    'adam',
    OPTIMISERS.keys,
    lambda name: {
        'lr': keys.number(2e-4, 'Learning rate.', low=0),
        **OWN[name],
        'clip': keys.number(0.0, 'Bound on each element of the gradient, 0 for none.', low=0),
        'decay': keys.number(
            0.0, "Keras' time decay: update t = 0, 1, ... has the rate lr / (1 + decay t).", low=0
        ),
        'schedule': nodes.Named(
            'constant',
            SCHEDULES.keys,
            lambda path: {} if path == 'constant' else PATH,
            'Shape of the learning rate over time.',
        ),
    },
    'Optimiser.',
)


def defaults(name: str = 'adam') -> dict[str, Any]:
    """Return the configuration of an optimiser with the default of each key."""
    return nodes.fill(KEYS, {'name': name})


def check(node: Mapping[str, Any], batch_size: int = 1, prefix: str = '') -> None:
    """Refuse a configuration that makes no optimiser, naming its keys with a prefix.

    `schedule.start` and `schedule.stop` must be images already (integers).

    Raises:
      UserError: an unknown name or key, a value out of range, or a schedule that takes no time.
    """
    nodes.check(KEYS, node, prefix)
    schedule = node['schedule']
    if schedule['name'] != 'constant' and schedule['stop'] - schedule['start'] < batch_size:
        raise UserError(
            f'{prefix}schedule.stop={schedule["stop"]} must be at least one batch of {batch_size} '
            f'images after {prefix}schedule.start={schedule["start"]}'
        )


def make(node: Mapping[str, Any], batch_size: int = 1) -> optax.GradientTransformationExtraArgs:
    """Make the optimiser of a configuration; a key that is absent has its default.

    `schedule.start` and `schedule.stop` are images, as integers. The update of the result takes
    `images`, the number seen so far, which only schedules other than 'constant' need.

    Raises:
      UserError: an unknown name or key, or a value out of range.
    """
    node = nodes.fill(KEYS, keys.plain(node))
    check(node, batch_size)
    clip = [optax.clip(node['clip'])] if node['clip'] else []
    return optax.with_extra_args_support(optax.chain(*clip, *OPTIMISERS[node['name']](node)))
