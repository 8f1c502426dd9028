"""A run's folder: its config, whether a run may go on in it, and leaving it at a signal."""

import importlib.metadata
import json
import logging
import os
import pathlib
import platform
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ml_collections

from gan_jax import config as configs
from gan_jax import documents, files
from gan_jax.errors import UserError

log = logging.getLogger('gan_jax')

# What is kept free for pictures, events and metrics between two checkpoints.
SPARE = 2**23
# Of a run's folder; raised where folders of before cannot be read any more.
FORMAT = 2
# What run.json and config.json must be; the keys of a config have checks of their own.
RUN = {
    'format': int,
    'data': ({str: object}, None),
    'phases': ([{'name': str, 'images': int}], None),
    'machine': ({'devices': int, 'fast_math': [str]}, None),
}
CONFIG = {'algorithm': str, 'seed': int, 'batch_size': int, 'data': {'name': str}}
PACKAGES = ('gan_jax', 'jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'grain', 'numpy')


class Interrupted(Exception):
    """Stop a run that a signal ended; everything is saved."""

    def __init__(self, signum: int, message: str):
        super().__init__(message)
        self.signum = signum


def open_workdir(
    workdir: pathlib.Path, config: Any, about: Callable[[], dict[str, Any]] = dict
) -> pathlib.Path:
    """Make a run's folder, or check that the run in it has the same config and the same data.

    Keys that do not change what is learnt may differ, with a warning. `about` tells, as JSON, the
    run's phases and its data's length, fields, classes and digest; it may have to read the data.

    Raises:
      UserError: the folder cannot be written, or holds a run of another config, of other phases, of
        other data, or of an older version.
    """
    path, there = workdir / 'config.json', holds_run(workdir)
    with writing(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        if there:
            _compare(workdir, read_config(workdir), config)
        run = {'format': FORMAT, **about()}
        if there:
            old = documents.read(workdir / 'run.json', RUN)
            _compare_data(workdir, old.get('data', {}), run.get('data', {}))
            _compare_phases(workdir, old.get('phases', []), run.get('phases', []))
            _compare_machines(old.get('machine', {}), run.get('machine', {}))
        new = ((workdir / 'run.json', run), (path, as_json(config)))
        for file, content in new:
            if not there or documents.read(file) != content:
                write_json(file, content)
    return workdir


@contextmanager
def writing(workdir: pathlib.Path) -> Iterator[None]:
    """Name the run's folder where it cannot be written.

    Raises:
      UserError: what a full or broken disk, or one without the permission, says.
    """
    try:
        yield
    except OSError as error:
        # What names a file elsewhere, such as one of the data, speaks for itself.
        if error.filename and not str(error.filename).startswith(str(workdir)):
            raise
        raise UserError(
            f'workdir={str(workdir)!r} cannot be written: {error.strerror or error}'
        ) from error


def holds_run(workdir: pathlib.Path) -> bool:
    """Return whether a run was begun in a folder."""
    return (workdir / 'config.json').exists()


def need_room(workdir: pathlib.Path, size: int) -> None:
    """Refuse to fill a disk: it must hold `size` bytes more, and what a run writes besides.

    Raises:
      UserError: the disk is (nearly) full.
    """
    there = next(p for p in (workdir, *workdir.absolute().parents) if os.path.isdir(p))
    needed, free = size + SPARE, shutil.disk_usage(there).free
    if free < needed:
        raise UserError(
            f'workdir={str(workdir)!r} is on a full disk: {free >> 20} MiB are free, and the next '
            f'checkpoint needs {-(-needed // 2**20)} MiB; what was saved before is kept'
        )


def _compare(workdir: pathlib.Path, old: Any, new: Any) -> None:
    new = ml_collections.ConfigDict(as_json(new))
    matter, free = configs.differences(old, new)
    if matter:
        raise UserError(
            f'workdir={str(workdir)!r} holds a run of another config: {", ".join(matter)}; '
            'take another --workdir, or the config that it was made with'
        )
    if free:
        log.warning('going on with changed keys: %s', ', '.join(free))


def _compare_data(workdir: pathlib.Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    differ = [key for key in new if old.get(key) != new[key]]
    # Content differs wherever anything else does.
    said = [f'{k} ({_short(old.get(k))} -> {_short(new[k])})' for k in differ if k != 'content']
    if differ:
        raise UserError(
            f'workdir={str(workdir)!r} holds a run on other data: '
            f'{", ".join(said) or "the same number of examples, but other content"}; take another '
            '--workdir, or the data that it was begun with'
        )


def _compare_phases(workdir: pathlib.Path, old: list[Any], new: list[Any]) -> None:
    """Refuse another duration where phases depend on it: all but the end of the last are fixed."""
    for was, now in zip(old[:-1], new[:-1], strict=False):
        if was != now:
            raise UserError(
                f'workdir={str(workdir)!r} holds a run whose phases depend on its duration, which '
                f"may not change: phase '{now['name']}' would end at {now['images']} images, not "
                f'{was["images"]}'
            )


def _compare_machines(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Warn of what makes a run that goes on end in other bits than one that was never stopped."""
    for name, words in (('devices', 'devices'), ('fast_math', 'flags of XLA for fast math')):
        if name in old and name in new and old[name] != new[name]:
            log.warning(
                'going on with other %s (%s -> %s): the same up to rounding, but the digest will '
                'be another than that of a run without this change',
                words,
                old[name],
                new[name],
            )


def _short(value: Any) -> str:
    """Return a value in a few words."""
    text = str(value)
    return text if len(text) <= 60 or not isinstance(value, list) else f'{len(value)} names'


def read_config(workdir: pathlib.Path) -> ml_collections.ConfigDict:
    """Return the config of the run in a folder.

    Raises:
      UserError: there is no run, one of an older version, or its config cannot be read.
    """
    path = workdir / 'config.json'
    try:
        found = documents.read(path, CONFIG)
    except FileNotFoundError as error:
        raise UserError(f'no run in {str(workdir)!r}: it has no config.json') from error
    about = workdir / 'run.json'
    if not about.exists() or documents.read(about, {'format': int})['format'] != FORMAT:
        raise UserError(
            f'workdir={str(workdir)!r} holds a run of another version of gan_jax, whose format is '
            f'not {FORMAT}: train it again, or use the version that made it'
        )
    try:
        config = ml_collections.ConfigDict(found)
        configs.check(config)
    # names that a config cannot have make ml_collections raise what it likes
    except (UserError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f'{path} cannot be read: {error}') from error
    return config


def as_json(config: Any) -> dict[str, Any]:
    """Return a config as it reads from a file."""
    return json.loads(config.to_json_best_effort())


def write_json(path: pathlib.Path, value: Any) -> None:
    """Write a JSON file in one step."""
    with files.replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, sort_keys=True) + '\n', 'utf-8')


class AtOnce(Exception):
    """Leave what can be left out, since a signal came."""


class Stop:
    """Hold the signal that came, 0 for none; calling it returns that."""

    def __init__(self) -> None:
        self.signum = 0
        self.raises = False

    def __call__(self) -> int:
        return self.signum

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Raise AtOnce inside this block as soon as a signal comes."""
        self.raises = True
        try:
            yield
        finally:
            self.raises = False


@contextmanager
def stopping() -> Iterator[Stop]:
    """Turn the first SIGINT or SIGTERM into a flag; a second one acts as usual."""
    stop = Stop()

    def note(signum, frame):
        stop.signum = signum
        for number, handler in before.items():
            signal.signal(number, handler)
        if stop.raises:
            raise AtOnce

    before = {s: signal.signal(s, note) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    found = {'python': platform.python_version()}
    for name in PACKAGES:
        found[name] = importlib.metadata.version(name)
    return found
