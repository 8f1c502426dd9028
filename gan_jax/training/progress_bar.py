"""A progress bar: the writer of reports that shows how far a run is."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import numpy as np
import tqdm

from gan_jax.algorithms.members import OF_MEMBERS
from gan_jax.errors import printable


def duration(seconds: float) -> str:
    """Return seconds as h:mm:ss, or m:ss below an hour."""
    minutes, seconds = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02d}:{seconds:02d}' if hours else f'{minutes}:{seconds:02d}'


def is_loss(name: str) -> bool:
    """Tell whether a scalar is shown beside the bar: losses are, but those of single members."""
    return 'loss' in name and not name.startswith(OF_MEMBERS)


class ProgressBar:
    """Show how far a run is: a bar on a terminal, elsewhere one plain line a log step."""

    def __init__(
        self,
        total: int,
        step: int = 0,
        *,
        stream: TextIO | None = None,
        show: Callable[[str], bool] = is_loss,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Start at `step` of `total`. `show` chooses the scalars by name."""
        self._stream = sys.stdout if stream is None else stream
        self._total, self._show, self._clock = total, show, clock
        self._first = (step, clock())
        self._timed = False
        self._bar = None
        if self._stream.isatty():
            self._bar = tqdm.tqdm(
                total=total, initial=step, file=self._stream, unit='step', dynamic_ncols=True
            )

    def advance(self, step: int) -> None:
        """Move the bar; costs next to nothing between log steps."""
        if self._bar is not None and step > self._bar.n:
            self._bar.update(step - self._bar.n)

    def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Show the step, images a second (scalar 'images_per_second'), losses and time left."""
        shown = []
        if 'images_per_second' in scalars:
            shown.append(f'{float(scalars["images_per_second"]):,.0f} images/s')
        shown += [
            f'{name} {float(value):.4g}' for name, value in scalars.items() if self._show(name)
        ]
        if self._bar is not None:
            self.advance(step)
            self._bar.set_postfix_str('  '.join(shown))
            return
        left = self._left(step)
        shown = [f'step {step}/{self._total}', *shown, *([f'{left} left'] if left else [])]
        print('  '.join(shown), file=self._stream, flush=True)

    def _left(self, step: int) -> str:
        """Return the time left, by the rate since the first report: compilation came before it."""
        first, began = self._first
        now = self._clock()
        if not self._timed:
            self._first, self._timed = (step, now), True
        if step <= first:
            return ''
        return duration((self._total - step) * (now - began) / (step - first))

    def write_images(self, step: int, name: str, picture: np.ndarray) -> None:
        """Ignore pictures."""

    def say(self, text: str) -> None:
        """Print a line without tearing the bar."""
        if self._bar is not None:
            self._bar.write(printable(text), file=self._stream)
        else:
            print(printable(text), file=self._stream, flush=True)

    def close(self) -> None:
        """Leave the bar as it is and end its line."""
        if self._bar is not None:
            self._bar.close()
