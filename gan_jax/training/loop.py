"""The loop: the side effects of training happen here. It knows only the Procedure protocol."""

import logging
import math
import pathlib
import time
from contextlib import nullcontext
from typing import Any

import jax
import numpy as np

from gan_jax.algorithms.protocol import Phase, starts
from gan_jax.core import rng
from gan_jax.core.state import Metrics, TrainState, finite, means
from gan_jax.errors import UserError
from gan_jax.runtime import parallel
from gan_jax.runtime.profiler import Profile
from gan_jax.runtime.signals import AtOnce, Interrupted, Stop
from gan_jax.training import beginning, ending, inference, members
from gan_jax.training.checkpoint import Checkpoints
from gan_jax.training.diagnosis import ATTEMPTS, Collapsed, Diagnosis, of_attempt
from gan_jax.training.opening import Parts
from gan_jax.training.progress import NotFinite, Progress
from gan_jax.training.reports import Reports
from gan_jax.training.run import PhaseRunner, Run
from gan_jax.training.workdir import as_json, need_room, saved, versions

log = logging.getLogger('gan_jax')


class Loop:
    """Carry a run through its phases."""

    def __init__(
        self,
        run: Run,
        parts: Parts,
        workdir: pathlib.Path,
        checkpoints: Checkpoints,
        stopped: Stop,
        profile: Profile,
    ):
        self.run, self.workdir, self.checkpoints, self.stopped = run, workdir, checkpoints, stopped
        self.profile, self.parts = profile, parts
        self.phases = run.algorithm.phases()
        self.at = Progress()
        try:
            # Several processes meet in here, and stop together later.
            with stopped.at_once() if jax.process_count() == 1 else nullcontext():
                self.state = self._restore()
        except AtOnce:
            raise Interrupted(stopped(), f'stopped before any step: {saved(workdir)}') from None
        self.reports, self.finite = Reports(run, parts, workdir, stopped), jax.jit(finite)
        self.diagnosis = Diagnosis(run, parts.validation)
        self.began = time.monotonic() - self.at.seconds
        self.last, self.said = (self.at.images, time.monotonic()), set[str]()

    def train(self) -> TrainState:
        """Train through the phases that are left; return the final state on the host."""
        at = self.at
        if at.images >= self.phases[-1].images and not at.owed:
            print(f'finished: {self.workdir} has its {at.images} images, {at.step} steps')
            return self._finish()
        self.reports.open(self.at.step)
        try:
            if at.owed:
                self._make_up()
            while not self._end_reached():
                pass
        finally:
            self.profile.close()
            self.reports.out.close()
        return self._finish()

    def _end_reached(self) -> bool:
        """Train to the end, and return True; or go back, and return False."""
        try:
            for phase, start in zip(self.phases, starts(self.phases), strict=True):
                if self.at.images == start < phase.images:
                    self._enter(phase)
                if self.at.images < phase.images:
                    self._train(self.parts.open_phase(phase))
        except Collapsed as collapse:
            self._go_back(collapse)
            return False
        return True

    def _go_back(self, collapse: Collapsed) -> None:
        """Take the newest checkpoint of before something went wrong, for another attempt."""
        self.checkpoints.wait()
        attempt = self.at.attempt + 1
        # One that a signal asked for is not there in a run that was not stopped.
        good = [
            step
            for step in self.checkpoints.steps()
            if step <= collapse.well and self.checkpoints.meta(step).get('regular', True)
        ]
        if not good or attempt > ATTEMPTS:
            why = f'after {ATTEMPTS} attempts' if good else 'no checkpoint of before is left'
            raise UserError(f'{collapse}; {why}')
        self.checkpoints.set_aside(good[-1])
        self.state = self._restore()
        self.at.attempt = attempt
        log.warning('going back to step %d: attempt %d', self.at.step, attempt)
        self.reports.out.close()
        self.reports.open(self.at.step)

    def _restore(self) -> TrainState:
        """Return the state of the newest sound checkpoint, or of a run that has seen nothing."""
        key = rng.fold(self.run.key, 'init')
        if not self.checkpoints.steps():
            state = beginning.begin(self.run, self.run.init(key))
            return parallel.replicate(state, self.run.config.devices)
        step, state, meta = self.checkpoints.restore(jax.eval_shape(self.run.init, key))
        self.checkpoints.set_aside(step)
        self.at = Progress.of(step, meta)
        return parallel.replicate(state, self.run.config.devices)

    def _enter(self, phase: Phase) -> None:
        """Change the state as a phase asks for where it begins."""
        enter = jax.jit(self.run.algorithm.enter, static_argnums=1)
        self.state = parallel.replicate(enter(self.state, phase), self.run.config.devices)

    def _train(self, runner: PhaseRunner) -> None:
        """Train to the end of a phase."""
        at, size = self.at, runner.phase.batch_size
        metrics = runner.zero_metrics | at.metrics()
        devices = self.run.config.devices
        carry = parallel.replicate((self.state, metrics), devices)
        constants = of_attempt(runner, self.run.key, at.attempt, devices)
        if not at.step:
            self.reports.picture(at.step, self.state, runner)
        batches: Any = runner.pipeline.batches(at.images)
        try:
            while at.images < runner.phase.images:
                n = self._steps(runner.phase)
                stacked = jax.tree.map(lambda *x: np.stack(x), *(next(batches) for _ in range(n)))
                self.profile.at(at.step, carry)
                carry = runner.program(carry, constants, stacked)
                at.step, at.images = at.step + n, at.images + n * size
                carry = self._after(runner, carry)
        finally:
            batches.close()
        self.state, at.means = carry[0], {}

    def _steps(self, phase: Phase) -> int:
        """Return how many steps the next call takes: as many as allowed until something is due."""
        at = self.at
        left: float = -(-(phase.images - at.images) // phase.batch_size)
        for due in self.run.due.values():
            left = min(left, due.steps_left(at.step, at.images, phase.batch_size))
        return int(min(left, self.profile.steps_left(at.step), self.run.config.steps_per_call))

    def _after(self, runner: PhaseRunner, carry: Any) -> Any:
        """Do what is due after a step: log, show, save, stop. Return the carry to go on with."""
        at, phase = self.at, runner.phase
        self.reports.out.advance(at.step)
        at.fresh = False
        self.state, metrics = carry
        due = {k: e.due(at.step, at.images, phase.batch_size) for k, e in self.run.due.items()}
        # Means and pictures of one phase are not those of the next.
        ends = at.images >= phase.images
        if due['log'] or ends:
            self._log(runner, metrics)
            metrics = parallel.replicate(runner.zero_metrics, self.run.config.devices)
        if due['sample'] or ends:
            self.reports.picture(at.step, self.state, runner)
        if due['eval'] or ends:
            self.reports.evaluate(at, self.state, runner)
        signum = self._signum(due['log'] or due['eval'] or ends)
        at.regular = due['checkpoint'] or due['eval'] or ends
        if at.regular or signum:
            self._save(metrics)
        if signum and (at.owed or at.images < self.phases[-1].images):
            self._stop(signum)
        return self.state, metrics

    def _make_up(self) -> None:
        """Do the evaluation that a signal left out at the step of the checkpoint.

        The checkpoint is written anew, with the values: the best is chosen among all.
        """
        pairs = zip(self.phases, starts(self.phases), strict=True)
        phase = next(p for p, start in pairs if start < self.at.images <= p.images)
        self.reports.evaluate(self.at, self.state, self.parts.open_phase(phase))
        if signum := self._signum(True):
            self._stop(signum)
        self._save(self.at.metrics(), again=True)

    def _signum(self, together: bool) -> int:
        """Return the signal that came, if any; several processes agree where they come together."""
        if jax.process_count() == 1:
            return self.stopped()
        return parallel.all_reduce_max(self.stopped()) if together else 0

    def _log(self, runner: PhaseRunner, metrics: Metrics) -> None:
        """Write and judge the means since the last log step; the host waits for the device here."""
        at, seen = self.at, self.diagnosis.see(self.state, runner)
        metrics, seen = jax.device_get((metrics, seen))
        now = time.monotonic()
        speed = (at.images - self.last[0]) / (now - self.last[1])
        self.last, at.seconds = (at.images, now), now - self.began
        self._remark()
        values = self._summary(metrics)
        self._check(values)
        algorithm = self.run.algorithm
        values |= algorithm.summary(
            [{k: float(v) for k, v in own.items()} for own in algorithm.split(seen)]
        )
        at.take(values)
        report = {'images': at.images, 'seconds': round(at.seconds, 3)}
        if at.attempt:
            report['attempt'] = at.attempt
        self.reports.out.write_scalars(
            at.step, report | {'images_per_second': round(speed, 1)} | values
        )
        self.diagnosis.check(at, report | values)

    def _summary(self, metrics: Metrics) -> dict[str, float]:
        """Return the numbers to report of means that are on the host."""
        algorithm = self.run.algorithm
        return algorithm.summary([means(own) for own in algorithm.split(metrics)])

    def _remark(self) -> None:
        """Warn of what there is to say of the state, once each."""
        for words in self.run.algorithm.remarks(self.state):
            if words not in self.said:
                log.warning(words)
                self.said.add(words)

    def _check(self, values: dict[str, float]) -> None:
        """Refuse to go on from numbers that are not finite; nothing of them is saved."""
        if not all(map(math.isfinite, values.values())):
            self.checkpoints.wait()
            try:
                self.at.check(values, self.checkpoints.steps())
            except NotFinite as error:
                self.diagnosis.of_numbers(self.at, error)
                raise

    def _save(self, metrics: Metrics, again: bool = False) -> None:
        """Save the state, unless it or the means since the last log step are not finite."""
        metrics, sound = jax.device_get((metrics, self.finite(self.state)))
        self._check(self._summary(metrics))
        self._check({f'parameters of {k}': 0.0 if ok else math.nan for k, ok in sound.items()})
        self.at.seconds = time.monotonic() - self.began
        meta = self.at.meta(metrics) | {
            'config': as_json(self.run.config),
            'spec': {**self.run.source.spec.to_json(), 'size': len(self.run.source)},
            'versions': versions(),
        }
        need_room(self.workdir, self.parts.size)
        save = self.checkpoints.save_again if again else self.checkpoints.save
        save(self.at.step, self.state, meta, self.at.comparable())

    def _stop(self, signum: int) -> None:
        """Leave a run that a signal ended, with everything on disk."""
        self.checkpoints.wait()
        if parallel.is_main_process():
            ending.summary(self.workdir)
        raise Interrupted(
            signum,
            f'stopped at step {self.at.step}, saved in {self.workdir}; '
            'the same command goes on from there',
        )

    def _finish(self) -> TrainState:
        """Write what a finished run leaves, and print its digest."""
        state = jax.device_get(self.state)
        self.checkpoints.wait()
        best = self.run.config.checkpoint.best
        if best and best not in self.at.scalars:
            available = ', '.join(self.at.names())
            log.warning('checkpoint.best=%r was never measured; available: %s', best, available)
        if parallel.is_main_process():
            self._end(state)
        return state

    def _end(self, state: TrainState) -> None:
        """Write the result of a run, and the walk through its latents that it may end with."""
        run, path = self.run, self.workdir / 'walk'
        if members.many(run.config):
            ending.of_members(self.workdir, run.config, run.algorithm, state, self.at)
        new, frames = ending.result(self.workdir, state, self.at), run.config.sample.get('walk', 0)
        if frames and (new or not path.with_suffix('.gif').exists()):
            trained = inference.Trained(run.config, run.spec, run.algorithm, state, self.at.step)
            ending.last_walk(trained, path, frames)
