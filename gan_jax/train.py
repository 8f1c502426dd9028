"""Training from a config in a folder: the run is opened, its folder taken, its loop carried on."""

import functools
import pathlib
from contextlib import nullcontext
from typing import Any

from gan_jax import data
from gan_jax.core.duration import Every
from gan_jax.core.state import TrainState
from gan_jax.runtime import parallel, peers
from gan_jax.runtime.profiler import Profile
from gan_jax.runtime.signals import stopping
from gan_jax.training.checkpoint import Checkpoints
from gan_jax.training.loop import Loop
from gan_jax.training.opening import open_parts
from gan_jax.training.run import open_run
from gan_jax.training.workdir import check_workdir, holds_run, opened, saved, writing


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
