"""What a training step costs: its time, its operations, its memory."""

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax.algorithms.protocol import Context
from gan_jax.core import rng
from gan_jax.runtime import parallel
from gan_jax.runtime.cpu import contractions
from gan_jax.training import members
from gan_jax.training.run import PhaseRunner, Run, open_phase

# a group of calls that is timed lasts at least so long, so that the clock's grain is nothing
SECONDS = 0.2


class Stepper:
    """Run the steps of a run's last phase, without anything that training does beside them."""

    def __init__(self, run: Run):
        self.run = run
        self.runner: PhaseRunner = open_phase(run, run.algorithm.phases()[-1])
        self.calls = run.config.steps_per_call
        state = run.init(rng.fold(run.key, 'init'))
        self.carry = parallel.replicate((state, self.runner.zero_metrics), run.config.devices)
        self.batches: Any = self.runner.pipeline.batches(0)

    def arguments(self) -> tuple:
        """Return what the program takes: carry, constants, and the batches of one call."""
        several = [next(self.batches) for _ in range(self.calls)]
        return self.carry, self.runner.constants, jax.tree.map(lambda *x: np.stack(x), *several)

    def call(self, times: int = 1) -> float:
        """Call the program; return the seconds until the last call is done."""
        start = time.perf_counter()
        for _ in range(times):
            self.carry = self.runner.program(*self.arguments())
        jax.block_until_ready(self.carry)
        return time.perf_counter() - start

    def seconds_per_step(self, groups: int = 5, steps: int = 0) -> float:
        """Return the median over groups of calls, after two for warm-up.

        A group has as many calls as last SECONDS, or as make `steps` in all groups together.
        """
        self.call()
        once = self.call()
        times = max(1, round(SECONDS / once))
        if steps:
            times = max(1, round(steps / groups / self.calls))
        return statistics.median(self.call(times) for _ in range(groups)) / times / self.calls

    def close(self) -> None:
        """Stop reading data."""
        self.batches.close()


class Memory(NamedTuple):
    """Count the bytes of a compiled program on one device."""

    arguments: int
    temporary: int
    output: int
    shared: int

    @property
    def peak(self) -> int:
        """Return the bytes at the worst moment: what comes in is there while results are made."""
        return self.arguments + self.temporary + self.output - self.shared


def memory(stepper: Stepper) -> Memory:
    """Compile a step, and return what XLA says that it takes; zeros where it does not say."""
    program: Any = stepper.runner.program
    stats = program.lower(*stepper.arguments()).compile().memory_analysis()
    names = ('argument', 'temp', 'output', 'alias')
    return Memory(*(int(getattr(stats, f'{name}_size_in_bytes', 0)) for name in names))


def flops_per_image(run: Run, runner: PhaseRunner) -> float:
    """Return the floating-point operations of a step by XLA's cost analysis, for each real image.

    All networks, forwards and backwards, in a step in which every lazy part is due, on one device,
    of all members, whose images of a step count as one's. Convolutions count as they are defined,
    however few products compute them.
    """
    step, shapes = step_of_one_device(run, runner)
    with contractions.plain():
        cost: Any = jax.jit(step).lower(*shapes).cost_analysis()
    rows = jax.tree.leaves(shapes[1])[0].shape[0]
    return float(cost['flops']) / rows * len(run.algorithm.alone())


def step_of_one_device(run: Run, runner: PhaseRunner) -> tuple[Callable, tuple]:
    """Return the training step as a function, of the first of members, and the shapes it takes.

    It has the whole batch. Accumulation is left out: of a loop, the body would be seen once. The
    state's shapes are the same without it.
    """
    config = members.alone(run.config.copy_and_resolve_references())[0]
    config.accumulate = 1
    algorithm = members.build(config, len(run.source), run.spec)
    first = run.algorithm.split(runner.example)[0]
    batch = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), first)
    state = jax.eval_shape(lambda key: run.algorithm.split(run.init(key))[0], run.key)
    ctx = Context(members.key(config), runner.phase)
    # a function of its own, so that it is traced however often it was before
    return lambda *args: algorithm.train_step(*args), (state, batch, ctx)
