"""Strict numerics, eight virtual devices, and the fixtures that live outside the repository."""

import gc
import json
import os
import pathlib
import time
import zlib

# Before jax starts: eight CPU devices on few cores dead-lock in the all-reduce rendezvous unless
# the thread pool is at least as large.
os.environ.setdefault('NPROC', '16')
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
# Most of the time went into LLVM, for programs that run once: 81 CPU seconds of a test became 40.
os.environ.setdefault('JAX_DISABLE_MOST_OPTIMIZATIONS', 'true')

import jax
import numpy as np
import pytest

# Tracing makes many small objects, and jax has work of its own in every collection: with Python's
# own threshold a tenth of the CPU seconds of tests went there.
gc.set_threshold(50_000, 20, 20)

jax.config.update('jax_num_cpu_devices', 8)
jax.config.update('jax_numpy_rank_promotion', 'raise')

ROOT = pathlib.Path(__file__).resolve().parent.parent


def outside(variable: str, default: str) -> pathlib.Path:
    """Return the folder that an environment variable names, relative to the repository's root."""
    return (ROOT / os.environ.get(variable, default)).resolve()


def rule_weight(entry: dict, salt: str) -> np.ndarray:
    """Make one weight of a parity fixture from its rule."""
    shape = tuple(entry['shape'])
    if entry['t'] == 'zeros':
        return np.zeros(shape, np.int64)
    seed = zlib.crc32((salt + entry['name']).encode())
    n = np.asarray(np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)
    if entry['t'] == 'abs':
        n = np.abs(n)
    if entry['t'] == 'unit':
        n = (n / np.sqrt((n.astype(np.float64) ** 2).sum())).astype(np.float32)
    return np.float32(entry['offset']) + np.float32(entry['scale']) * n


@pytest.fixture(scope='module')
def optimised():
    """Compile as a user does, whose sums are rounded less."""
    before = jax.config.read('jax_disable_most_optimizations')
    jax.config.update('jax_disable_most_optimizations', False)
    yield
    jax.config.update('jax_disable_most_optimizations', before)


@pytest.fixture(scope='module')
def parity(optimised):
    """Load a fixture of a reference implementation: (readme, weights, inputs, outputs)."""

    def load(name: str):
        folder = outside('GAN_JAX_PARITY', '../shared/parity') / name
        if not folder.exists():
            pytest.skip(f'no parity fixture {folder}; set GAN_JAX_PARITY to the folder that has it')
        readme = json.loads((folder / 'README.json').read_text())
        with np.load(folder / 'fixture.npz') as arrays:
            ins = {k[3:]: arrays[k] for k in arrays.files if k.startswith('in/')}
            outs = {k[4:]: arrays[k] for k in arrays.files if k.startswith('out/')}
        entries = [e for e in readme.get('weights', []) if e['t'] != 'ref']
        weights = {e['name']: rule_weight(e, readme['salt']) for e in entries}
        return readme, weights, ins, outs

    return load


@pytest.fixture(scope='session')
def data_file():
    """Return the path of a real data file, or skip where it is absent."""

    def find(name: str) -> pathlib.Path:
        path = outside('GAN_JAX_TEST_DATA', '../shared/data') / name
        if not path.exists():
            pytest.skip(f'no {path}; set GAN_JAX_TEST_DATA to the folder that has it')
        return path

    return find


@pytest.fixture(scope='session', autouse=True)
def compilations(tmp_path_factory):
    """Compile every program once in a session, also for the processes that tests start."""
    if not jax.config.jax_compilation_cache_dir:
        folder = str(tmp_path_factory.mktemp('xla'))
        jax.config.update('jax_compilation_cache_dir', folder)
        os.environ['JAX_COMPILATION_CACHE_DIR'] = folder
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.1)


@pytest.fixture(scope='module', autouse=True)
def programs():
    """Drop what a module compiled: one process may map 65,530 pieces of memory, and ran out."""
    yield
    jax.clear_caches()


@pytest.fixture(autouse=True)
def room():
    """Drop it within a module too where there is little room left: one had reached 59,821."""
    began = time.monotonic()
    yield
    # A quick test has compiled little, and counting takes time.
    if time.monotonic() - began > 1 and pieces() > 30_000:
        jax.clear_caches()


def pieces() -> int:
    """Return how many pieces of memory this process maps; 0 where that is not told."""
    maps = pathlib.Path('/proc/self/maps')
    return maps.read_bytes().count(b'\n') if maps.exists() else 0
