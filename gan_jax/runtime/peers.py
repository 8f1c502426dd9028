"""Say in one line that another process of the run was lost, where jax would end in a C++ stack.

jax notices in one of two ways: a collective fails with an exception in Python, or the thread that
listens to the coordinator calls abort(), after some sixty lines on stderr.
"""

import atexit
import contextlib
import ctypes
import logging
import os
import re
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator

from gan_jax.runtime import signals

STATUS = 3
# What libraries write to stderr is shown so many seconds later.
DELAY = 1.0
# Words of what gloo, NCCL and the coordinator say of another process.
SIGNS = re.compile(
    'gloo|nccl|connection|socket|heartbeat|barrier|unhealthy|another task died|unavailable'
    '|deadline_exceeded|aborted|cancelled',
    re.IGNORECASE,
)


def lost() -> None:
    """End this process, with the line that says so."""
    signals.leave(f'a process of the run was lost: {signals.saved()}', STATUS)


@contextlib.contextmanager
def noticed() -> Iterator[None]:
    """End the process where a run of several fails inside this block since another was lost."""
    try:
        yield
    except Exception as error:
        if Watch.one and SIGNS.search(f'{error} {error.__cause__}'):
            lost()
        raise


class Watch:
    """Hold back what libraries write to stderr, and end at abort() with a line of our own.

    What aborts for another reason, such as a damaged heap, does so as ever.
    """

    one: 'Watch | None' = None

    def __init__(self) -> None:
        Watch.one = self
        self.held: list[tuple[float, bytes]] = []
        self.stderr, (self.pipe, end) = os.dup(2), os.pipe()
        self._move_python()
        os.dup2(end, 2)
        os.close(end)
        threading.Thread(target=self._relay, daemon=True).start()
        atexit.register(self.show)
        # Python's own handlers wait for the main thread, and abort() for nobody.
        self.handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(self._aborted)
        self.libc = ctypes.CDLL(None)
        self.libc.signal(int(signal.SIGABRT), self.handler)

    def _move_python(self) -> None:
        """Let Python itself write to the stderr that there was."""
        before, sys.stderr = sys.stderr, os.fdopen(self.stderr, 'w', buffering=1)
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is before:
                handler.setStream(sys.stderr)

    def _relay(self) -> None:
        while True:
            if select.select([self.pipe], [], [], DELAY / 4)[0]:
                self.held.append((time.monotonic(), os.read(self.pipe, 2**16)))
            self.show(time.monotonic() - DELAY)

    def show(self, until: float = float('inf')) -> None:
        """Write what came until a time."""
        while self.held and self.held[0][0] <= until:
            os.write(self.stderr, self.held.pop(0)[1])

    def _aborted(self, signum: int) -> None:
        time.sleep(DELAY / 4)  # until all is read
        if SIGNS.search(b''.join(text for _, text in self.held).decode(errors='replace')):
            lost()
        self.show()
        self.libc.signal(signum, None)
