"""Several processes train to the bits of one process with as many devices."""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys

import pytest

from gan_jax.errors import UserError
from gan_jax.runtime import parallel

ROOT = pathlib.Path(__file__).resolve().parent.parent
ARGUMENTS = [
    '--config.duration=12st',
    '--config.log.every=4st',
    '--config.checkpoint.every=8st',
    '--config.sample.every=0st',
    '--config.steps_per_call=4',
    '--config.batch_size=16',
]


def start(workdir, devices, *arguments):
    """Start a run in a process of its own with some virtual devices."""
    environment = {**os.environ, 'NPROC': '16', 'JAX_PLATFORMS': 'cpu'}
    command = [sys.executable, 'launch.py', f'--workdir={workdir}', *ARGUMENTS, *arguments]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment | {'JAX_NUM_CPU_DEVICES': str(devices)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_two(workdir, *arguments):
    """Start a run of two processes with one device each."""
    with socket.socket() as free:
        free.bind(('localhost', 0))
        port = free.getsockname()[1]
    where = [f'--coordinator=localhost:{port}', '--num_processes=2']
    return [start(workdir, 1, *where, f'--process_id={i}', *arguments) for i in (0, 1)]


def finish(process):
    """Wait for a run; return its standard output."""
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return out


def digest(out):
    """Return the digest that a run printed."""
    return re.search(r'^digest (\w{64})$', out, re.MULTILINE)[1]


def test_two_processes_train_to_the_digest_of_two_devices(tmp_path):
    two = start_two(tmp_path / 'two')
    one = start(tmp_path / 'one', 2)
    first, second = map(finish, two)
    assert digest(first) == digest(finish(one))
    assert 'step 12' in first and 'step' not in second and 'digest' not in second
    result = json.loads((tmp_path / 'two' / 'result.json').read_text())
    assert result['digest'] == digest(first) and result['step'] == 12
    checkpoints = {p.name for p in (tmp_path / 'two' / 'checkpoints').iterdir()}
    assert {'8', '12'} <= checkpoints
    lines = (tmp_path / 'two' / 'metrics.jsonl').read_text().splitlines()
    assert [json.loads(line)['step'] for line in lines] == [4, 8, 12]


@pytest.mark.slow
def test_shard_map_in_two_processes_and_going_on_as_another_number_of_processes(tmp_path):
    straight = digest(finish(start(tmp_path / 'one', 2)))
    spanning = start_two(tmp_path / 'two', '--config.parallel=shard_map')
    assert digest(''.join(map(finish, spanning))) == straight
    for process in start_two(tmp_path / 'part', '--config.duration=8st'):
        finish(process)
    assert digest(finish(start(tmp_path / 'part', 2))) == straight


def test_processes_are_named_completely_or_not_at_all(monkeypatch):
    for variable in parallel.CLUSTERS:
        monkeypatch.delenv(variable, raising=False)
    parallel.start()
    with pytest.raises(UserError, match='--num_processes, --process_id missing'):
        parallel.start('localhost:1')
    with pytest.raises(UserError, match='process_id=2 is not allowed: it must be below 2'):
        parallel.start('localhost:1', 2, 2)


def test_slurm_and_pods_are_noticed(monkeypatch):
    asked = []
    monkeypatch.setattr(parallel.jax.distributed, 'initialize', lambda *a: asked.append(a))
    monkeypatch.setattr(parallel.jax.config, 'update', lambda *a: None)
    for variable in parallel.CLUSTERS:
        monkeypatch.delenv(variable, raising=False)
    for tasks, calls in (('1', 0), ('2', 1)):
        monkeypatch.setenv('SLURM_NTASKS', tasks)
        parallel.start()
        assert asked == [(None, None, None)] * calls
