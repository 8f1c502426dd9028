"""Process set-up before jax starts, and the switch that leaves out what is done for CPUs."""

import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from gan_jax.core import rng
from gan_jax.errors import UserError
from gan_jax.nn import conv
from gan_jax.runtime import process
from gan_jax.runtime.cpu import tuning

FRESH = """
from gan_jax.runtime import process
process.set_up(deterministic=True)
import jax
x = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
w = jax.random.normal(jax.random.key(1), (3, 3, 3, 4))
print(jax.lax.conv(x.transpose(0, 3, 1, 2), w.transpose(3, 2, 0, 1), (1, 1), 'SAME').shape)
"""

# A reader of several files at once, of which two are damaged: one error is raised, one is left.
TWO_ERRORS = """
import asyncio, gc, logging
from gan_jax import cli

async def read(name):
    raise ValueError(name)

async def both():
    tasks = [asyncio.ensure_future(read(name)) for name in ('one', 'two')]
    try:
        await asyncio.gather(*tasks[:1])
    except ValueError as error:
        logging.warning('damaged: %s', error)
    await asyncio.sleep(0)

cli.set_up_logging()
asyncio.run(both())
gc.collect()
"""


def test_flags_are_added_once_and_never_over_those_of_the_user(monkeypatch):
    monkeypatch.setenv('XLA_FLAGS', '--xla_dump_to=/tmp/x --xla_gpu_autotune_level=4')
    for _ in range(2):
        process.add_flags(process.DETERMINISTIC)
    want = '--xla_dump_to=/tmp/x --xla_gpu_autotune_level=4 --xla_gpu_deterministic_ops=true'
    assert os.environ['XLA_FLAGS'] == want


def in_a_fresh_process(cache):
    env = os.environ | {'XDG_CACHE_HOME': str(cache), 'JAX_PLATFORMS': 'cpu'}
    env.pop('JAX_COMPILATION_CACHE_DIR', None)
    env.pop('XLA_FLAGS', None)
    root = pathlib.Path(__file__).parent.parent
    command = [sys.executable, '-c', FRESH]
    return subprocess.run(command, env=env, capture_output=True, text=True, cwd=root)


def test_a_fresh_process_takes_what_it_is_told_and_passes_over_a_damaged_cache(tmp_path):
    # a flag that XLA does not know would end the first, a cache that cannot be read the second
    said = []
    for _ in range(2):
        done = in_a_fresh_process(tmp_path)
        said.append((done.returncode, done.stdout, done.stderr))
        programs = list((tmp_path / 'gan_jax' / 'xla').glob('*-cache'))
        for path in programs:
            path.write_bytes(path.read_bytes()[:20])
    assert programs
    assert said == [(0, '(2, 4, 8, 8)\n', '')] * 2


def test_unknown_versions_of_jaxlib_are_given_no_flag(monkeypatch):
    if tuning.platform.machine() not in ('x86_64', 'AMD64'):
        pytest.skip(f'libraries are chosen on x86-64 only, this is {tuning.platform.machine()}')
    for version, want in (('0.9.2', ''), ('0.10.0', tuning.LIBRARIES), ('0.13.0', '')):
        monkeypatch.setattr(tuning.jaxlib, '__version__', version)
        assert tuning.xla_flags() == want, version


def primitives(jaxpr):
    """Return the names of all primitives of a program, also of those within others."""
    names = set()
    for equation in jaxpr.eqns:
        names.add(equation.primitive.name)
        for value in equation.params.values():
            inner = getattr(value, 'jaxpr', value)
            names |= primitives(inner) if hasattr(inner, 'eqns') else set()
    return names


def gradients():
    """Return the primitives of a layer that is computed in tiles, and of a draw."""
    x, w = jnp.ones((2, 8, 8, 64)), jnp.ones((3, 3, 64, 64))

    def loss(x, w):
        noise = jax.random.normal(rng.root(0), x.shape)
        return conv.conv2d(x + noise, w).sum()

    return primitives(jax.make_jaxpr(jax.grad(loss, (0, 1)))(x, w).jaxpr)


def test_the_switch_leaves_convolutions_and_draws_to_xla(monkeypatch):
    on = gradients()
    monkeypatch.setenv(tuning.SWITCH, 'off')
    off = gradients()
    assert 'dot_general' in on and 'conv_general_dilated' not in on
    assert 'conv_general_dilated' in off and 'dot_general' not in off


def test_the_switch_leaves_flags_and_the_allocator_alone(monkeypatch):
    kept = []
    monkeypatch.setattr(tuning, 'keep_memory', lambda: kept.append(True))
    monkeypatch.setattr(process, 'cache_compilations', lambda: None)
    monkeypatch.setenv('XLA_FLAGS', '')
    monkeypatch.setenv(tuning.SWITCH, 'off')
    process.set_up()
    assert os.environ['XLA_FLAGS'] == '' and not kept
    monkeypatch.setenv(tuning.SWITCH, 'on')
    process.set_up()
    assert os.environ['XLA_FLAGS'] == tuning.xla_flags() and kept


def test_draws_are_the_same_numbers_with_the_switch_off(monkeypatch):
    on = jax.random.normal(rng.fold(rng.root(3), 'z', 5), (7,))
    monkeypatch.setenv(tuning.SWITCH, 'off')
    off = jax.random.normal(rng.fold(rng.root(3), 'z', 5), (7,))
    assert (on == off).all()


def test_the_switch_is_on_or_off(monkeypatch):
    monkeypatch.setenv(tuning.SWITCH, 'no')
    with pytest.raises(UserError, match=r"unknown GAN_JAX_CPU_TUNING 'no'.*available: on, off"):
        tuning.enabled()


def test_an_error_beside_the_one_that_is_raised_is_no_second_warning():
    done = subprocess.run([sys.executable, '-c', TWO_ERRORS], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, 'WARNING: damaged: one\n')
