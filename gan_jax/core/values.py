"""Numbers that may follow a schedule: constants stay Python floats, schedules count images.

Batch sizes change between machines and between phases of a run, so that a schedule is read at the
number of real images seen, `state.images`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.core import nodes
from gan_jax.errors import UserError, choose


def linear(fraction: jax.Array) -> jax.Array:
    """Go to the final value in a straight line."""
    return fraction


def cosine(fraction: jax.Array) -> jax.Array:
    """Go to the final value along half a cosine (Loshchilov and Hutter 2017, arXiv:1608.03983)."""
    return 0.5 * (1.0 - jnp.cos(jnp.pi * fraction))


SHAPES: dict[str, Callable[[jax.Array], jax.Array]] = {'linear': linear, 'cosine': cosine}


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Go from `first` at `start` images to `final` at `stop` images; before and after, stay.

    Raises:
      UserError: the shape is unknown, or stop is not after start.
    """

    first: float
    final: float
    start: int
    stop: int
    shape: str = 'linear'

    def __post_init__(self) -> None:
        choose(SHAPES, self.shape, 'shape of a schedule')
        if self.stop <= self.start:
            raise UserError(f'stop={self.stop} of a schedule must be after start={self.start}')

    def __call__(self, state: Any) -> jax.Array:
        """Return the value at a state, float32."""
        # The difference is taken before rounding to float32: counts above 2^24 are not exact there.
        done = (jnp.asarray(state.images) - self.start).astype(jnp.float32)
        fraction = jnp.clip(done / (self.stop - self.start), 0.0, 1.0)
        return self.first + (self.final - self.first) * SHAPES[self.shape](fraction)


Value = float | Schedule


def at(value: Value, state: Any) -> float | jax.Array:
    """Return a value at a state: a constant as it is, a schedule at the images seen so far."""
    return value(state) if isinstance(value, Schedule) else value


def make(node: float | Mapping[str, Any], name: str) -> Value:
    """Make a value from a config's number, or from its {first, final, start, stop, shape}.

    `start` and `stop` are images already (integers); `start` is 0 and `shape` 'linear' where they
    are absent.

    Raises:
      UserError: names the value, and what is missing or not allowed.
    """
    if isinstance(node, int | float | jax.core.Tracer):
        return node
    missing = [k for k in ('first', 'final', 'stop') if k not in node]
    if missing:
        raise UserError(f'{name} is a schedule without {", ".join(missing)}')
    try:
        return Schedule(**{'start': 0, **node})
    except UserError as error:
        raise UserError(f'{name}: {error}') from error


def first(value: Value) -> float:
    """Return what a value is at the start."""
    return value.first if isinstance(value, Schedule) else value


def read(declared: nodes.Keys, node: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return a node of a config, checked against its declaration, with its schedules made.

    Raises:
      UserError: names a key that is not declared, or a value that is not allowed.
    """
    nodes.check(declared, node, prefix)
    kinds = {name: key.kind for name, key in nodes.level(declared, node).items()}
    return {k: make(v, prefix + k) if kinds[k] == 'value' else v for k, v in node.items()}
