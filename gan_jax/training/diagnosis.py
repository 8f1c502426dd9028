"""Whether a run goes well: what is seen of it at a log step, and what is done of what lasts."""

import logging
from collections.abc import Mapping
from typing import Any

import jax

from gan_jax.core import rng
from gan_jax.core.state import TrainState
from gan_jax.errors import UserError
from gan_jax.runtime import parallel
from gan_jax.training.progress import NotFinite, Progress
from gan_jax.training.run import PhaseRunner, Run
from gan_jax.training.validation import Validation

log = logging.getLogger('gan_jax')

# Log steps in a row at which a symptom is there before it is spoken of.
PATIENCE = 5
# Times that a run goes back before it ends.
ATTEMPTS = 10


class Collapsed(Exception):
    """Carry what is wrong with a run out of it, and the last step at which it was well."""

    def __init__(self, words: str, well: int):
        super().__init__(words)
        self.well = well


class Diagnosis:
    """Judge a run at its log steps, and do what config.on_collapse says."""

    def __init__(self, run: Run, validation: Validation | None):
        self.algorithm, self.action = run.algorithm, run.config.on_collapse
        self.key = rng.fold(run.key, 'observe')
        self.held_out = validation.example() if validation else None
        self.observe = jax.jit(run.algorithm.observe)

    def see(self, state: TrainState, runner: PhaseRunner) -> dict[str, jax.Array]:
        """Return what the procedure sees; of several processes the first alone sees anything."""
        if not parallel.is_main_process():
            return {}
        return self.observe(state, runner.example, self.held_out, self.key)

    def check(self, at: Progress, values: Mapping[str, float]) -> None:
        """Warn of symptoms that have lasted, or end the run or this attempt at it.

        Raises:
          UserError: a symptom has lasted, and on_collapse is 'stop'.
          Collapsed: the same, and it is 'restore'.
        """
        found = self._lasting(at, values) if parallel.is_main_process() else []
        at.logged = at.step
        for words, _ in found:
            log.warning('step %d: %s', at.step, words)
        if self.action == 'warn':
            return
        well = min((well for _, well in found), default=-1)
        agreed = parallel.all_reduce_max(well + 1) - 1
        if agreed < 0:
            return
        words = f'stopped at step {at.step}: {found[0][0] if found else "see the first process"}'
        if self.action == 'stop':
            raise UserError(words)
        raise Collapsed(words, agreed)

    def of_numbers(self, at: Progress, error: NotFinite) -> None:
        """Raise Collapsed for numbers that are not finite, where on_collapse is 'restore'."""
        if self.action == 'restore':
            raise Collapsed(str(error), at.logged) from error

    def _lasting(self, at: Progress, values: Mapping[str, float]) -> list[tuple[str, int]]:
        """Return (words, last step without it) of the symptoms that reach PATIENCE at this step."""
        there = self.algorithm.symptoms(values)
        counts = {}
        for name, symptom in there.items():
            count, well = at.symptoms.get(name, (0, at.logged))
            if not (symptom.from_the_start and well):
                counts[name] = (count + 1, well)
        at.symptoms = counts
        return [(there[k].words, well) for k, (count, well) in counts.items() if count == PATIENCE]


def of_attempt(runner: PhaseRunner, key: jax.Array, attempt: int, devices: int) -> Any:
    """Return the constants of a phase's program at an attempt, whose draws are its own."""
    if not attempt:
        return runner.constants
    key_data = jax.random.key_data(rng.fold(key, 'attempt', attempt))
    return runner.constants[0], parallel.replicate((key_data, None), devices)
