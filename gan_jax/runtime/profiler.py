"""A trace of some steps of a run, for TensorBoard's profile plugin or ui.perfetto.dev."""

import pathlib
import re
from typing import Any

import jax

from gan_jax.errors import UserError


class Profile:
    """Trace the steps of `span`, 'START:STOP' counted from 0, into a folder; '' for none.

    Raises:
      UserError: the span is not two whole numbers, the first the smaller.
    """

    def __init__(self, span: str, folder: pathlib.Path):
        match = re.fullmatch(r'(\d+):(\d+)', span)
        if span and not (match and int(match[1]) < int(match[2])):
            raise UserError(
                f'profile={span!r} is not allowed: write START:STOP in steps, START below STOP, '
                "such as '100:110'"
            )
        self.edges = (int(match[1]), int(match[2])) if match else ()
        self.folder = folder
        self.tracing = False

    def steps_left(self, step: int) -> int | float:
        """Return how many steps may run in one call, so that the trace starts and stops in time."""
        return min((edge - step for edge in self.edges if edge > step), default=float('inf'))

    def at(self, step: int, carry: Any = None) -> None:
        """Start or stop where that is due before a step; `carry` is what the last one returned."""
        if not self.edges:
            return
        inside = self.edges[0] <= step < self.edges[1]
        if inside and not self.tracing:
            jax.block_until_ready(carry)
            jax.profiler.start_trace(str(self.folder))
            self.tracing = True
        if not inside and self.tracing:
            jax.block_until_ready(carry)
            self.close()

    def close(self) -> None:
        """Write the trace, if one is being made."""
        if self.tracing:
            jax.profiler.stop_trace()
            self.tracing = False
            print(f'trace in {self.folder}: TensorBoard and ui.perfetto.dev open it', flush=True)
