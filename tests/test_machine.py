"""What a process is told before jax starts."""

import os
import pathlib
import subprocess
import sys

import pytest

from gan_jax.runtime import process as machine

FRESH = """
from gan_jax import machine
machine.set_up(deterministic=True)
import jax
x = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
w = jax.random.normal(jax.random.key(1), (3, 3, 3, 4))
print(jax.lax.conv(x.transpose(0, 3, 1, 2), w.transpose(3, 2, 0, 1), (1, 1), 'SAME').shape)
"""


def test_flags_are_added_once_and_never_over_those_of_the_user(monkeypatch):
    monkeypatch.setenv('XLA_FLAGS', '--xla_dump_to=/tmp/x --xla_gpu_autotune_level=4')
    for _ in range(2):
        machine.add_flags(machine.DETERMINISTIC)
    want = '--xla_dump_to=/tmp/x --xla_gpu_autotune_level=4 --xla_gpu_deterministic_ops=true'
    assert os.environ['XLA_FLAGS'] == want


def in_a_fresh_process(cache):
    env = os.environ | {'XDG_CACHE_HOME': str(cache), 'JAX_PLATFORMS': 'cpu'}
    env.pop('JAX_COMPILATION_CACHE_DIR', None)
    env.pop('XLA_FLAGS', None)
    root = pathlib.Path(__file__).parent.parent
    command = [sys.executable, '-c', FRESH]
    return subprocess.run(command, env=env, capture_output=True, text=True, cwd=root)


def test_a_fresh_process_takes_all_that_it_is_told(tmp_path):
    # a flag that XLA does not know would end it
    done = in_a_fresh_process(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == '(2, 4, 8, 8)\n'
    assert any((tmp_path / 'gan_jax' / 'xla').iterdir())


def test_a_damaged_cache_is_passed_over(tmp_path):
    said = []
    for _ in range(2):
        done = in_a_fresh_process(tmp_path)
        said.append((done.returncode, done.stdout, done.stderr))
        programs = list((tmp_path / 'gan_jax' / 'xla').glob('*-cache'))
        for path in programs:
            path.write_bytes(path.read_bytes()[:20])
    assert programs
    assert said == [(0, '(2, 4, 8, 8)\n', '')] * 2


def test_unknown_versions_are_left_alone(monkeypatch):
    if machine.platform.machine() not in ('x86_64', 'AMD64'):
        pytest.skip(f'kernels are chosen on x86-64 only, this is {machine.platform.machine()}')
    monkeypatch.setattr(machine, 'keep_memory', lambda: None)
    monkeypatch.setattr(machine, 'cache_compilations', lambda: None)
    for version, want in (('0.9.2', ''), ('0.10.0', machine.KERNELS), ('0.13.0', '')):
        monkeypatch.setenv('XLA_FLAGS', '')
        monkeypatch.setattr(machine.jaxlib, '__version__', version)
        machine.set_up()
        assert os.environ['XLA_FLAGS'] == want, version
