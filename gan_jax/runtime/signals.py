"""SIGINT and SIGTERM: one line and an exit code at any moment, and a flag while a run trains.

launch.py comes here before anything else: this imports the standard library alone.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NoReturn

CAUGHT = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 10.0


class Interrupted(BaseException):
    """End the program since a signal came; its text is the line for the user."""

    def __init__(self, signum: int, message: str = ''):
        super().__init__(message or f'stopped by {signal.Signals(signum).name}')
        self.signum = signum


class AtOnce(BaseException):
    """Leave what can be left out, since a signal came."""


class Process:
    """Hold what signals have done to this process.

    launched: whether launch.py started it, so that it may be ended at once; came: the first signal
    of the start, 0 for none; saved: what says what is on disk of the run; leaving: what is called
    before the process is ended at once; status: what the process ends with, once that is known.
    """

    launched = False
    came = 0
    status: int | None = None
    saved: Callable[[], str] | None = None
    leaving: ClassVar[list[Callable[[], None]]] = []


def catch() -> None:
    """End the process at any signal, without a traceback: for imports, which may swallow one."""
    Process.launched = True
    atexit.register(_last)  # the first to be registered is the last to be called
    for number in CAUGHT:
        signal.signal(number, _end)
    usual = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        # A signal that came while jax's own callbacks ran, which pass no exception on.
        if isinstance(unraisable.exc_value, Interrupted):
            leave(str(unraisable.exc_value), 128 + unraisable.exc_value.signum)
        if not isinstance(unraisable.exc_value, AtOnce):
            usual(unraisable)

    sys.unraisablehook = hook


def unwind() -> None:
    """Raise Interrupted at the first signal from here on, so that what is open is cleared away."""
    for number in CAUGHT:
        signal.signal(number, _raise)


def came() -> int:
    """Return the signal that the start was stopped by, 0 for none; what it raised may be lost."""
    return Process.came


def saved() -> str:
    """Return what is on disk of the run that this process trains, and how to go on."""
    return Process.saved() if Process.saved else 'nothing was begun'


def leave(line: str, status: int) -> NoReturn:
    """Print a line on stderr and end the process, whatever its threads are doing."""
    for call in (*Process.leaving, sys.stdout.flush):
        with contextlib.suppress(Exception):
            call()
    with contextlib.suppress(Exception):
        os.write(sys.stderr.fileno(), f'{line}\n'.encode())
    os._exit(status)


def _end(signum: int, frame: Any) -> None:
    leave(str(Interrupted(signum)), 128 + signum)


def _raise(signum: int, frame: Any) -> None:
    Process.came = signum
    for number in CAUGHT:
        signal.signal(number, _end)
    raise Interrupted(signum)


class Stop:
    """Hold the signal that came, 0 for none; calling it returns that."""

    def __init__(self) -> None:
        self.signum = 0
        self.raises = False

    def __call__(self) -> int:
        return self.signum

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Raise AtOnce inside this block as soon as a signal comes."""
        self.raises = True
        try:
            yield
        finally:
            self.raises = False


@contextlib.contextmanager
def stopping(told: Callable[[], str]) -> Iterator[Stop]:
    """Turn the first SIGINT or SIGTERM into a flag.

    A second one ends the process at once, with what `told` says of the run on disk; in a process
    that launch.py has not started it does as it did before.

    Raises:
      Interrupted: a signal came before, and what it raised was swallowed.
    """
    if Process.came:
        raise Interrupted(Process.came)
    stop = Stop()
    Process.saved = told

    def second(signum: int, frame: Any) -> None:
        leave(f'stopped at once: {saved()}', 128 + signum)

    def first(signum: int, frame: Any) -> None:
        stop.signum = signum
        for number, handler in before.items():
            signal.signal(number, second if Process.launched else handler)
        if stop.raises:
            raise AtOnce

    before = {s: signal.signal(s, first) for s in CAUGHT}
    try:
        yield stop
    finally:
        Process.saved = None
        for number, handler in before.items():
            signal.signal(number, handler)


def finish(status: int) -> NoReturn:
    """End the process with a status, which no further signal can change.

    A failure may leave threads behind that never end: they are waited for PATIENCE seconds.
    """
    Process.status = status
    sys.stdout.flush()
    for number in CAUGHT:
        signal.signal(number, lambda *_: os._exit(status))
    if status:
        timer = threading.Timer(PATIENCE, os._exit, (status,))
        timer.daemon = True
        timer.start()
    sys.exit(status)


def _last() -> None:
    """End the process once all that is called at its exit is done.

    What Python would do after that frees what threads of jax may still use: a run that was saved
    once ended in a segmentation fault.
    """
    if Process.status is not None:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(Process.status)
