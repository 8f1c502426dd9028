"""Data parallelism: the one place that names the device axis and compiles steps over it.

Steps are written per device. `program` turns one into a compiled program over 1..N devices and
1..M processes, on a replicated state without a device axis.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from gan_jax.runtime import group

AXIS = 'data'

# (carry, constants, batch of one step) -> carry
Step = Callable[[Any, Any, Any], Any]
# The same over batches with a leading axis of steps, on host arrays of this process' part.
Program = Callable[[Any, Any, Any], Any]


def is_main_process() -> bool:
    """Return whether this is process 0, which alone writes what all have in common."""
    return jax.process_index() == 0


def barrier(name: str) -> None:
    """Wait until all processes are here."""
    multihost_utils.sync_global_devices(name)


def all_reduce_max(value: int) -> int:
    """Return the largest of all processes' values; each of them has to call."""
    if jax.process_count() == 1:
        return value
    return int(np.max(multihost_utils.process_allgather(np.int32(value))))


def size() -> int:
    """Return the number of devices on the data axis, 1 outside a parallel program."""
    try:
        return lax.axis_size(AXIS)
    except NameError:
        return 1


def index() -> jax.Array:
    """Return this device's position on the data axis, 0 outside a parallel program."""
    try:
        return lax.axis_index(AXIS)
    except NameError:
        return jnp.int32(0)


def pmean(tree: Any) -> Any:
    """Average a pytree over the data axis; the identity where there is one device."""
    return lax.pmean(tree, AXIS) if size() > 1 else tree


def gather(tree: Any) -> Any:
    """Join the parts [b, ...] that devices have of a batch, in its order, on every device.

    What enters the state from single examples goes through this: state must not differ by device.
    """
    return lax.all_gather(tree, AXIS, tiled=True) if size() > 1 else tree


def mesh(devices: int = 0, axis: str = AXIS) -> Mesh:
    """Return the one-axis mesh of the first `devices` devices of all processes, 0 for all."""
    chosen = np.array(jax.devices()[: devices or None])
    return Mesh(chosen, (axis,), axis_types=(AxisType.Auto,))


def own(mesh: Mesh) -> Mesh:
    """Return the part of a mesh that this process holds."""
    return Mesh(np.array(mesh.local_devices), mesh.axis_names, axis_types=(AxisType.Auto,))


def replicate(tree: Any, devices: int = 0) -> Any:
    """Copy a pytree to every device of this process, without a device axis."""
    sharding = NamedSharding(own(mesh(devices)), PartitionSpec())
    # A copy: the originals outlive the donation of what is made here. The part on the device
    # where an array is already would be the array itself, whatever may_alias says.
    copied = jax.tree.map(lambda x: x.copy() if isinstance(x, jax.Array) else x, tree)
    return jax.device_put(copied, sharding, may_alias=False)


def program(
    step: Step,
    backend: str = 'pmap',
    devices: int = 0,
    max_steps: int = 1,
    members: int = 0,
) -> Program:
    """Compile a per-device step over the devices; the carry is donated.

    The program takes batches [n, this process' batch, ...] for any n up to `max_steps`, and applies
    the step n times. `backend` is 'pmap' or 'shard_map'; both give the same bits.

    members: 0, or those of a group as runtime/group.py describes one; the step is that of a member.
    """

    def several(carry, constants, batches, n):
        # The count is data, not shape: one executable serves every n, so that how a run is cut
        # into calls cannot change its bits.
        def body(i, carry):
            return step(carry, constants, jax.tree.map(lambda x: x[i], batches))

        return lax.fori_loop(0, n, body, carry)

    steps = _once(step) if max_steps == 1 else several
    call = _compiled(steps, backend, devices, members)

    def arguments(carry, constants, batches):
        n = len(jax.tree.leaves(batches)[0])
        return carry, constants, jax.tree.map(lambda x: _padded(x, max_steps), batches), n

    def run(carry, constants, batches):
        return call(*arguments(carry, constants, batches))

    run.lower = lambda *args: call.lower(*arguments(*args))  # type: ignore[attr-defined]
    return run


def shapes(
    step: Step,
    carry: Any,
    constants: Any,
    batch: Any,
    backend: str = 'pmap',
    devices: int = 0,
    members: int = 0,
) -> Any:
    """Return the shapes of what a per-device step returns for a batch, without running it.

    It is traced as a program traces it, so that what it calls jitted is traced once for both.
    """
    batches = jax.tree.map(lambda x: x[None], batch)
    if jax.process_count() > 1:  # programs over several processes take arrays alone
        steps = group.of_members(_once(step)) if members else _once(step)
        return jax.eval_shape(steps, carry, constants, batches, 1)

    call = _compiled(_once(step), backend, devices, members)
    return jax.eval_shape(call.compiled, *call.arguments(carry, constants, batches, 1))


def _compiled(steps: group.Steps, backend: str, devices: int, members: int) -> '_Call':
    """Return steps over the devices, which share the members where each can have as many."""
    axis = AXIS
    if members:
        steps = group.of_members(steps)
        if members % mesh(devices).size == 0:
            steps, axis = group.divided(steps), group.MEMBERS
    return BACKENDS[backend](steps, mesh(devices, axis))


def _once(step: Step) -> Callable:
    """Return a step of batches of one."""

    def once(carry, constants, batches, n):
        return step(carry, constants, jax.tree.map(lambda x: x[0], batches))

    return once


def _padded(x: np.ndarray, n: int) -> np.ndarray:
    """Fill an array up to n rows; what is added is never read."""
    return x if len(x) == n else np.concatenate([x, np.zeros((n - len(x), *x.shape[1:]), x.dtype)])


class _Call:
    """Place the batches of a compiled function, and call or lower it."""

    def __init__(self, compiled: Any, place: Callable[[np.ndarray], Any], count: Callable):
        self.compiled, self.place, self.warm = compiled, place, False
        self.count = functools.cache(count)

    def __call__(self, carry: Any, constants: Any, batches: Any, n: int) -> Any:
        arguments = self.arguments(carry, constants, batches, n)
        # Once it is compiled, nothing moves between host and devices but what was just placed.
        guard = jax.transfer_guard('disallow') if self.warm else contextlib.nullcontext()
        with guard:
            out = self.compiled(*arguments)
        self.warm = True
        return out

    def arguments(self, carry: Any, constants: Any, batches: Any, n: int) -> tuple:
        return carry, constants, jax.tree.map(self.place, batches), self.count(n)

    def lower(self, *arguments: Any) -> Any:
        return self.compiled.lower(*self.arguments(*arguments))


def _pmap(steps: Callable, mesh: Mesh) -> _Call:
    local, (axis,) = own(mesh), mesh.axis_names
    # Naming the devices in a program over several processes is refused; then all take part.
    chosen = None if jax.process_count() > 1 else list(mesh.devices.flat)
    axes = (None, None, 1, None)
    mapped = jax.pmap(steps, axis, in_axes=axes, out_axes=None, donate_argnums=0, devices=chosen)

    def place(x):
        parts = x.reshape(x.shape[0], local.size, -1, *x.shape[2:])
        return jax.device_put(parts, NamedSharding(local, PartitionSpec(None, axis)))

    def count(n):
        return jax.device_put(np.int32(n), NamedSharding(local, PartitionSpec()))

    return _Call(mapped, place, count)


def _shard_map(steps: Callable, mesh: Mesh) -> _Call:
    whole, rows = PartitionSpec(), PartitionSpec(None, *mesh.axis_names)
    # Without check_vma=False the gradient of a replicated parameter comes already summed, and
    # the mean over devices would count it twice.
    mapped = jax.shard_map(
        steps,
        mesh=mesh,
        in_specs=(whole, whole, rows, whole),
        out_specs=whole,
        check_vma=False,
    )
    sharding = NamedSharding(mesh, rows)

    def place(x):
        return jax.make_array_from_process_local_data(sharding, np.asarray(x))

    def count(n):
        return jax.make_array_from_process_local_data(NamedSharding(mesh, whole), np.int32(n))

    jitted = jax.jit(mapped, donate_argnums=0)
    return _Call(jitted if jax.process_count() == 1 else _Spanning(jitted, mesh), place, count)


class _Spanning:
    """Give a program over all processes what each of them holds, and return what it holds."""

    def __init__(self, jitted: Any, mesh: Mesh):
        self.jitted = jitted
        self.all = NamedSharding(mesh, PartitionSpec())
        self.own = NamedSharding(own(mesh), PartitionSpec())

    def __call__(self, carry: Any, constants: Any, batches: Any, n: Any) -> Any:
        out = self.jitted(*self.joined(carry, constants), batches, n)
        return jax.tree.map(lambda x: self.over(x, self.own), out)

    def lower(self, carry: Any, constants: Any, batches: Any, n: Any) -> Any:
        return self.jitted.lower(*self.joined(carry, constants), batches, n)

    def joined(self, *trees: Any) -> tuple:
        return jax.tree.map(lambda x: self.over(x, self.all), trees)

    def over(self, x: jax.Array, sharding: NamedSharding) -> jax.Array:
        shards = [shard.data for shard in x.addressable_shards]
        return jax.make_array_from_single_device_arrays(x.shape, sharding, shards)


BACKENDS = {'pmap': _pmap, 'shard_map': _shard_map}
