"""What a process is told about its machine before jax starts: kernels, memory, caches."""

import ctypes
import os
import pathlib
import platform
import warnings

import jax
import jaxlib

DETERMINISTIC = '--xla_gpu_deterministic_ops=true --xla_gpu_autotune_level=0'
# XLA has two libraries for a CPU: YNNPACK is the quicker one for matrix products and sums, Eigen
# for convolutions (20 to 40 % on x86-64; see docs/performance.md).
KERNELS = (
    '--xla_cpu_experimental_ynn_fusion_type='
    'LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE'
)
# Those that know the flag: one that does not would end the process.
KNOWN = ((0, 10), (0, 13))
# mallopt's parameters: one arena, no mapped blocks, and nothing given back to the system
MALLOC = {-8: 1, -4: 0, -1: 2**31 - 1, -2: 2**26}


def set_up(deterministic: bool = False) -> None:
    """Choose kernels, keep memory and compiled programs; call it before jax starts.

    deterministic: have GPUs compute the same bits each time, at some cost: only kernels without
    atomic adds, and none chosen by timing. CPUs are repeatable by nature.
    """
    version = tuple(map(int, jaxlib.__version__.split('.')[:2]))
    if platform.machine() in ('x86_64', 'AMD64') and KNOWN[0] <= version < KNOWN[1]:
        add_flags(KERNELS)
    if deterministic:
        add_flags(DETERMINISTIC)
    keep_memory()
    cache_compilations()


def add_flags(flags: str) -> None:
    """Add flags to those of XLA, unless the user has set one of them."""
    there = os.environ.get('XLA_FLAGS', '')
    new = [flag for flag in flags.split() if flag.partition('=')[0] not in there]
    os.environ['XLA_FLAGS'] = ' '.join([there, *new]).strip()


def keep_memory() -> None:
    """Have glibc keep what is freed for the next step, where it is glibc.

    A step on a CPU takes hundreds of megabytes anew each time. Memory that comes from the system
    costs a page fault for each 4 kB, ten times what it takes to use it.
    """
    if platform.libc_ver()[0] == 'glibc':
        libc = ctypes.CDLL(None)
        for parameter, value in MALLOC.items():
            libc.mallopt(parameter, value)


def cache_compilations() -> None:
    """Keep compiled programs in the user's cache folder, so that a second start is quick.

    A cache that cannot be read or written is passed over: it is never a reason to fail.
    """
    folder = pathlib.Path(os.environ.get('XDG_CACHE_HOME', '~/.cache')).expanduser()
    if not jax.config.values.get('jax_compilation_cache_dir'):
        jax.config.update('jax_compilation_cache_dir', str(folder / 'gan_jax' / 'xla'))
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
    jax.config.update('jax_raise_persistent_cache_errors', False)
    # What a process that was killed left half written is compiled anew, without a word for each.
    warnings.filterwarnings('ignore', 'Error (reading|writing) persistent compilation cache')
