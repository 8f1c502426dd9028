"""What the members of a run came to, beside each other: a table and a plot."""

import math
import pathlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gan_jax import files
from gan_jax.algorithms.members import Members, of_member, spread
from gan_jax.core.state import TrainState
from gan_jax.training import members
from gan_jax.training.progress import Progress


@dataclass(frozen=True)
class Table:
    """Hold the last numbers of each member.

    titles: of the members; what: the name of what they differ in; at: its value in each; columns:
    of each score a number for each member, nan for those that have none; diverged: the step at
    which each did, or -1; best: which has the best score that the config names, None for none.
    """

    titles: list[str]
    what: str
    at: list[float]
    columns: dict[str, list[float]]
    diverged: list[int]
    best: int | None

    @classmethod
    def of(cls, config: Any, algorithm: Members, state: TrainState, at: Progress) -> 'Table':
        """Return the table of a run's end: metrics where some were measured, else losses."""
        n = algorithm.members
        names = [k for k in at.scalars if any(of_member(m, k) in at.scalars for m in range(n))]
        chosen = [k for k in names if k in at.measured] or [k for k in names if 'loss' in k]
        best = config.checkpoint.best
        chosen += [best] if best in names and best not in chosen else []
        seeds = [config.seed + m for m in range(n)]
        return cls(
            [algorithm.title(m) for m in range(n)],
            algorithm.key or 'seed',
            list(algorithm.values) or seeds,
            {k: [at.scalars.get(of_member(m, k), math.nan) for m in range(n)] for k in chosen},
            np.asarray(state.aux['diverged']).tolist(),
            members.choose(config, None, at.scalars)[0] if best in names else None,
        )

    def text(self) -> str:
        """Return the table, with the mean and its standard error of those that did not diverge."""
        rows = [['', *self.columns]]
        for at, title in enumerate(self.titles):
            step = self.diverged[at]
            said = f'diverged at step {step}' if step >= 0 else 'best' * (at == self.best)
            numbers = [number(column[at]) for column in self.columns.values()]
            rows.append([title, *numbers, said])
        means = [spread(column) for column in self.columns.values()]
        rows.append(['mean', *(number(m) + f' +- {e:.4g}' * math.isfinite(e) for m, e in means)])
        widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(len(rows[0]))]
        lines = [
            '  '.join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
            + ''.join(f'  {said}' for said in row[len(widths) :])
            for row in rows
        ]
        return '\n'.join(line.rstrip() for line in lines)

    def draw(self, path: pathlib.Path) -> None:
        """Draw each score over what the members differ in; raises OSError."""
        names = list(self.columns) or ['']
        figure = Figure(figsize=(6, 3 * len(names)), layout='constrained')
        axes = figure.subplots(len(names), squeeze=False, sharex=True)[:, 0]
        for axis, name in zip(axes, names, strict=True):
            self._panel(axis, name)
        axes[-1].set_xlabel(self.what)
        with files.replacing(path) as temporary:
            figure.savefig(temporary, dpi=100)

    def _panel(self, axis: Axes, name: str) -> None:
        """Draw one score: a point for each member, and means of those of one value."""
        y = np.asarray(self.columns.get(name, [math.nan] * len(self.at)))
        axis.plot(self.at, y, 'o', alpha=0.5)
        places = sorted(set(self.at))
        means = [spread(list(y[np.asarray(self.at) == place])) for place in places]
        if len(places) < len(self.at):
            heights, errors = zip(*means, strict=True)
            axis.errorbar(places, heights, np.nan_to_num(errors), capsize=3)
        if places[0] > 0 and places[-1] >= 10 * places[0] and self.what != 'seed':
            axis.set_xscale('log')
        sound = y[np.isfinite(y)]
        if len(sound) and sound.min() > 0 and sound.max() > 50 * sound.min():
            axis.set_yscale('log')
        axis.set_ylabel(name)
        axis.grid(alpha=0.3)


def number(x: float) -> str:
    """Return a number in four digits, '-' for none."""
    return f'{x:.4g}' if math.isfinite(x) else '-'
