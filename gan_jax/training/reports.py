"""What a run shows of itself while it trains: pictures of samples, and evaluations."""

import pathlib
from typing import Any

import jax
import numpy as np

from gan_jax import kinds
from gan_jax.algorithms.protocol import starts
from gan_jax.core import rng
from gan_jax.core.state import TrainState
from gan_jax.runtime import parallel
from gan_jax.runtime.signals import AtOnce, Stop
from gan_jax.training import writers
from gan_jax.training.opening import Parts
from gan_jax.training.progress import Progress
from gan_jax.training.run import PhaseRunner, Run
from gan_jax.training.workdir import write_json


class Reports:
    """Show and measure a run; the loop says when. `out` takes what is written."""

    def __init__(self, run: Run, parts: Parts, workdir: pathlib.Path, stopped: Stop):
        self.run, self.parts, self.workdir, self.stopped = run, parts, workdir, stopped
        self.grid = jax.jit(run.algorithm.grid)
        # Members that differ in their seeds alone share what is compiled.
        each = run.algorithm.alone()
        own = {id(one): parts.evaluation and parts.evaluation.of(one) for one in each}
        self.evaluations = [own[id(one)] for one in each]
        self.out = writers.Writers(())

    def open(self, step: int) -> None:
        """Open the files of a run at a step; of several processes one reports."""
        if parallel.is_main_process():
            phases = self.run.algorithm.phases()
            pairs = zip(phases, starts(phases), strict=True)
            total = sum(max(0, -(-(p.images - start) // p.batch_size)) for p, start in pairs)
            self.out = writers.open_all(self.workdir, total=total, step=step)

    def picture(self, step: int, state: TrainState, runner: PhaseRunner) -> None:
        """Write the sample grid."""
        if not parallel.is_main_process():
            return
        key = rng.fold(self.run.key, 'sample')
        field = self.run.spec.fields[self.run.spec.main]
        kind = kinds.find(field.kind)
        shown = kind.final(np.asarray(self.grid(state, key, runner.example)), field)
        self.out.write_images(step, 'samples', kind.picture(shown, field))
        kind.keep(self.workdir / 'samples' / str(step), shown, field)

    def evaluate(self, at: Progress, state: TrainState, runner: PhaseRunner) -> None:
        """Measure the averaged networks; write the values, and the certificates beside them."""
        evaluation, validation = self.parts.evaluation, self.parts.validation
        at.owed = False
        if not (evaluation or validation):
            return
        try:
            with self.stopped.at_once():
                refined = self.run.algorithm.refine(state, runner.batches())
                values = validation.means(refined) if validation else {}
                certificates = self._certificates(at.step, state, refined)
        except AtOnce:
            at.owed = True
            self.out.say(f'the evaluation of step {at.step} is left for the next start')
        at.owed = bool(parallel.all_reduce_max(at.owed))
        if at.owed:
            return
        values |= self.run.algorithm.summary(
            [{c['metric']: c['value'] for c in own} for own in certificates]
        )
        at.take(values)
        at.measured, at.fresh = list(values), True
        self.out.write_scalars(at.step, {'images': at.images} | values)
        if evaluation and parallel.is_main_process():
            path = self.workdir / 'evaluations' / f'{at.step}.json'
            write_json(path, writers.plain([one for own in certificates for one in own]))

    def _certificates(
        self, step: int, state: TrainState, refined: TrainState
    ) -> list[list[dict[str, Any]]]:
        """Return the certificates of each member."""
        algorithm = self.run.algorithm
        states = zip(algorithm.split(state), algorithm.split(refined), strict=True)
        return [
            evaluation.certificates(one, step, ready) if evaluation else []
            for evaluation, (one, ready) in zip(self.evaluations, states, strict=True)
        ]
