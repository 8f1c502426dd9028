"""The order of a run's examples, as a pure function of (seed, stream, epoch)."""

import functools
import zlib

import numpy as np


@functools.lru_cache(maxsize=8)
def order(n: int, seed: int, epoch: int, stream: str = '') -> np.ndarray:
    """Return a permutation of range(n), int64 [n].

    It sorts the raw output of a counter-based generator (Salmon et al., 2011): numpy promises
    that raw output is the same in every version, which it does not for `Generator.permutation`.
    """
    seeds = np.random.SeedSequence([zlib.crc32(stream.encode()), seed, epoch])
    permutation = np.argsort(np.random.Philox(seeds).random_raw(n), kind='stable')
    permutation.flags.writeable = False
    return permutation


def positions(n: int, seed: int, start: int, count: int, stream: str = '') -> np.ndarray:
    """Return the examples at places start..start+count-1 of the endless stream, int64 [count].

    The stream is order(n, seed, 0), order(n, seed, 1), ...; every example is in each epoch once.
    """
    parts = []
    while count > 0:
        epoch, offset = divmod(start, n)
        part = order(n, seed, epoch, stream)[offset : offset + count]
        parts.append(part)
        start, count = start + len(part), count - len(part)
    return np.concatenate(parts)
