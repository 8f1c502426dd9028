"""A run's folder: its config, and whether a run may go on in it."""

import importlib.metadata
import json
import logging
import os
import pathlib
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ml_collections

from gan_jax import config as configs
from gan_jax import documents, files
from gan_jax.errors import UserError
from gan_jax.runtime.signals import Interrupted
from gan_jax.training import lock

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


@contextmanager
def opened(
    workdir: pathlib.Path, config: Any, about: Callable[[], dict[str, Any]], begun: bool
) -> Iterator[None]:
    """Hold a run's folder, which `check_workdir` allows, as the one process that writes to it.

    begun: whether there was a run in it at that check. A folder that was made here, and in which
    nothing was saved before a signal, is taken away.

    Raises:
      UserError: the folder cannot be written, or another process trains in it.
    """
    with writing(workdir):
        new = not workdir.exists()
        workdir.mkdir(parents=True, exist_ok=True)
        with lock.held(workdir):
            try:
                if holds_run(workdir) != begun:
                    check_workdir(workdir, config, about)  # another process came first
                _write(workdir, config, about())
                yield
            except Interrupted:
                if new and not steps(workdir):
                    shutil.rmtree(workdir, ignore_errors=True)
                raise


def steps(workdir: pathlib.Path) -> list[int]:
    """Return the steps of the checkpoints in a run's folder that are complete, in order."""
    folder = workdir / 'checkpoints'
    return sorted(int(p.name) for p in folder.glob('*') if p.name.isdigit())


def saved(workdir: pathlib.Path) -> str:
    """Return what is kept of a run that ends here and now, and how to go on, in one line."""
    there = steps(workdir)
    if not there:
        return f'nothing was saved in {workdir} yet; the same command begins anew'
    return (
        f'everything up to step {there[-1]} is saved in {workdir}; '
        'the same command goes on from there'
    )


def _write(workdir: pathlib.Path, config: Any, about: dict[str, Any]) -> None:
    """Write what a run's folder says of the run, where it does not say so already."""
    there = holds_run(workdir)
    new = {'run.json': {'format': FORMAT, **about}, 'config.json': as_json(config)}
    for name, content in new.items():
        if not there or documents.read(workdir / name) != content:
            write_json(workdir / name, content)


def check_workdir(workdir: pathlib.Path, config: Any, about: Callable[[], dict[str, Any]]) -> None:
    """Refuse a folder that holds a run of another config or of other data.

    Keys that do not change what is learnt may differ, with a warning. `about` tells, as JSON, the
    run's phases and its data's length, fields, classes and digest; it may have to read the data.

    Raises:
      UserError: the folder holds a run of another config, of other phases, of other data, or of an
        older version.
    """
    there = holds_run(workdir)
    if there:
        _compare(workdir, read_config(workdir), config)
    run = about()
    if there:
        old = documents.read(workdir / 'run.json', RUN)
        _compare_data(workdir, old.get('data', {}), run.get('data', {}))
        _compare_phases(workdir, old.get('phases', []), run.get('phases', []))
        _compare_machines(old.get('machine', {}), run.get('machine', {}))


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
    # keys that came after the run have their defaults
    matter, free = configs.differences(configs.settled(old), new)
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


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    found = {'python': platform.python_version()}
    for name in PACKAGES:
        found[name] = importlib.metadata.version(name)
    return found
