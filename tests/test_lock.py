"""One process writes to a run's folder; others are refused, or take over from the dead."""

import json
import os
import platform
import subprocess
import sys

import pytest
import runs

import gan_jax
from gan_jax import train
from gan_jax.errors import UserError
from gan_jax.runtime import signals
from gan_jax.training import lock


def dead():
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, '-c', ''])
    process.wait()
    return process.pid


def test_a_lock_is_there_while_it_is_held_and_names_its_holder(tmp_path):
    with lock.held(tmp_path):
        found = json.loads((tmp_path / lock.NAME).read_text())
        assert (found['host'], found['pid']) == (platform.node(), os.getpid())
        with pytest.raises(UserError, match='is in use'), lock.held(tmp_path):
            pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('age', [0, 50])
def test_a_second_process_is_refused_and_touches_nothing(tmp_path, age):
    folder = tmp_path / 'run'
    runs.trained(runs.small(duration='20st'), folder)
    path = runs.lock(folder, age)
    before = {p: p.stat().st_mtime_ns for p in folder.rglob('*') if p.is_file()}
    said = 'is in use: process 12345 on elsewhere trains in it; wait for it or stop it'
    with pytest.raises(UserError, match=said):
        train.train(runs.small(duration='40st'), folder)
    assert before == {p: p.stat().st_mtime_ns for p in folder.rglob('*') if p.is_file()}
    assert gan_jax.load(folder).sample(2).shape == (2, 8, 8, 1)
    assert path.exists()


@pytest.mark.parametrize(
    'gone',
    [
        {'age': 61},
        {'host': platform.node(), 'pid': dead()},
        # a restarted container counts its processes from 1 again
        {'host': platform.node(), 'pid': os.getpid()},
    ],
)
def test_a_holder_that_is_gone_is_no_obstacle(tmp_path, gone):
    runs.lock(tmp_path, **gone)
    with lock.held(tmp_path):
        assert json.loads((tmp_path / lock.NAME).read_text())['pid'] == os.getpid()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('text', ['', '[1]', '{"host": 3, "pid": -1}', '\0' * 9])
def test_a_damaged_lock_holds_for_as_long_as_any_other(tmp_path, text):
    path = runs.lock(tmp_path)
    path.write_text(text)
    with pytest.raises(UserError, match='process unknown on an unknown host'):
        lock.held(tmp_path).__enter__()
    os.utime(path, (1, 1))
    with lock.held(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_heartbeat_keeps_the_lock_and_ends_a_process_that_has_lost_it(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(lock, 'BEAT', 0.01)
    monkeypatch.setattr(signals, 'leave', lambda *a: said.append(a))
    path = tmp_path / lock.NAME
    with lock.held(tmp_path):
        os.utime(path, (1, 1))
        runs.until(lambda: path.stat().st_mtime > 10, 'a heartbeat')
        path.unlink()
        # all of it: what is still being written would go over what is written here
        runs.until(lambda: lock._holder(path).get('process') == lock.ME, 'another lock')
        runs.lock(tmp_path)
        runs.until(lambda: said, 'the end of the process')
    assert said[0][1] == 2 and 'process 12345 on elsewhere has taken' in said[0][0]
    assert path.exists()


def test_a_new_lock_is_not_taken_away_for_the_old_one(tmp_path):
    path = runs.lock(tmp_path)
    lock._clear(path, {'host': 'elsewhere', 'pid': 1, 'since': '', 'process': 'the one before'})
    assert json.loads(path.read_text())['pid'] == 12345
    assert [p.name for p in tmp_path.iterdir()] == [lock.NAME]
