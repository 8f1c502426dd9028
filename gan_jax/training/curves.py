"""Draw the curves of a run: losses, discriminator accuracy, gradient norms."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gan_jax import files
from gan_jax.algorithms.members import OF_MEMBERS
from gan_jax.training import writers

Lines = Sequence[dict[str, Any]]

# One panel per kind of scalar: its title, and which names belong to it.
PANELS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ('loss', lambda name: 'loss' in name),
    ('discriminator accuracy', lambda name: 'acc' in name),
    ('gradient norm', lambda name: 'grad' in name),
)


def loss_curves(metrics: writers.Path, out: writers.Path) -> None:
    """Draw the scalars of a file of JSON lines into a picture, in one step.

    The abscissa is `images` where the lines have it, else `step`. A panel is logarithmic where all
    its values are positive and range over more than a factor of fifty; panels without scalars are
    left out. Needs no display. Raises OSError where a file cannot be read or written.
    """
    lines = writers.read_lines(metrics)
    names = [
        name
        for name in dict.fromkeys(name for line in lines for name in line)
        if not name.startswith(OF_MEMBERS)
    ]
    chosen = [(title, [name for name in names if belongs(name)]) for title, belongs in PANELS]
    chosen = [(title, some) for title, some in chosen if some] or [('loss', [])]
    figure = Figure(figsize=(8, 3 * len(chosen)), layout='constrained')
    axes = figure.subplots(len(chosen), squeeze=False, sharex=True)[:, 0]
    x = 'images' if 'images' in names else 'step'
    for axis, (title, some) in zip(axes, chosen, strict=True):
        _panel(axis, lines, x, title, some)
    axes[-1].set_xlabel(x)
    with files.replacing(out) as temporary:
        figure.savefig(temporary, dpi=100)


def _panel(axis: Axes, lines: Lines, x: str, title: str, names: Sequence[str]) -> None:
    """Draw some scalars into one panel; a value that was not finite leaves a gap."""
    values: list[float] = []
    for name in names:
        # Evaluations are lines of their own, and no gaps in what others hold.
        there = [line for line in lines if name in line and line.get(x) is not None]
        points = [(line[x], line[name]) for line in there]
        heights = [y if isinstance(y, int | float) else math.nan for _, y in points]
        axis.plot([at for at, _ in points], heights, label=name.replace('$', r'\$'), linewidth=1)
        values += [y for y in heights if math.isfinite(y)]
    axis.set_ylabel(title)
    if 'accuracy' in title:
        axis.set_ylim(-0.02, 1.02)
    elif values and min(values) > 0 and max(values) > 50 * min(values):
        axis.set_yscale('log')
    axis.grid(alpha=0.3)
    if names:
        axis.legend(fontsize='small')
