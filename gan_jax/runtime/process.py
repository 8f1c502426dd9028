"""Process set-up before JAX starts: XLA flags, allocator, cache."""

import logging
import os
import pathlib
import re
import warnings

import jax

from gan_jax.runtime.cpu import tuning

log = logging.getLogger('gan_jax')

# Options of jax that its environment variables set, and the one value that runs are made for: the
# rest change the bits, or end in jax's own tracebacks.
FIXED = {
    'jax_enable_x64': False,
    'jax_disable_jit': False,
    'jax_random_seed_offset': 0,
    'jax_numpy_dtype_promotion': 'standard',
}
FAST_MATH = 'fast_math|fast_min_max|excess_precision'
DETERMINISTIC = '--xla_gpu_deterministic_ops=true --xla_gpu_autotune_level=0'


def set_up(deterministic: bool = False) -> None:
    """Set XLA's flags, the allocator and the cache of programs; call it before jax starts.

    deterministic: have GPUs compute the same bits each time, at some cost: only kernels without
    atomic adds, and none chosen by timing. CPUs are repeatable by nature.

    Raises:
      UserError: GAN_JAX_CPU_TUNING is neither 'on' nor 'off'.
    """
    fix_options()
    if tuning.enabled():
        add_flags(tuning.xla_flags())
        tuning.keep_memory()
    if deterministic:
        add_flags(DETERMINISTIC)
    cache_compilations()


def fix_options() -> None:
    """Set the options of jax that runs rest on; a warning names what the environment set else."""
    for name, value in FIXED.items():
        found = jax.config.values.get(name, value)
        if found != value:
            jax.config.update(name, value)
            log.warning('%s=%s is not used: runs are made for %s', name.upper(), found, value)


def add_flags(flags: str) -> None:
    """Add flags to those of XLA, unless the user has set one of them."""
    there = os.environ.get('XLA_FLAGS', '')
    new = [flag for flag in flags.split() if flag.partition('=')[0] not in there]
    os.environ['XLA_FLAGS'] = ' '.join([there, *new]).strip()


def fast_math() -> list[str]:
    """Return those of the flags of XLA that let it round otherwise than by default."""
    flags = os.environ.get('XLA_FLAGS', '').split()
    return sorted({flag for flag in flags if re.search(FAST_MATH, flag)})


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
