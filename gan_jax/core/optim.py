"""Optimisers from the configuration, as optax chains whose schedules count images.

Batch sizes change between machines and between phases of a run, so learning rates follow the
number of real images seen: `tx.update(grads, opt_state, params, images=state.images)`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from gan_jax.errors import UserError, nearest


def defaults() -> dict[str, Any]:
    """Return every key of an optimiser's configuration with its default value.

    lr: learning rate; b1, b2: Adam's decay rates; eps: added to the root (Adam, RMSprop; Keras'
    RMSprop has 1e-7); momentum, nesterov: SGD; rho: RMSprop's decay rate (Keras .9, torch .99);
    clip: bound on every element of the gradient, 0 for none; decay: Keras' time decay, by which
    update t of 0, 1, ... has the learning rate lr / (1 + decay t); schedule: the learning rate
    goes from lr at `start` to `final` at `stop`, counted in images.
    """
    return {
        'name': 'adam',
        'lr': 2e-4,
        'b1': 0.5,
        'b2': 0.999,
        'eps': 1e-8,
        'momentum': 0.9,
        'nesterov': True,
        'rho': 0.9,
        'clip': 0.0,
        'decay': 0.0,
        'schedule': {'name': 'constant', 'start': '0img', 'stop': '0img', 'final': 0.0},
    }


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


def check(node: Mapping[str, Any], batch_size: int = 1) -> None:
    """Raise UserError for a configuration that makes no optimiser.

    `schedule.start` and `schedule.stop` must be images already (integers).
    """
    name, schedule = node['name'], node['schedule']
    if name not in OPTIMISERS:
        allowed = ', '.join(OPTIMISERS)
        raise UserError(
            f"no optimiser '{name}'{nearest(name, OPTIMISERS)}: name is one of {allowed}"
        )
    if schedule['name'] not in SCHEDULES:
        close = nearest(schedule['name'], SCHEDULES)
        allowed = ', '.join(SCHEDULES)
        raise UserError(
            f"no schedule '{schedule['name']}'{close}: schedule.name is one of {allowed}"
        )
    for key in ('b1', 'b2', 'rho', 'momentum'):
        if not 0 <= node[key] < 1:
            raise UserError(f"{key}={node[key]} of optimiser '{name}' must be in [0, 1)")
    for key in ('lr', 'clip', 'decay'):
        if not 0 <= node[key] < float('inf'):
            raise UserError(f"{key}={node[key]} of optimiser '{name}' must be finite, 0 or more")
    if not 0 < node['eps'] < float('inf'):
        raise UserError(f"eps={node['eps']} of optimiser '{name}' must be finite, more than 0")
    if schedule['name'] != 'constant' and schedule['stop'] - schedule['start'] < batch_size:
        raise UserError(
            f'schedule.stop={schedule["stop"]} must be at least one batch of {batch_size} images '
            f'after schedule.start={schedule["start"]}'
        )


def make(node: Mapping[str, Any], batch_size: int = 1) -> optax.GradientTransformationExtraArgs:
    """Make the optimiser of a configuration with the keys of `defaults()`.

    A key that is absent has its default; `schedule.start` and `schedule.stop` are images, as
    integers. The update of the result takes `images`, the number seen so far, which only
    schedules other than 'constant' need.

    Raises UserError for an unknown name or a value out of range.
    """
    node = {**defaults(), **node}
    node['schedule'] = {**defaults()['schedule'], **node['schedule']}
    check(node, batch_size)
    clip = [optax.clip(node['clip'])] if node['clip'] else []
    return optax.with_extra_args_support(optax.chain(*clip, *OPTIMISERS[node['name']](node)))


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
