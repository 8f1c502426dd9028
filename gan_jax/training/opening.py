"""What a run trains with, opened before its folder is made: what is refused leaves none behind."""

import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax import kinds
from gan_jax.algorithms.protocol import Phase
from gan_jax.training import beginning, memory
from gan_jax.training.run import PhaseRunner, Run, open_phase
from gan_jax.training.validation import Validation
from gan_jax.training.workdir import holds_run, need_room


class Parts(NamedTuple):
    """Hold what measures a run, the bytes of its state, and how its phases are opened."""

    evaluation: Any
    validation: Validation | None
    size: int
    open_phase: Callable[[Phase], PhaseRunner]


def open_parts(run: Run, workdir: pathlib.Path) -> Parts:
    """Open what a run trains with; the networks and a step are built as shapes alone.

    Raises:
      UserError: a metric, a split, a network, or a picture of samples cannot be had, or the disk is
        full.
    """
    evaluation, validation = _evaluation(run), _validation(run)
    state = jax.eval_shape(run.init, run.key)
    size = memory.nbytes(state)
    need_room(workdir, size)
    ready: list[PhaseRunner] = []
    # A run that goes on has built its networks before, and may be past its first phase.
    if not holds_run(workdir):
        beginning.begin(run, state)
        ready = [open_phase(run, run.algorithm.phases()[0])]
        _try_picture(run, state, ready[0].example)

    def opened(phase: Phase) -> PhaseRunner:
        # once: what a phase holds in memory goes with it
        return ready.pop() if ready and ready[0].phase == phase else open_phase(run, phase)

    return Parts(evaluation, validation, size, opened)


def _evaluation(run: Run) -> Any:
    """Return what measures the generator, or None where the config asks for nothing."""
    if not run.config.eval.metrics:
        return None
    # Evaluation needs scipy and a network of its own, which other runs are spared.
    from gan_jax.training.evaluation import open_evaluation

    return open_evaluation(run.config, run.source, run.algorithm)


def _validation(run: Run) -> Validation | None:
    return Validation(run) if run.config.eval.split else None


def _try_picture(run: Run, state: Any, example: Any) -> None:
    """Draw an empty picture of samples, which not every kind of data has."""
    grid = jax.eval_shape(run.algorithm.grid, state, run.key, example)
    field = run.spec.fields[run.spec.main]
    kind = kinds.find(field.kind)
    kind.picture(kind.final(np.zeros(grid.shape, grid.dtype), field), field)
