"""One process writes to a run's folder: a lock file with a heartbeat."""

import contextlib
import functools
import json
import os
import pathlib
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

from gan_jax import documents
from gan_jax.errors import UserError
from gan_jax.runtime import signals

NAME = '.lock'
BEAT = 10.0
# Whoever has not been heard of for so long, in seconds, is taken for dead.
SILENT = 60.0
# What a lock file holds; `process` tells processes apart where host and pid come again.
HOLDER = {'host': str, 'pid': int, 'since': str, 'process': str}
ME = uuid.uuid4().hex
PATIENCE = 10


@contextlib.contextmanager
def held(folder: pathlib.Path) -> Iterator[None]:
    """Hold a folder, which exists, against all other processes that would write to it.

    A thread keeps the lock's time of change new; where another process has taken the folder in the
    meantime, as after a laptop's sleep, this one is ended.

    Raises:
      UserError: another process holds the folder; names its host and pid.
    """
    path = folder / NAME
    _take(path)
    done = threading.Event()
    thread = threading.Thread(target=_beat, args=(path, done), daemon=True)
    thread.start()
    release = functools.partial(_release, path)
    signals.Process.leaving.append(release)
    try:
        yield
    finally:
        done.set()
        thread.join()
        signals.Process.leaving.remove(release)
        release()


def _release(path: pathlib.Path) -> None:
    """Take away the lock file, if it is still that of this process."""
    if _holder(path).get('process') == ME:
        path.unlink(missing_ok=True)


def _take(path: pathlib.Path) -> None:
    """Make the lock file, or take the place of a holder that is gone."""
    while not _make(path):
        holder = _holder(path)
        for _ in range(PATIENCE):  # it may have been made this very moment
            time.sleep(0 if holder else 0.05)
            holder = holder or _holder(path)
        if _is_alive(path, holder):
            raise UserError(
                f'workdir={str(path.parent)!r} is in use: process {holder.get("pid", "unknown")} '
                f'on {holder.get("host", "an unknown host")} trains in it; wait for it or stop it'
            )
        _clear(path, holder)


def _make(path: pathlib.Path) -> bool:
    """Make the lock file; return False where there is one, of this or of another process."""
    now = time.strftime('%Y-%m-%d %H:%M:%S %z')
    me = {'host': platform.node(), 'pid': os.getpid(), 'since': now, 'process': ME}
    try:
        file = path.open('x', encoding='utf-8')
    except FileExistsError:
        return False
    try:
        with file:
            json.dump(me, file)
    except OSError:  # a full disk
        path.unlink()
        raise
    return True


def _holder(path: pathlib.Path) -> dict[str, Any]:
    """Return what a lock file says; {} where it is gone, damaged, or being written."""
    try:
        return documents.read(path, HOLDER)
    except (OSError, UserError):
        return {}


def _is_alive(path: pathlib.Path, holder: dict[str, Any]) -> bool:
    """Return whether the holder of a lock may still write."""
    here = holder.get('host') == platform.node() and holder['process'] != ME
    # A restarted container may have the pid of the one before.
    if here and (holder['pid'] == os.getpid() or not _runs(holder['pid'])):
        return False
    return _silence(path) < SILENT


def _runs(pid: int) -> bool:
    """Return whether there is a process of this number on this host."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return pid > 0


def _silence(path: pathlib.Path) -> float:
    """Return the seconds since the last heartbeat, infinity where there is no lock any more.

    Both times are those of the disk's own clock: hosts that share it may disagree.
    """
    probe = path.with_name(f'{NAME}.{ME}')
    try:
        probe.touch()
        with path.open('rb') as file:  # an opened file's times are not from a cache
            return probe.stat().st_mtime - os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return float('inf')
    finally:
        probe.unlink(missing_ok=True)


def _clear(path: pathlib.Path, holder: dict[str, Any]) -> None:
    """Take away the lock of a holder that is gone, and of no other: one may have come by now."""
    aside = path.with_name(f'{NAME}.{ME}')
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)
        if _holder(aside) != holder:
            with contextlib.suppress(OSError):  # else its next heartbeat makes another
                os.link(aside, path)
        aside.unlink()


def _beat(path: pathlib.Path, done: threading.Event) -> None:
    """Show that this process is alive, until it is done or has lost the folder."""
    while not done.wait(BEAT):
        with contextlib.suppress(OSError):
            _make(path)  # where somebody has deleted it
        holder = _holder(path)
        if holder.get('process', ME) != ME:
            signals.leave(
                f'error: process {holder["pid"]} on {holder["host"]} has taken '
                f'workdir={str(path.parent)!r}, since this one gave no sign for {SILENT:.0f} s',
                2,
            )
        with contextlib.suppress(OSError):
            os.utime(path)
