"""What a finished or stopped run leaves beside its checkpoints: result.json and two pictures."""

import logging
import pathlib
from typing import Any

import jax

from gan_jax import documents, files, pictures
from gan_jax.core.state import TrainState, digest
from gan_jax.errors import UserError
from gan_jax.training import curves, sweep, walk, writers
from gan_jax.training.inference import Trained
from gan_jax.training.memory import FRAMES
from gan_jax.training.progress import Progress
from gan_jax.training.workdir import versions, write_json

log = logging.getLogger('gan_jax')

SUMMARY = ('losses.png', 'progress.gif')


def summary(workdir: pathlib.Path) -> None:
    """Draw the curves and the animation of a run so far; a warning says where that fails."""
    try:
        curves.loss_curves(workdir / 'metrics.jsonl', workdir / 'losses.png')
        frames = pictures.thinned(pictures.files(workdir / 'samples'), FRAMES)
        pictures.movie(frames, workdir / 'progress', fps=8, hold=2)
    except (OSError, UserError) as error:
        log.warning('the summary of the run is not whole: %s', error)


def of_members(
    workdir: pathlib.Path, config: Any, algorithm: Any, state: TrainState, at: Progress
) -> None:
    """Print the table of a run's members, and write it and its plot; a warning where that fails."""
    try:
        found = sweep.Table.of(config, algorithm, state, at)
        print(found.text(), flush=True)
        with files.replacing(workdir / 'members.txt') as temporary:
            temporary.write_text(found.text() + '\n', 'utf-8')
        found.draw(workdir / 'sweep.png')
    except (OSError, UserError) as error:
        log.warning('the table of the members is not whole: %s', error)


def last_walk(trained: Trained, path: pathlib.Path, frames: int) -> None:
    """Write the video of a walk that a run ends with; a warning says where that fails."""
    try:
        walk.write(trained, path, frames)
    except (OSError, UserError) as error:
        log.warning('the video of the latents is not written: %s', error)


def result(workdir: pathlib.Path, state: TrainState, at: Progress) -> bool:
    """Write result.json, print the digest of a state on the host, and draw the summary.

    What a run was for comes first: drawing may fail. Returns whether the result is a new one.
    """
    found: dict[str, Any] = {
        'step': at.step,
        'images': at.images,
        'seconds': round(at.seconds, 3),
        'metrics': at.scalars,
        'digest': digest(state),
        'versions': versions(),
        'device': f'{jax.device_count()} x {jax.devices()[0].device_kind}',
    }
    path = workdir / 'result.json'
    before = documents.read_or_none(path, {'digest': str})
    new = not before or before['digest'] != found['digest']
    if new:
        write_json(path, writers.plain(found))
    print(f'digest {found["digest"]}', flush=True)
    if new or not all((workdir / name).exists() for name in SUMMARY):
        summary(workdir)
    return new
