"""Steps of several members of a run: each takes all of them alone, on a device of its own or not.

Of a group the leaves of the carry are [members, ...], or scalars that are those of all; constants
are (what all share, what each has [members, ...]); batches are [n, rows, members, ...].
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

# The axis of programs whose devices share the members, instead of the rows of batches.
MEMBERS = 'members'

# (carry, constants, batches, number of steps) -> carry
Steps = Callable[[Any, Any, Any, Any], Any]


def of_members(steps: Steps) -> Steps:
    """Return steps of a group, of those of one member."""

    def group(carry, constants, batches, n):
        shared, own = constants

        def alone(carry, own, batches):
            return steps(carry, (shared, own), batches, n)

        return _each(alone, carry, own, batches)

    return group


def divided(steps: Steps) -> Steps:
    """Return steps of a group, of those of a part of it, with an equal part on each device."""

    def whole(carry, constants, batches, n):
        shared, own = constants
        carry, own = (_leaves(_mine, tree) for tree in (carry, own))
        carry = steps(carry, (shared, own), jax.tree.map(_all_rows, batches), n)
        return _leaves(_gathered, carry)

    return whole


def one_by_one() -> bool:
    """Tell whether members of a device follow each other, as on a CPU, or are computed at once.

    Matrices of several at once are multiplied no faster there, and one by one the networks of a
    member stay in the cache from step to step, and a member has the bits of a run of its own.
    """
    return jax.default_backend() == 'cpu'


def mapped(call: Callable, *each: Any) -> Any:
    """Return what a call makes of each member's part of trees [members, ...]."""
    if one_by_one():
        return lax.map(lambda own: call(*own), each)
    return jax.vmap(call)(*each)


def _each(alone: Callable, carry: Any, own: Any, batches: Any) -> Any:
    """Return the carries of members that take their steps; more may come behind them."""
    leaves, form = jax.tree.flatten(carry)

    def one(mine, own, batches):
        # Scalars stay those of all, so that what depends on them is one branch for all members.
        rest = iter(mine)
        whole = [next(rest) if x.ndim else x for x in leaves]
        return alone(jax.tree.unflatten(form, whole), own, batches)

    mine, first = [x for x in leaves if x.ndim], jax.tree.map(_members_first, batches)
    after, form_after = jax.tree.flatten(mapped(one, mine, own, first))
    equal = [x.ndim == 0 for x in leaves] + [False] * (len(after) - len(leaves))
    joined = [x[0] if e else x for x, e in zip(after, equal, strict=True)]
    return jax.tree.unflatten(form_after, joined)


def _members_first(x: jax.Array) -> jax.Array:
    """Return batches [n, rows, members, ...] as [members, n, rows, ...]."""
    return jnp.moveaxis(x, 2, 0)


def _leaves(call: Callable, tree: Any) -> Any:
    """Call with each leaf that has an axis of members."""
    return jax.tree.map(lambda x: call(x) if x.ndim else x, tree)


def _mine(x: jax.Array) -> jax.Array:
    """Return this device's part of the members."""
    own = len(x) // lax.axis_size(MEMBERS)
    return lax.dynamic_slice_in_dim(x, lax.axis_index(MEMBERS) * own, own)


def _gathered(x: jax.Array) -> jax.Array:
    """Join the parts of all devices."""
    return lax.all_gather(x, MEMBERS, tiled=True)


def _all_rows(x: jax.Array) -> jax.Array:
    """Return all rows of this device's members, for some rows of all members."""
    return lax.all_to_all(x, MEMBERS, split_axis=2, concat_axis=1, tiled=True)
