"""Processes that read for this one: deaf to its signals, and gone when it is.

They inherit what this process blocks: from their first instruction on, a signal to the whole group,
as a terminal sends it, reaches this process alone.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator

from gan_jax.runtime.signals import CAUGHT


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Block signals in this thread, and in what it starts: processes, and threads that start some.

    Nothing is lost or late: another thread of the process takes the signal.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, CAUGHT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_signals() -> None:
    """Let this child go on at signals: its parent ends it."""
    for number in CAUGHT:
        signal.signal(number, signal.SIG_IGN)


def end_with_parent() -> None:
    """Let this child end with its parent, however that ends."""
    threading.Thread(target=_wait_and_end, daemon=True).start()


def _wait_and_end() -> None:
    parent = multiprocessing.parent_process()
    assert parent
    parent.join()
    os._exit(1)
