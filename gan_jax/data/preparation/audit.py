"""Find the bad examples of a source: list them, or leave them out."""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import numpy as np

from gan_jax.data.protocol import BadExample, Example, in_order, load
from gan_jax.errors import UserError, printable

CHUNK = 64
LISTED = 20

Part = tuple[np.ndarray, Example | None, list[BadExample]]


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def read_some(source: Any, indices: np.ndarray) -> Part:
    """Read examples; return (the good indices, their batch or None, the bad ones)."""
    try:
        return indices, load(source, indices), []
    except BadExample as error:
        if len(indices) == 1:
            return indices[:0], None, [error]
    # one of them is bad: which, only each alone can tell
    parts = [read_some(source, indices[i : i + 1]) for i in range(len(indices))]
    good = [batch for _, batch, _ in parts if batch is not None]
    joined = {k: np.concatenate([b[k] for b in good]) for k in good[0]} if good else None
    kept = np.concatenate([indices for indices, _, _ in parts])
    return kept, joined, [error for _, _, bad in parts for error in bad]


def read_all(source: Any, threads: int = 0) -> Iterator[Part]:
    """Read every example of a source in order, in threads."""
    starts = range(0, len(source), CHUNK)
    threads = threads or cores()

    def part(start: int) -> Part:
        return read_some(source, np.arange(start, min(start + CHUNK, len(source))))

    with futures.ThreadPoolExecutor(threads) as pool:
        yield from in_order(pool, part, starts, ahead=2 * threads)


def report(bad: list[BadExample], total: int, complete: bool = True) -> UserError:
    """Make the error that lists bad examples, the first LISTED of them."""
    lines = [f'  {error}' for error in bad[:LISTED]]
    more = len(bad) - len(lines)
    if more > 0:
        lines.append(f'  and {more} more')
    count = f'{len(bad)} of {total}' if complete else f'at least {len(bad)} of {total}'
    return UserError(
        f'{count} examples cannot be used (--config.data.on_error=skip leaves them out):', *lines
    )


def find_bad(source: Any, threads: int = 0, limit: int = sys.maxsize) -> list[BadExample]:
    """Read every example and return the bad ones; stop once there are more than limit."""
    found: list[BadExample] = []
    for _, _, bad in read_all(source, threads):
        found += bad
        if len(found) > limit:
            break
    return found


def find_good(source: Any, threads: int = 0) -> tuple[np.ndarray, list[BadExample]]:
    """Read every example and return the indices of the good ones, and the bad ones."""
    parts = [(good, bad) for good, _, bad in read_all(source, threads)]
    return np.concatenate([g for g, _ in parts]), [error for _, bad in parts for error in bad]


def raise_or_warn(
    bad: list[BadExample], total: int, on_error: str, say: Callable[[str], None]
) -> None:
    """Raise UserError for bad examples, or say how many are left out if on_error is 'skip'."""
    if on_error not in ('raise', 'skip'):
        raise UserError(f"config.data.on_error='{on_error}' is not allowed; raise or skip")
    if not bad:
        return
    if on_error == 'raise' or len(bad) == total:
        raise report(bad, total)
    names = '; '.join(map(str, bad[:3])) + ('; ...' if len(bad) > 3 else '')
    say(f'skipped {len(bad)} of {total} examples: {names}')


def warn(line: str) -> None:
    """Tell the user something on stderr."""
    print(printable(line), file=sys.stderr)
