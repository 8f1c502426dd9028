"""Optimisers from the configuration, as optax chains whose numbers may follow schedules.

Schedules count real images: `tx.update(grads, opt_state, params, at=state)`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from gan_jax.core import allowed, keys, nodes, values
from gan_jax.core.values import Value
from gan_jax.errors import unknown


class RateState(NamedTuple):
    """Count the updates made so far."""

    updates: jax.Array


def descend(lr: Value, decay: float = 0.0) -> optax.GradientTransformationExtraArgs:
    """Scale update t = 0, 1, ... by minus lr / (1 + decay t), with lr as it is at that time."""

    def init(params: Any) -> RateState:
        del params
        return RateState(jnp.zeros((), jnp.int32))

    def update(updates, state, params=None, *, at=None, **unused):
        del params, unused
        now = jnp.float32(values.at(lr, at))
        rate = now / (1.0 + decay * state.updates.astype(jnp.float32))
        updates = jax.tree.map(lambda u: -rate.astype(u.dtype) * u, updates)
        return updates, RateState(optax.safe_increment(state.updates))

    return optax.GradientTransformationExtraArgs(init, update)


def moving(
    make: Callable[..., optax.GradientTransformation], **options: Value
) -> optax.GradientTransformationExtraArgs:
    """Make a transformation whose options may follow schedules."""

    def init(params: Any) -> Any:
        return make(**{k: values.first(v) for k, v in options.items()}).init(params)

    def update(updates, state, params=None, *, at=None, **unused):
        del unused
        now = make(**{k: values.at(v, at) for k, v in options.items()})
        return now.update(updates, state, params)

    return optax.GradientTransformationExtraArgs(init, update)


def _adam(node: Mapping[str, Any]) -> list[optax.GradientTransformation]:
    """Kingma and Ba 2015 (arXiv:1412.6980), with eps outside the root, as in torch."""
    options = {'b1': node['b1'], 'b2': node['b2'], 'eps': node['eps']}
    return [moving(optax.scale_by_adam, **options), descend(node['lr'], node['decay'])]


def _adamw(node: Mapping[str, Any]) -> list[optax.GradientTransformation]:
    """Adam, and parameters that shrink by lr weight_decay an update (arXiv:1711.05101)."""
    adam, rate = _adam(node)
    decay = moving(optax.add_decayed_weights, weight_decay=node['weight_decay'])
    return [adam, decay, rate]


def _rmsprop(node: Mapping[str, Any]) -> list[optax.GradientTransformation]:
    """g / (sqrt(v) + eps) with v from 0 (Tieleman and Hinton 2012), as in Keras 2 and torch."""

    def scale(decay: Any, eps: Any) -> optax.GradientTransformation:
        return optax.scale_by_rms(decay, eps, initial_scale=0.0, eps_in_sqrt=False)

    options = {'decay': node['rho'], 'eps': node['eps']}
    return [moving(scale, **options), descend(node['lr'], node['decay'])]


def _sgd(node: Mapping[str, Any]) -> list[optax.GradientTransformation]:
    """Keras' momentum v = m v - lr g: past updates keep the rate that they were made with."""
    rate = descend(node['lr'], node['decay'])
    if not node['momentum']:
        return [rate]
    nesterov = node['nesterov']
    return [rate, moving(lambda decay: optax.trace(decay, nesterov), decay=node['momentum'])]


def frozen(names: Sequence[str]) -> optax.GradientTransformation:
    """Leave the parameters of some layers as they are (FreezeD: Mo et al. 2020, arXiv:2002.10964).

    names: of layers at the top of a network, or what begins their names up to a '_'. Its init
    raises UserError for a name that is none.
    """

    def begins(layer: str, name: str) -> bool:
        return layer == name or layer.startswith(f'{name}_')

    def init(params: Any) -> Any:
        for name in names:
            if not any(begins(layer, name) for layer in params):
                raise unknown('layer in freeze', name, params)
        return optax.EmptyState()

    def update(updates, state, params=None):
        del params
        still = {
            layer: jax.tree.map(jnp.zeros_like, tree)
            for layer, tree in updates.items()
            if any(begins(layer, name) for name in names)
        }
        return {**updates, **still}, state

    return optax.GradientTransformation(init, update)


OPTIMISERS: dict[str, Callable[[Mapping[str, Any]], list[optax.GradientTransformation]]] = {
    'adam': _adam,
    'adamw': _adamw,
    'rmsprop': _rmsprop,
    'sgd': _sgd,
}

ADAM = {
    'b1': keys.value(0.5, "Decay rate of the gradient's average.", low=0, below=1),
    'b2': keys.value(0.999, "Decay rate of the squared gradient's average.", low=0, below=1),
    'eps': keys.number(1e-8, 'Added to the root.', above=0),
}
OWN: dict[str, dict[str, keys.Key]] = {
    'adam': ADAM,
    'adamw': {**ADAM, 'weight_decay': keys.value(0.01, 'Decay of all parameters.', low=0)},
    'rmsprop': {
        'rho': keys.value(0.9, 'Decay rate: 0.9 in Keras, 0.99 in torch.', low=0, below=1),
        'eps': keys.number(1e-8, 'Added to the root: 1e-7 in Keras.', above=0),
    },
    'sgd': {
        'momentum': keys.value(0.9, 'Decay rate of the velocity, 0 for none.', low=0, below=1),
        'nesterov': keys.flag(True, 'Look ahead by the velocity.'),
    },
}
KEYS = nodes.Named(
    'adam',
    OPTIMISERS.keys,
    lambda name: {
        'lr': keys.value(2e-4, 'Learning rate.', low=0),
        **OWN[name],
        'clip': keys.number(0.0, 'Bound on each element of the gradient, 0 for none.', low=0),
        'freeze': keys.names(
            (), 'Layers that do not learn, or what begins their names up to a _: stage_3.'
        ),
        'decay': keys.number(
            0.0, "Keras' time decay: update t = 0, 1, ... has the rate lr / (1 + decay t).", low=0
        ),
    },
    'Optimiser.',
)


def defaults(name: str = 'adam') -> dict[str, Any]:
    """Return the configuration of an optimiser with the default of each key."""
    return nodes.fill(KEYS, {'name': name})


# The shares of what optimisers average that stay at each update.
DECAYS = ('b1', 'b2', 'rho', 'momentum')


def scaled(node: Mapping[str, Any], rate: float) -> dict[str, Any]:
    """Return a node with another learning rate, `rate` times the one that it has."""
    return {**node, 'lr': _each_end(node['lr'], lambda lr: lr * rate)}


def corrected(node: Mapping[str, Any], ratio: float) -> dict[str, Any]:
    """Return a node for an optimiser that makes 1 / ratio updates where it would make one.

    Karras et al. 2020 (arXiv:1912.04958, appendix B): the learning rate times `ratio`, and decay
    rates to its power, so that over the same steps it goes as far and forgets as much.
    """
    decays = {k: _each_end(node[k], lambda decay: decay**ratio) for k in DECAYS if k in node}
    return {**scaled(node, ratio), **decays}


def _each_end(value: Any, change: Callable[[float], float]) -> Any:
    """Change a number of a node, or both ends of its schedule."""
    if not allowed.nested(value):
        return change(value)
    return {**value, 'first': change(value['first']), 'final': change(value['final'])}


def make(node: Mapping[str, Any], prefix: str = 'optim.') -> optax.GradientTransformationExtraArgs:
    """Make the optimiser of a configuration; a key that is absent has its default.

    Durations of schedules must be images already (integers). The update of the result takes `at`,
    a state, of which schedules read the images seen so far.

    Raises:
      UserError: an unknown name or key, or a value out of range; keys are named after a prefix.
    """
    node = nodes.fill(KEYS, allowed.plain(node), prefix)
    made = values.read(nodes.level(KEYS, node, prefix), node, prefix)
    clip = [optax.clip(made['clip'])] if made['clip'] else []
    still = [frozen(made['freeze'])] if made['freeze'] else []
    return optax.with_extra_args_support(
        optax.chain(*clip, *OPTIMISERS[made['name']](made), *still)
    )
