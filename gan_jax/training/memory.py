"""Whether a run fits into memory, by the shapes of what it holds: nothing is made to find out."""

import math
import os
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np

from gan_jax import kinds
from gan_jax.algorithms.protocol import Phase, Procedure
from gan_jax.core.state import TrainState
from gan_jax.errors import UserError

# Where Linux says how much memory a container may have, of both versions of its groups.
LIMITS = ('/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes')
HOST = "the host's memory"
# Sides of a picture, which a GIF counts in 16 bits.
SIDE = 2**16 - 1
# Pictures that the animation of a run holds at once.
FRAMES = 100


class Part(NamedTuple):
    """Hold what takes memory, how much of it, and the keys of the config that make it large."""

    what: str
    size: int
    keys: str


class Traced(NamedTuple):
    """Hold an algorithm's jitted init, and what tracing it has shown.

    state: the shapes of a run's state; layers: the bytes that the layers of its largest network
    return for one example, in float32.
    """

    init: Callable[[jax.Array], TrainState]
    state: TrainState
    layers: int


def check(run: Any, traced: Traced) -> None:
    """Refuse a run that is larger than the memory of its devices.

    Raises:
      UserError: names the parts and their sizes, what there is, and the key to lower.
    """
    hold(parts(run, traced), *capacity_of(jax.local_devices()[0]))
    height, width = picture_size(run)
    if max(height, width) > SIDE:
        raise UserError(
            f'pictures of {height}x{width} pixels are not allowed, a side has at most {SIDE}: '
            f'lower sample.{"rows" if height > width else "columns"}'
        )


def hold(found: list[Part], capacity: int, place: str) -> None:
    """Refuse parts that are together larger than a capacity, unless that is 0, for unknown.

    Raises:
      UserError: see `check`.
    """
    total = sum(part.size for part in found)
    if not capacity or total <= capacity:
        return
    found = sorted(found, key=lambda part: -part.size)
    large = [part for part in found if part.size > total / 100]
    said = ', '.join(f'{part.what} {megabytes(part.size)}' for part in large)
    raise UserError(
        f'at least {megabytes(total)} are needed, and {place} has {megabytes(capacity)}: {said}; '
        f'lower {found[0].keys}'
    )


def parts(run: Any, traced: Traced) -> list[Part]:
    """Return what a run holds at the least in the memory of one device, or of a host's all.

    Of each network its parameters, averages, optimiser and gradients; what its layers keep for the
    backward pass; the batches of a call; the data that stays on the device; the pictures.
    """
    config = run.config
    devices = min(config.devices or jax.device_count(), jax.device_count())
    # The devices of a CPU share one memory.
    on_host = jax.local_devices()[0].platform == 'cpu'
    copies = min(devices, jax.local_device_count()) if on_host else 1
    phases = run.algorithm.phases()
    each = len(run.algorithm.alone())
    rows = -(-max(phase.batch_size for phase in phases) // devices) * copies * each
    # A batch of small images keeps as much as a smaller one of large images.
    kept = max(phase.batch_size * share(run, phase) for phase in phases) / devices * copies * each
    wide = np.dtype('float32').itemsize if config.precision == 'float32' else 2
    smaller = ' or data.size' * bool(config.data.get('size'))
    found = [
        Part(
            f"network '{name}'",
            (nbytes(net) + nbytes(net.params)) * copies,
            f'model.{name}{smaller}',
        )
        for name, net in traced.state.nets.items()
    ]
    size = sum(field.nbytes for field in run.source.spec.fields.values())
    data = size * len(run.source)
    resident = data <= config.data.device_cache_mb * 2**20
    raw = (4 if resident else size) * rows * config.steps_per_call * (1 + on_host)
    seen = sum(field.nbytes for field in run.spec.fields.values()) * rows
    many = raw > seen and config.steps_per_call > 1
    batch = ('steps_per_call' if many else 'batch_size') + smaller
    return [
        *found,
        Part('terms', nbytes(traced.state.aux) * copies, 'terms'),
        Part(
            'activations',
            int(traced.layers * wide // 4 * kept) // config.accumulate,
            f'batch_size{smaller}',
        ),
        Part('batches', raw + seen, batch),
        Part('data', data * copies if resident else 0, 'data.device_cache_mb'),
        Part('pictures', pictures(run), 'sample.rows or sample.columns'),
    ]


def share(run: Any, phase: Phase) -> float:
    """Return the share of an image's pixels that a phase sees."""
    if not phase.resolution:
        return 1.0
    return (phase.resolution / run.spec.fields[run.spec.main].shape[0]) ** 2


def trace(algorithm: Procedure, key: jax.Array) -> Traced:
    """Trace an algorithm's init, watching the layers that it calls.

    Whoever calls the init of the result has the trace for nothing.
    """
    init = jax.jit(lambda key: algorithm.init(key))
    layers: list[int] = []
    networks = [0]

    def watch(call, args, kwargs, context):
        before = len(layers)
        out = call(*args, **kwargs)
        if context.method_name != '__call__':
            return out
        if not context.module.path:
            networks.append(sum(layers))
            layers.clear()
        elif len(layers) == before and not (args and out is args[0]):
            # One that calls no other, and does not pass on what it is given.
            leaves = jax.tree.leaves(out)
            layers.append(sum(4 * math.prod(x.shape[1:]) for x in leaves))
        return out

    with nn.intercept_methods(watch):
        state = jax.eval_shape(init, key)
    return Traced(init, state, max(networks))


def pictures(run: Any) -> int:
    """Return the bytes of a picture's examples; in a host's memory the animation's pixels too."""
    config, field = run.config, run.spec.fields[run.spec.main]
    examples = math.prod(grid(run)) * field.nbytes
    if jax.local_devices()[0].platform != 'cpu':
        return examples
    every = run.due['sample'].steps(config.batch_size) * config.batch_size
    shown = 1 + run.algorithm.phases()[-1].images // every if every else 1
    return examples + math.prod(picture_size(run)) * min(shown, FRAMES)


def picture_size(run: Any) -> tuple[int, int]:
    """Return the size (H, W) of a run's pictures."""
    field = run.spec.fields[run.spec.main]
    return kinds.find(field.kind).picture_size(field, *grid(run))


def grid(run: Any) -> tuple[int, int]:
    """Return the rows and columns of a run's pictures."""
    sample = run.config.sample
    return sample.get('rows', 1), sample.get('columns', 1) * len(run.algorithm.alone())


def nbytes(tree: Any) -> int:
    """Return the bytes of a pytree of arrays or of their shapes."""
    return sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(tree))


def capacity_of(device: jax.Device) -> tuple[int, str]:
    """Return the bytes that a device can hold, and what holds them; 0 where nobody says."""
    limit = (device.memory_stats() or {}).get('bytes_limit')
    if limit:
        return int(limit), device.device_kind
    if device.platform == 'cpu':
        return host(), HOST
    return 0, device.device_kind


def host() -> int:
    """Return the bytes of memory that this machine, or this container, has; 0 for unknown."""
    if not hasattr(os, 'sysconf'):
        return 0
    found = [os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')]
    for path in map(pathlib.Path, LIMITS):
        text = path.read_text().strip() if path.is_file() else ''
        found += [int(text)] if text.isdigit() else []
    return min(found)


def megabytes(n: int) -> str:
    """Return bytes as people read them."""
    return f'{n / 1e9:,.2f} GB' if n >= 1e9 else f'{n / 1e6:,.2f} MB'
