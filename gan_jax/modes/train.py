"""Train from a config, or go on with the run in the workdir."""

import pathlib
from typing import Any

from gan_jax import train
from gan_jax.core import keys

OF_A_RUN = False
FLAGS = {'profile': keys.text('', 'START:STOP, steps to trace into workdir/profile.')}


def run(config: Any, workdir: pathlib.Path, flags: Any) -> None:
    """Train; see `gan_jax.train.train`."""
    train.train(config, workdir, profile=flags.profile)
