"""What gan_jax does for speed on a CPU, its switch, and the part that comes before jax starts.

GAN_JAX_CPU_TUNING=off leaves everything in this folder out: convolutions are XLA's own, as are
random draws (the numbers are the same), no flag of XLA is set, and the allocator stays as it is.
"""

import ctypes
import os
import platform

import jaxlib

from gan_jax.errors import unknown

SWITCH = 'GAN_JAX_CPU_TUNING'
# XLA has two libraries for a CPU: YNNPACK is the quicker one for matrix products and sums, Eigen
# for convolutions (20 to 40 % on x86-64; see docs/performance.md).
LIBRARIES = (
    '--xla_cpu_experimental_ynn_fusion_type='
    'LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE'
)
# jaxlib 0.10 to 0.12 accept this flag; others may abort on it.
FIRST_JAXLIB, AFTER_LAST_JAXLIB = (0, 10), (0, 13)
# mallopt's parameters: one arena, no mapped blocks, and nothing given back to the system
MALLOC = {-8: 1, -4: 0, -1: 2**31 - 1, -2: 2**26}


def enabled() -> bool:
    """Return whether CPUs are tuned for, which they are unless GAN_JAX_CPU_TUNING=off.

    Raises:
      UserError: the variable is neither 'on' nor 'off'.
    """
    value = os.environ.get(SWITCH, 'on')
    if value not in ('on', 'off'):
        raise unknown(SWITCH, value, ('on', 'off'))
    return value == 'on'


def xla_flags() -> str:
    """Return the flags that choose XLA's libraries, '' where they are not known to be accepted."""
    version = tuple(map(int, jaxlib.__version__.split('.')[:2]))
    known = FIRST_JAXLIB <= version < AFTER_LAST_JAXLIB
    return LIBRARIES if known and platform.machine() in ('x86_64', 'AMD64') else ''


def keep_memory() -> None:
    """Have glibc keep what is freed for the next step, where it is glibc.

    A step on a CPU takes hundreds of megabytes anew each time. Memory that comes from the system
    costs a page fault for each 4 kB, ten times what it takes to use it.
    """
    if platform.libc_ver()[0] == 'glibc':
        libc = ctypes.CDLL(None)
        for parameter, value in MALLOC.items():
            libc.mallopt(parameter, value)
