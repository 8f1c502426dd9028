"""Several processes train to the bits of one process with as many devices."""

import json
import re
import socket

import pytest
import runs

from gan_jax.errors import UserError
from gan_jax.runtime import cluster, peers

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
    return runs.start(workdir, *ARGUMENTS, *arguments, NPROC='16', JAX_NUM_CPU_DEVICES=str(devices))


def start_two(workdir, *arguments):
    """Start a run of two processes with one device each."""
    with socket.socket() as free:
        free.bind(('localhost', 0))
        port = free.getsockname()[1]
    where = [f'--coordinator=localhost:{port}', '--num_processes=2']
    return [start(workdir, 1, *where, f'--process_id={i}', *arguments) for i in (0, 1)]


def finish(process):
    """Wait for a run that ends well; return its standard output."""
    status, out, err = runs.finish(process)
    assert status == 0, err
    return out


def digest(out):
    """Return the digest that a run printed."""
    return re.search(r'^digest (\w{64})$', out, re.MULTILINE)[1]


@pytest.mark.parametrize('seeds', [1, pytest.param(2, marks=pytest.mark.slow)])
def test_two_processes_train_to_the_digest_of_two_devices(tmp_path, seeds):
    members = f'--config.seeds={seeds}'
    two = start_two(tmp_path / 'two', members)
    one = start(tmp_path / 'one', 2, members)
    first, second = map(finish, two)
    assert digest(first) == digest(finish(one))
    assert 'step 12' in first and 'step' not in second and 'digest' not in second
    result = json.loads((tmp_path / 'two' / 'result.json').read_text())
    assert result['digest'] == digest(first) and result['step'] == 12
    checkpoints = {p.name for p in (tmp_path / 'two' / 'checkpoints').iterdir()}
    assert {'8', '12'} <= checkpoints
    lines = (tmp_path / 'two' / 'metrics.jsonl').read_text().splitlines()
    assert [json.loads(line)['step'] for line in lines] == [4, 8, 12]


@pytest.mark.parametrize('victim', [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_lost_process_is_one_line_of_the_other(tmp_path, victim):
    two = start_two(tmp_path, '--config.duration=100000st', '--config.log.every=8st')
    runs.wait_for(two[0], tmp_path, 16)
    two[victim].kill()
    status, _, err = runs.finish(two[1 - victim])
    runs.finish(two[victim])
    step = runs.steps(tmp_path)[-1]
    assert (status, err) == (
        peers.STATUS,
        f'a process of the run was lost: everything up to step {step} is saved in {tmp_path}; '
        'the same command goes on from there\n',
    )


@pytest.mark.slow
def test_shard_map_in_two_processes_and_going_on_as_another_number_of_processes(tmp_path):
    straight = digest(finish(start(tmp_path / 'one', 2)))
    spanning = start_two(tmp_path / 'two', '--config.parallel=shard_map')
    assert digest(''.join(map(finish, spanning))) == straight
    for process in start_two(tmp_path / 'part', '--config.duration=8st'):
        finish(process)
    assert digest(finish(start(tmp_path / 'part', 2))) == straight


def test_processes_are_named_completely_or_not_at_all(monkeypatch):
    for variable in cluster.CLUSTERS:
        monkeypatch.delenv(variable, raising=False)
    cluster.start()
    with pytest.raises(UserError, match='--num_processes, --process_id missing'):
        cluster.start('localhost:1')
    with pytest.raises(UserError, match='process_id=2 is not allowed: it must be below 2'):
        cluster.start('localhost:1', 2, 2)


def test_slurm_and_pods_are_noticed(monkeypatch):
    asked = []
    monkeypatch.setattr(cluster.jax.distributed, 'initialize', lambda *a: asked.append(a))
    monkeypatch.setattr(cluster.jax.config, 'update', lambda *a: None)
    for variable in cluster.CLUSTERS:
        monkeypatch.delenv(variable, raising=False)
    for tasks, calls in (('1', 0), ('2', 1)):
        monkeypatch.setenv('SLURM_NTASKS', tasks)
        cluster.start()
        assert asked == [(None, None, None)] * calls
