"""What a run would take, without training: networks, operations, memory, disk, time."""

import math
import pathlib
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np

from gan_jax.core import keys
from gan_jax.data import synthetic
from gan_jax.training import measure, memory
from gan_jax.training.memory import megabytes
from gan_jax.training.run import Run, open_run

OF_A_RUN = False
FLAGS = {
    'shape': keys.text('', '[Nx]HxWxC of the images; else the data is opened.'),
    'rate': keys.number(None, 'Images per second; else they are measured.', above=0),
}
STEPS = 10


class Estimate(NamedTuple):
    """Hold what a run takes on one device; bytes, seconds, images.

    fits: whether the peak is below the device's memory, None where that is not known.
    """

    parameters: dict[str, int]
    flops_per_image: float
    memory: measure.Memory
    checkpoint: int
    images: int
    images_per_second: float
    capacity: int
    place: str

    @property
    def seconds(self) -> float:
        """Return how long the whole run would take at the rate."""
        return self.images / self.images_per_second

    @property
    def fits(self) -> bool | None:
        """Return whether the step's peak is below what the device has."""
        return self.memory.peak <= self.capacity if self.capacity else None


def run(config: Any, workdir: pathlib.Path, flags: Any) -> None:
    """Print what the config's run would take; see `estimate`."""
    show(config, flags.shape, flags.rate)


def show(config: Any, shape: str = '', rate: float | None = None) -> Estimate:
    """Print what a config's run would take; see `estimate`.

    shape: '[Nx]HxWxC' of random images instead of the data; where the run's duration is in epochs
    and no N is given, the data set itself says how many there are.

    Raises:
      UserError: it does not, since it is not there; see also `estimate`.
    """
    epochs = 'ep' in str(config.duration)
    run = open_run(config, synthetic.like(config, shape, counted=epochs) if shape else None)
    for table in tables(run):
        print(table)
    found = estimate(run, rate)
    for name, text in rows(found, rate is not None):
        print(f'{name:22} {text}')
    return found


def estimate(run: Run, rate: float | None = None) -> Estimate:
    """Return what a run takes: its step is compiled, and timed unless images a second are given.

    Of several phases the step is the last one's.

    Raises:
      UserError: something in the config, or between it and the data, is wrong.
    """
    stepper = measure.Stepper(run)
    state = jax.eval_shape(run.init, run.key)
    taken = measure.memory(stepper)
    if not rate:
        rate = stepper.runner.phase.batch_size / stepper.seconds_per_step(groups=3, steps=STEPS)
    stepper.close()
    capacity, place = memory.capacity_of(jax.local_devices()[0])
    return Estimate(
        parameters={name: count(net.params) for name, net in state.nets.items()},
        flops_per_image=measure.flops_per_image(run, stepper.runner),
        memory=taken,
        checkpoint=memory.nbytes(state),
        images=run.algorithm.phases()[-1].images,
        images_per_second=rate,
        capacity=capacity,
        place=place,
    )


def count(params: Any) -> int:
    """Return the number of parameters of a pytree."""
    return sum(math.prod(x.shape) for x in jax.tree.leaves(params))


def tables(run: Run) -> list[str]:
    """Return a table of layers for each network, in the order in which they are initialised.

    The networks, and what they are called with, are seen by watching the algorithm's init.
    """
    calls: list[tuple[nn.Module, tuple, dict]] = []

    def watch(call, args, kwargs, context):
        if context.method_name == '__call__' and not context.module.path:
            zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), args)
            calls.append((context.module.clone(parent=None), zeros, dict(kwargs)))
        return call(*args, **kwargs)

    with nn.intercept_methods(watch):
        jax.eval_shape(run.algorithm.init, run.key)
    wide = {'width': 120, 'force_terminal': False}
    return [
        nn.tabulate(module, jax.random.key(0), console_kwargs=wide)(*args, **kwargs)
        for module, args, kwargs in calls
    ]


def rows(found: Estimate, given: bool) -> list[tuple[str, str]]:
    """Return the lines of a report."""
    parameters = ', '.join(f'{name} {n:,}' for name, n in found.parameters.items())
    parts = found.memory
    verdict = {True: 'fits', False: 'does not fit', None: 'of unknown size'}[found.fits]
    hours, rest = divmod(round(found.seconds), 3600)
    source = 'given' if given else 'measured here'
    return [
        ('parameters', f'{sum(found.parameters.values()):,} ({parameters})'),
        ('FLOP per image', f'{found.flops_per_image:,.0f}, all networks, forwards and backwards'),
        (
            'memory per device',
            f'{megabytes(parts.peak)}: arguments {megabytes(parts.arguments)} (state and resident '
            f'data), temporary {megabytes(parts.temporary)}',
        ),
        ('device', f'{found.place}, {megabytes(found.capacity)}: {verdict}'),
        ('checkpoint', f'{megabytes(found.checkpoint)} each'),
        ('images to train on', f'{found.images:,}'),
        ('images per second', f'{found.images_per_second:,.1f} ({source})'),
        ('FLOP per second', f'{found.flops_per_image * found.images_per_second / 1e9:,.1f} G'),
        ('expected time', f'{hours}:{rest // 60:02d}:{rest % 60:02d}'),
    ]
