"""Small runs for the tests of the loop: their configs, how to stop them, how to compare them."""

import contextlib
import io
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

import jax
import numpy as np

import launch
from gan_jax import config as configs
from gan_jax import models, train
from gan_jax.core.state import digest
from gan_jax.runtime import signals
from gan_jax.training import lock as locks
from gan_jax.training import writers

TESTS = pathlib.Path(__file__).resolve().parent
ROOT = TESTS.parent
TIMES = ('seconds', 'images_per_second')


SMALL = {
    'model.d.hidden': (8,),
    'model.d.dropout': 0.3,
    'batch_size': 16,
    'duration': '60st',
    'devices': 1,
    'steps_per_call': 4,
    'loss.n_critic': 2,
    'ema.half_life': '100img',
    'log.every': '10st',
    'sample.every': '30st',
    'sample.rows': 2,
    'sample.columns': 2,
    'checkpoint.every': '20st',
}


def small(algorithm='gan', **changes):
    """Return the config of a run on digits that trains in seconds, with some keys changed."""
    config = configs.base(algorithm)
    if algorithm == 'gan':
        config.model = models.node('mlp', g={'z_dim': 4, 'hidden': (8,)}, d={})
    config.update_from_flattened_dict({k: v for k, v in SMALL.items() if has(config, k)})
    with config.unlocked(), config.ignore_type():
        config.update_from_flattened_dict(changes)
    return config


def has(config, key):
    """Return whether a config has a dotted key."""
    return key in configs.flatten(config)


def call(command):
    """Run launch.py in this process; return its status, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = launch.launch(['launch.py', *shlex.split(command)])
    return status, out.getvalue(), err.getvalue()


# Of a process whose run trains quickly; its own config is that of digits.
QUICK = [
    '--config.duration=1500st',
    '--config.model.g.hidden=16,16',
    '--config.model.d.hidden=16,16',
    '--config.steps_per_call=5',
    '--config.log.every=25st',
    '--config.sample.every=500st',
    '--config.checkpoint.every=100st',
]


def start(workdir, *arguments, **environment):
    """Start launch.py in a process and a group of its own."""
    return python(str(ROOT / 'launch.py'), f'--workdir={workdir}', *arguments, **environment)


def python(*arguments, **environment):
    """Start Python in a process and a group of its own."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process):
    """Wait for a process; return its status, stdout and stderr."""
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def until(true, what, seconds=30, process=None):
    """Wait until something is true or a process has ended; fail, and kill it, after some time."""
    end = time.monotonic() + seconds
    while not true() and (process is None or process.poll() is None):
        if time.monotonic() > end:
            if process:
                process.kill()
            raise AssertionError(f'not within {seconds} s: {what}')
        time.sleep(0.01)


def wait_for(process, workdir, step):
    """Return once a run has reported a step, and has a checkpoint."""

    def reached():
        with contextlib.suppress(FileNotFoundError, IndexError):
            return steps(workdir) and metrics(workdir)[-1]['step'] >= step

    until(reached, f'step {step} in {workdir}', 600, process)
    assert reached(), f'the run ended before step {step}: {finish(process)}'


def signalled(workdir, signum, module, *arguments, within=''):
    """Run launch.py, which gets a signal where it imports a module; return as `finish` does."""
    path = os.pathsep.join([str(TESTS / 'signalled'), os.environ.get('PYTHONPATH', '')])
    asked = {'SIGNAL': signal.Signals(signum).name, 'SIGNAL_AT': module, 'SIGNAL_IN': within}
    return finish(start(workdir, *arguments, PYTHONPATH=path, **asked))


def stop_at(monkeypatch, step, signum=signal.SIGTERM):
    """Let a signal come to this process when a run reaches a step."""
    advance = writers.Writers.advance

    def stopping(self, now):
        advance(self, now)
        if now >= step:
            signal.raise_signal(signum)

    monkeypatch.setattr(writers.Writers, 'advance', stopping)


def interrupted(monkeypatch, config, folder, step, source=None):
    """Train until a signal at a step, and return the message."""
    with monkeypatch.context() as patch:
        stop_at(patch, step)
        try:
            train.train(config, folder, source)
        except signals.Interrupted as stop:
            return str(stop)
    raise AssertionError(f'the run did not stop at step {step}')


def trained(config, folder, source=None):
    """Train to the end; return the digest of the final state."""
    return digest(train.train(config, folder, source))


def differing(tree):
    """Return the paths of the leaves that are not the same on all devices."""

    def differs(leaf):
        first, *rest = (np.asarray(shard.data) for shard in leaf.addressable_shards)
        return any((first != other).any() for other in rest)

    leaves = jax.tree_util.tree_leaves_with_path(tree)
    assert all(len(leaf.addressable_shards) > 1 for _, leaf in leaves)
    return [jax.tree_util.keystr(path) for path, leaf in leaves if differs(leaf)]


def metrics(folder):
    """Return the lines of metrics.jsonl without times."""
    lines = writers.read_lines(pathlib.Path(folder) / 'metrics.jsonl')
    return [{k: v for k, v in line.items() if k not in TIMES} for line in lines]


def steps(folder):
    """Return the steps of the checkpoints in a run's folder."""
    there = os.listdir(pathlib.Path(folder) / 'checkpoints')
    return sorted(int(name) for name in there if name.isdigit())


def result(folder):
    """Return result.json."""
    return json.loads((pathlib.Path(folder) / 'result.json').read_text())


def damage(folder, step=None):
    """Truncate the largest file of a checkpoint, the newest by default; return its step."""
    step = step or steps(folder)[-1]
    files = [p for p in (folder / 'checkpoints' / str(step)).rglob('*') if p.is_file()]
    largest = max(files, key=lambda p: p.stat().st_size)
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    return step


def lock(folder, age=0.0, **changes):
    """Leave the lock of a process in a folder, which was last heard of some seconds ago."""
    holder = {'host': 'elsewhere', 'pid': 12345, 'since': '', 'process': 'another', **changes}
    path = folder / locks.NAME
    path.write_text(json.dumps(holder))
    then = path.stat().st_mtime - age
    os.utime(path, (then, then))
    return path
