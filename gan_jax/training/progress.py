"""How far a run is, and what it measured last: what a checkpoint keeps beside the networks."""

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from gan_jax.algorithms.members import MEMBER, OF_MEMBERS
from gan_jax.core.state import Mean, Metrics
from gan_jax.errors import UserError

# What a checkpoint keeps of a Progress, under the same names.
KEPT = (
    'images',
    'seconds',
    'scalars',
    'means',
    'owed',
    'measured',
    'logged',
    'symptoms',
    'attempt',
    'regular',
)


class NotFinite(UserError):
    """Tell of numbers of a run that are not finite."""


@dataclasses.dataclass
class Progress:
    """Count steps, images and seconds, and hold the numbers that are shown and saved.

    scalars: the last value of everything measured, by name; means: sums and counts since the last
    log step; owed: whether a signal left out the evaluation of this step; measured: the scalars
    that come of evaluations; fresh: whether they are of this step; logged: the last log step;
    symptoms: for how many log steps each has lasted, and the last one without it; attempt: how
    often the run has gone back; regular: whether more than a signal asked for this checkpoint.
    """

    step: int = 0
    images: int = 0
    seconds: float = 0.0
    scalars: dict[str, float] = dataclasses.field(default_factory=dict)
    means: dict[str, list[Any]] = dataclasses.field(default_factory=dict)
    owed: bool = False
    measured: list[str] = dataclasses.field(default_factory=list)
    fresh: bool = False
    logged: int = 0
    symptoms: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    attempt: int = 0
    regular: bool = True

    @classmethod
    def of(cls, step: int, meta: dict[str, Any]) -> 'Progress':
        """Return the progress that a checkpoint was saved with."""
        return cls(step, **{name: meta[name] for name in KEPT if name in meta})

    def meta(self, means: Metrics) -> dict[str, Any]:
        """Return what a checkpoint keeps, with means that are on the host."""
        kept = {name: getattr(self, name) for name in KEPT}
        sums = {k: [np.asarray(x).tolist() for x in (m.total, m.count)] for k, m in means.items()}
        return kept | {'means': sums}

    def metrics(self) -> Metrics:
        """Return the means since the last log step, to be gone on with."""
        return {k: Mean(*(jnp.asarray(x, jnp.float32) for x in v)) for k, v in self.means.items()}

    def comparable(self) -> dict[str, float]:
        """Return the scalars by which checkpoints are compared.

        A value of another step's networks would let this checkpoint pass for the best.
        """
        stale = () if self.fresh else self.measured
        return {k: v for k, v in self.scalars.items() if k not in stale}

    def names(self) -> list[str]:
        """Return the names of the scalars, but those of single members and of their spread."""
        return [name for name in self.scalars if not name.startswith(OF_MEMBERS)]

    def take(self, values: dict[str, float]) -> None:
        """Take new scalars; of a member that has none any more, the last ones go."""
        for name in [k for k in self.scalars if k.startswith(MEMBER) and k not in values]:
            if name.partition('/')[2] in values:
                del self.scalars[name]
        self.scalars |= values

    def check(self, values: dict[str, float], good: list[int]) -> None:
        """Raise NotFinite where a number is not finite; `good` are the steps that are saved."""
        bad = [k for k, v in values.items() if not math.isfinite(v)]
        if not bad:
            return
        where = f'the newest good checkpoint is of step {good[-1]}' if good else 'none was saved'
        last = ', '.join(f'{k} {v:.4g}' for k, v in self.scalars.items())
        raise NotFinite(
            f'{", ".join(bad)} not finite at step {self.step}; last values: {last or "none"}; '
            f'{where}: a lower optim.*.lr or gradient clipping (optim.*.clip) may help'
        )
