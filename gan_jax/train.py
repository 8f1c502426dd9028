"""The loop: the one module with side effects. It knows only the Procedure protocol."""

import functools
import logging
import math
import pathlib
import time
from contextlib import nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import data, documents, kinds, pictures
from gan_jax.algorithms.protocol import Phase, starts
from gan_jax.core import rng
from gan_jax.core.duration import Every
from gan_jax.core.state import Mean, Metrics, TrainState, digest, finite
from gan_jax.errors import UserError
from gan_jax.runtime import parallel, peers
from gan_jax.runtime.profiler import Profile
from gan_jax.runtime.signals import AtOnce, Interrupted, Stop, stopping
from gan_jax.training import curves, inference, writers
from gan_jax.training.checkpoint import Checkpoints
from gan_jax.training.opening import Parts, open_parts
from gan_jax.training.run import PhaseRunner, Run, open_run
from gan_jax.training.workdir import (
    as_json,
    check_workdir,
    holds_run,
    need_room,
    opened,
    saved,
    versions,
    write_json,
    writing,
)

log = logging.getLogger('gan_jax')

SUMMARY = ('losses.png', 'progress.gif')


def train(
    config: Any,
    workdir: str | pathlib.Path,
    source: data.Source | None = None,
    profile: str = '',
) -> TrainState:
    """Train from a config in a folder, going on where the folder's newest checkpoint stops.

    `source` replaces the data that the config names; `profile` is 'START:STOP', steps to trace
    into workdir/profile. Of several processes the first alone writes. Returns the final state on
    the host.

    Raises:
      UserError: bad input, or a loss that is not finite; what was saved before is kept.
      Interrupted: SIGINT or SIGTERM came; the state is saved.
    """
    workdir = pathlib.Path(workdir)
    trace = Profile(profile, workdir / 'profile')
    run = open_run(config, source)
    config = run.config
    keep_every = Every.parse(config.checkpoint.keep_every, 'checkpoint.keep_every', len(run.source))
    parts = open_parts(run, workdir)
    about, begun = functools.cache(run.about), holds_run(workdir)
    if parallel.is_main_process():
        # Before anything is written; it may read the data, which a signal ends at once.
        check_workdir(workdir, config, about)
    with (
        writing(workdir),
        stopping(functools.partial(saved, workdir)) as stopped,
        opened(workdir, config, about, begun) if parallel.is_main_process() else nullcontext(),
        peers.noticed(),
    ):
        parallel.barrier('workdir')
        # Closing the checkpoints would wait for a process that is lost.
        with open_checkpoints(config, workdir, keep_every) as checkpoints, peers.noticed():
            return Loop(run, parts, workdir, checkpoints, stopped, trace).train()


def open_checkpoints(config: Any, workdir: pathlib.Path, keep_every: Every) -> Checkpoints:
    """Open a run's checkpoints as its config wants them kept."""
    node = config.checkpoint
    return Checkpoints(
        workdir / 'checkpoints',
        keep=node.keep,
        keep_every=keep_every.steps(config.batch_size),
        best=node.best,
        best_mode=node.best_mode,
    )


class Loop:
    """Carry a run through its phases; the side effects of training happen here."""

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
        self.step = self.images = 0
        self.seconds = 0.0
        self.scalars: dict[str, float] = {}
        self.means: dict[str, list[float]] = {}
        self.owed = False  # whether a signal left out the evaluation of this step
        self.measured: list[str] = []  # the scalars that come of evaluations
        self.fresh = False  # whether they are of this step
        try:
            # Several processes meet in here, and stop together later.
            with stopped.at_once() if jax.process_count() == 1 else nullcontext():
                self.state = self._restore()
        except AtOnce:
            raise Interrupted(stopped(), f'stopped before any step: {saved(workdir)}') from None
        self.grid, self.finite = jax.jit(run.algorithm.grid), jax.jit(finite)
        self.began = time.monotonic() - self.seconds
        self.last = (self.images, time.monotonic())

    def train(self) -> TrainState:
        """Train through the phases that are left; return the final state on the host."""
        if self.images >= self.phases[-1].images and not self.owed:
            print(f'finished: {self.workdir} has its {self.images} images, {self.step} steps')
            return self._finish()
        self.out = self._writers()
        try:
            if self.owed:
                self._make_up()
            for phase, start in zip(self.phases, starts(self.phases), strict=True):
                if self.images == start < phase.images:
                    self._enter(phase)
                if self.images < phase.images:
                    self._train(self.parts.open_phase(phase))
        finally:
            self.profile.close()
            self.out.close()
        return self._finish()

    def _writers(self) -> writers.Writers:
        """Return what the run reports to; of several processes one reports."""
        if not parallel.is_main_process():
            return writers.Writers(())
        return writers.open_all(self.workdir, total=self._total_steps(), step=self.step)

    def _restore(self) -> TrainState:
        """Return the state of the newest sound checkpoint, or of a run that has seen nothing."""
        key = rng.fold(self.run.key, 'init')
        if not self.checkpoints.steps():
            state = inference.with_frozen(self.run.init(key), self.run.algorithm.frozen())
            return parallel.replicate(state, self.run.config.devices)
        self.step, state, meta = self.checkpoints.restore(jax.eval_shape(self.run.init, key))
        self.checkpoints.set_aside(self.step)
        self.images, self.seconds, self.scalars = meta['images'], meta['seconds'], meta['scalars']
        self.means, self.owed = meta['means'], meta.get('owed', False)
        self.measured = meta.get('measured', [])
        return parallel.replicate(state, self.run.config.devices)

    def _total_steps(self) -> int:
        """Return the steps of the whole run."""
        pairs = zip(self.phases, starts(self.phases), strict=True)
        return sum(max(0, -(-(p.images - start) // p.batch_size)) for p, start in pairs)

    def _enter(self, phase: Phase) -> None:
        """Change the state as a phase asks for where it begins."""
        enter = jax.jit(self.run.algorithm.enter, static_argnums=1)
        self.state = parallel.replicate(enter(self.state, phase), self.run.config.devices)

    def _train(self, runner: PhaseRunner) -> None:
        """Train to the end of a phase."""
        metrics = runner.zero_metrics | {
            k: Mean(*map(jnp.float32, v)) for k, v in self.means.items()
        }
        carry = parallel.replicate((self.state, metrics), self.run.config.devices)
        if not self.step:
            self._picture(runner)
        batches: Any = runner.pipeline.batches(self.images)
        try:
            while self.images < runner.phase.images:
                n = self._steps(runner.phase)
                stacked = jax.tree.map(lambda *x: np.stack(x), *(next(batches) for _ in range(n)))
                self.profile.at(self.step, carry)
                carry = runner.program(carry, runner.constants, stacked)
                self.step, self.images = self.step + n, self.images + n * runner.phase.batch_size
                carry = self._after(runner, carry)
        finally:
            batches.close()
        self.state, self.means = carry[0], {}

    def _steps(self, phase: Phase) -> int:
        """Return how many steps the next call takes: as many as allowed until something is due."""
        left: float = -(-(phase.images - self.images) // phase.batch_size)
        for due in self.run.due.values():
            left = min(left, due.steps_left(self.step, self.images, phase.batch_size))
        return int(min(left, self.profile.steps_left(self.step), self.run.config.steps_per_call))

    def _after(self, runner: PhaseRunner, carry: Any) -> Any:
        """Do what is due after a step: log, show, save, stop. Return the carry to go on with."""
        self.out.advance(self.step)
        self.fresh = False
        self.state, metrics = carry
        due = {
            k: e.due(self.step, self.images, runner.phase.batch_size)
            for k, e in self.run.due.items()
        }
        # Means and pictures of one phase are not those of the next.
        ends = self.images >= runner.phase.images
        if due['log'] or ends:
            self._log(metrics)
            metrics = parallel.replicate(runner.zero_metrics, self.run.config.devices)
        if due['sample'] or ends:
            self._picture(runner)
        if due['eval'] or ends:
            self._evaluate(runner)
        signum = self._signum(due['log'] or due['eval'] or ends)
        if due['checkpoint'] or due['eval'] or ends or signum:
            self._save(metrics)
        if signum and (self.owed or self.images < self.phases[-1].images):
            self._stop(signum)
        return self.state, metrics

    def _make_up(self) -> None:
        """Do the evaluation that a signal left out at the step of the checkpoint.

        The checkpoint is written anew, with the values: the best is chosen among all.
        """
        pairs = zip(self.phases, starts(self.phases), strict=True)
        phase = next(p for p, start in pairs if start < self.images <= p.images)
        self._evaluate(self.parts.open_phase(phase))
        if signum := self._signum(True):
            self._stop(signum)
        self._save({k: Mean(*map(jnp.float32, v)) for k, v in self.means.items()}, again=True)

    def _signum(self, together: bool) -> int:
        """Return the signal that came, if any; several processes agree where they come together."""
        if jax.process_count() == 1:
            return self.stopped()
        return parallel.all_reduce_max(self.stopped()) if together else 0

    def _log(self, metrics: Metrics) -> None:
        """Write the means since the last log step; the host waits for the device here."""
        means = jax.device_get(metrics)
        now = time.monotonic()
        speed = (self.images - self.last[0]) / (now - self.last[1])
        self.last, self.seconds = (self.images, now), now - self.began
        values = {k: float(m.total / m.count) for k, m in means.items() if m.count}
        self._check(values)
        self.scalars |= values
        report = {'images': self.images, 'seconds': round(self.seconds, 3)}
        self.out.write_scalars(self.step, report | {'images_per_second': round(speed, 1)} | values)

    def _evaluate(self, runner: PhaseRunner) -> None:
        """Measure the averaged networks; write the values, and the certificates beside them."""
        evaluation, validation = self.parts.evaluation, self.parts.validation
        if not (evaluation or validation):
            self.owed = False
            return
        try:
            with self.stopped.at_once():
                refined = self.run.algorithm.refine(self.state, runner.batches())
                values = validation.means(refined) if validation else {}
                certificates = (
                    evaluation.certificates(self.state, self.step, refined) if evaluation else []
                )
            self.owed = False
        except AtOnce:
            self.owed = True
            self.out.say(f'the evaluation of step {self.step} is left for the next start')
        self.owed = bool(parallel.all_reduce_max(self.owed))
        if self.owed:
            return
        values |= {c['metric']: c['value'] for c in certificates}
        self.scalars |= values
        self.measured, self.fresh = list(values), True
        self.out.write_scalars(self.step, {'images': self.images} | values)
        if certificates and parallel.is_main_process():
            path = self.workdir / 'evaluations' / f'{self.step}.json'
            write_json(path, writers.plain(certificates))

    def _check(self, values: dict[str, float]) -> None:
        """Refuse to go on from numbers that are not finite; nothing of them is saved."""
        bad = [k for k, v in values.items() if not math.isfinite(v)]
        if not bad:
            return
        self.checkpoints.wait()
        good = self.checkpoints.steps()
        where = f'the newest good checkpoint is of step {good[-1]}' if good else 'none was saved'
        last = ', '.join(f'{k} {v:.4g}' for k, v in self.scalars.items())
        raise UserError(
            f'{", ".join(bad)} not finite at step {self.step}; last values: {last or "none"}; '
            f'{where}: a lower optim.*.lr or gradient clipping (optim.*.clip) may help'
        )

    def _picture(self, runner: PhaseRunner) -> None:
        """Write the sample grid."""
        if not parallel.is_main_process():
            return
        key = rng.fold(self.run.key, 'sample')
        field = self.run.spec.fields[self.run.spec.main]
        kind = kinds.find(field.kind)
        shown = kind.final(np.asarray(self.grid(self.state, key, runner.example)), field)
        self.out.write_images(self.step, 'samples', kind.picture(shown, field))
        kind.keep(self.workdir / 'samples' / str(self.step), shown, field)

    def _save(self, metrics: Metrics, again: bool = False) -> None:
        """Save the state, unless it or the means since the last log step are not finite."""
        means, sound = jax.device_get((metrics, self.finite(self.state)))
        self._check({k: float(m.total) for k, m in means.items()})
        self._check({f'parameters of {k}': 0.0 if ok else math.nan for k, ok in sound.items()})
        self.seconds = time.monotonic() - self.began
        meta = {
            'images': self.images,
            'seconds': self.seconds,
            'scalars': self.scalars,
            'means': {k: [float(m.total), float(m.count)] for k, m in means.items()},
            'config': as_json(self.run.config),
            'spec': {**self.run.source.spec.to_json(), 'size': len(self.run.source)},
            'versions': versions(),
            'owed': self.owed,
            'measured': self.measured,
        }
        need_room(self.workdir, self.parts.size)
        save = self.checkpoints.save_again if again else self.checkpoints.save
        # A value of another step's networks would let this checkpoint pass for the best.
        stale = () if self.fresh else self.measured
        save(self.step, self.state, meta, {k: v for k, v in self.scalars.items() if k not in stale})

    def _stop(self, signum: int) -> None:
        """Leave a run that a signal ended, with everything on disk."""
        self.checkpoints.wait()
        self._summary()
        raise Interrupted(
            signum,
            f'stopped at step {self.step}, saved in {self.workdir}; '
            'the same command goes on from there',
        )

    def _summary(self) -> None:
        """Draw the curves and the animation of the run so far; a warning says where that fails."""
        if not parallel.is_main_process():
            return
        losses, progress = (self.workdir / name for name in SUMMARY)
        try:
            curves.loss_curves(self.workdir / 'metrics.jsonl', losses)
            pictures.gif(pictures.files(self.workdir / 'samples'), progress)
        except (OSError, UserError) as error:
            log.warning('the summary of the run is not whole: %s', error)

    def _finish(self) -> TrainState:
        """Write what a finished run leaves, and print its digest."""
        state = jax.device_get(self.state)
        self.checkpoints.wait()
        best = self.run.config.checkpoint.best
        if best and best not in self.scalars:
            there = ', '.join(self.scalars)
            log.warning('checkpoint.best=%r was never measured; available: %s', best, there)
        result = {
            'step': self.step,
            'images': self.images,
            'seconds': round(self.seconds, 3),
            'metrics': self.scalars,
            'digest': digest(state),
            'versions': versions(),
            'device': f'{jax.device_count()} x {jax.devices()[0].device_kind}',
        }
        if not parallel.is_main_process():
            return state
        path = self.workdir / 'result.json'
        before = documents.read_or_none(path, {'digest': str})
        new = not before or before['digest'] != result['digest']
        # What a run was for comes first: drawing may fail.
        if new:
            write_json(path, writers.plain(result))
        print(f'digest {result["digest"]}', flush=True)
        if new or not all((self.workdir / name).exists() for name in SUMMARY):
            self._summary()
        return state
