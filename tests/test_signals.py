"""SIGINT and SIGTERM at any moment: one line, an exit code, nothing half made, nothing lost."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest
import runs

from gan_jax import train
from gan_jax.runtime import signals
from gan_jax.training import writers

NAMES = {signal.SIGINT: 'SIGINT', signal.SIGTERM: 'SIGTERM'}
WORKERS = ['--config.data.device_cache_mb=0', '--config.data.workers=2']


@pytest.mark.parametrize(
    ('signum', 'module', 'within'),
    [
        (signal.SIGINT, 'jax', ''),
        (signal.SIGTERM, 'numpy', ''),
        # jax's callback of the garbage collector swallowed it, and the run went on to its end
        (signal.SIGINT, 'gan_jax.algorithms.gan', 'gc'),
        (signal.SIGTERM, 'gan_jax.data.sources.digits', ''),
    ],
)
def test_a_signal_during_the_start_is_one_line_and_leaves_nothing(tmp_path, signum, module, within):
    folder = tmp_path / 'run'
    done = runs.signalled(folder, signum, module, *runs.QUICK, within=within)
    assert done == (128 + signum, '', f'stopped by {NAMES[signum]}\n')
    assert not folder.exists()


def test_a_signal_before_the_first_step_takes_away_what_was_made(tmp_path, monkeypatch):
    def stop(*args, **kwargs):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(train.Loop, '_restore', stop)
    with pytest.raises(signals.Interrupted, match='stopped before any step: nothing was saved'):
        train.train(runs.small(), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_a_swallowed_signal_of_the_start_stops_the_run_before_it_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(signals.Process, 'came', signal.SIGINT)
    with pytest.raises(signals.Interrupted, match='stopped by SIGINT'):
        train.train(runs.small(), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


EXIT = """
import atexit
from gan_jax.runtime import signals

class Freed:
    def __del__(self):
        print('freed while threads may use it')

signals.catch()
freed = Freed()
atexit.register(print, 'cleared up', flush=True)
signals.finish(3)
"""


def test_a_process_ends_after_it_has_cleared_up_and_before_anything_is_freed():
    done = subprocess.run([sys.executable, '-c', EXIT], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, 'cleared up\n', '')


class Left(BaseException):
    """Stand for the end of the process."""


@pytest.mark.parametrize(
    ('step', 'said'),
    [
        (5, r'stopped at once: nothing was saved in .*; the same command begins anew'),
        (30, r'stopped at once: everything up to step 20 is saved in .*; the same command goes on'),
    ],
)
def test_the_second_of_two_signals_says_what_is_saved(tmp_path, monkeypatch, step, said):
    def leave(line, status):
        raise Left(f'{line} {status}')

    def twice(self, now):
        if now == 30:
            # it is written in the background
            runs.until(lambda: runs.steps(tmp_path), 'a checkpoint')
        if now >= step:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(signals, 'leave', leave)
    monkeypatch.setattr(signals.Process, 'launched', True)
    monkeypatch.setattr(writers.Writers, 'advance', twice)
    with pytest.raises(Left, match=f'{said}.* 130'):
        train.train(runs.small(), tmp_path)


def children(process):
    """Return the processes that a process has started."""
    with open(f'/proc/{process.pid}/task/{process.pid}/children') as file:
        direct = [int(pid) for pid in file.read().split()]
    for task in os.listdir(f'/proc/{process.pid}/task'):
        with contextlib.suppress(OSError), open(f'/proc/{process.pid}/task/{task}/children') as f:
            direct += [int(pid) for pid in f.read().split()]
    return sorted(set(direct))


def alive(pids):
    """Return those of some processes that run; a zombie has ended."""
    found = []
    for pid in pids:
        with contextlib.suppress(OSError), open(f'/proc/{pid}/stat') as file:
            if file.read().rpartition(')')[2].split()[0] != 'Z':
                found.append(pid)
    return found


@pytest.mark.skipif(not os.path.exists('/proc/self/task'), reason='finds processes by /proc')
@pytest.mark.parametrize('signum', [signal.SIGINT, signal.SIGKILL])
def test_readers_neither_die_of_a_signal_to_the_group_nor_outlive_the_run(tmp_path, signum):
    process = runs.start(tmp_path, *runs.QUICK, *WORKERS)
    runs.wait_for(process, tmp_path, 100)
    readers = children(process)
    assert len(alive(readers)) >= 2
    if signum == signal.SIGKILL:
        process.kill()
        assert runs.finish(process)[0] == -signum
    else:
        os.killpg(process.pid, signum)
        status, _, err = runs.finish(process)
        step = runs.steps(tmp_path)[-1]
        assert (status, err) == (130, f'stopped at step {step}, saved in {tmp_path}; '
                                 'the same command goes on from there\n')  # fmt: skip
    runs.until(lambda: not alive(readers), 'the end of all readers')
