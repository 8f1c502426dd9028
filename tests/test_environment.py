"""Options of jax that its environment sets: what would change the bits is not used, with a word."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT

from gan_jax.runtime import process

RUN = (
    '--config.duration=2st --config.devices=1 --config.model.g.hidden=8, --config.batch_size=8 '
    '--config.model.d.hidden=8, --config.steps_per_call=1'
)


def launched(folder, **environment):
    """Return the digest that a short run prints, and its warnings."""
    command = [sys.executable, str(ROOT / 'launch.py'), *RUN.split(), f'--workdir={folder}']
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1], done.stderr


@pytest.fixture(scope='module')
def plain(tmp_path_factory):
    """Return what a run prints in an environment that sets nothing."""
    digest, warnings = launched(tmp_path_factory.mktemp('plain') / 'run')
    assert digest.startswith('digest ') and not warnings
    return digest


def test_options_that_change_bits_are_not_used(plain, tmp_path):
    odd = {
        'JAX_ENABLE_X64': '1',
        'JAX_DISABLE_JIT': '1',
        'JAX_RANDOM_SEED_OFFSET': '3',
        'JAX_NUMPY_DTYPE_PROMOTION': 'strict',
    }
    digest, warnings = launched(tmp_path / 'run', **odd)
    assert digest == plain
    assert {name.lower() for name in odd} == process.FIXED.keys()
    for name in odd:
        assert f'WARNING: {name}=' in warnings
    assert warnings.count('\n') == len(odd)
