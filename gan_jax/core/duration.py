"""Durations as people write them: '200kimg', '30ep', '5000st', or a bare number of steps."""

import re
from typing import NamedTuple

from gan_jax.errors import UserError

UNITS = {'img': 1, 'kimg': 1_000, 'Mimg': 1_000_000}
PATTERN = re.compile(r'(\d+(?:\.\d+)?)\s*(st|ep|img|kimg|Mimg)?')
# Steps and images are counted in int32.
MOST = 2**31 - 1


class Duration(NamedTuple):
    """Hold an amount and its unit: 'st' (steps), 'ep' (epochs), or 'img' (images)."""

    amount: float
    unit: str

    @classmethod
    def parse(cls, value: str | int, what: str = 'duration') -> 'Duration':
        """Read a duration; raise UserError naming `what` where it is not one, or above MOST."""
        match = PATTERN.fullmatch(str(value).strip())
        if not match:
            raise UserError(
                f'{what}={value!r} is not a duration: write a number of steps, or a number with '
                "one of the units 'st', 'ep', 'img', 'kimg', 'Mimg', such as '200kimg'"
            )
        unit = match[2] or 'st'
        amount = float(match[1]) * UNITS.get(unit, 1)
        if amount > MOST:
            raise UserError(f'{what}={value!r} is too long: at most {MOST} steps or images count')
        return cls(amount, 'img' if unit in UNITS else unit)

    def images(self, batch_size: int, epoch: int) -> int:
        """Return the duration in images, for a batch size and an epoch's number of images."""
        return round(self.amount * {'st': batch_size, 'ep': epoch, 'img': 1}[self.unit])


class Every(NamedTuple):
    """Say when something periodic is due: each `period` steps, or each `period` images."""

    period: int
    in_steps: bool

    @classmethod
    def parse(cls, value: str | int, what: str, epoch: int) -> 'Every':
        """Read a period; 0 is never."""
        duration = Duration.parse(value, what)
        return cls(duration.images(1, epoch), duration.unit == 'st')

    def due(self, step: int, images: int, batch_size: int) -> bool:
        """Return whether the step that ended at (step, images) crossed a multiple of the period."""
        if not self.period:
            return False
        now, before = (step, step - 1) if self.in_steps else (images, images - batch_size)
        return now // self.period > before // self.period

    def steps_left(self, step: int, images: int, batch_size: int) -> int | float:
        """Return how many more steps it takes until it is due next."""
        if not self.period:
            return float('inf')
        if self.in_steps:
            return self.period - step % self.period
        return -(-(self.period - images % self.period) // batch_size)

    def steps(self, batch_size: int) -> int:
        """Return the period in steps of a batch size, 0 for never."""
        return self.period if self.in_steps else -(-self.period // batch_size)
