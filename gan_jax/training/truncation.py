"""What truncation trades: precision against recall of a generator as psi pulls w to its mean."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from gan_jax import data, files
from gan_jax.errors import UserError
from gan_jax.metrics import options
from gan_jax.training import inference
from gan_jax.training.evaluation import Evaluation, open_evaluation


class Point(NamedTuple):
    """Hold precision and recall at one psi."""

    psi: float
    precision: float
    recall: float


def curve(
    workdir: pathlib.Path,
    psis: Sequence[float],
    step: int | None = None,
    changes: Mapping[str, Any] | None = None,
    member: int | None = None,
) -> tuple[list[Point], list[dict[str, Any]]]:
    """Measure a checkpoint of a run at each psi; return the points, and all certificates.

    Improved precision and recall (Kynkaanniemi et al. 2019, arXiv:1904.06991). changes: keys of the
    run's config.eval by dotted name, of which `metrics` is not read.

    Raises:
      UserError: the generator has no psi, no such run, or what the metric needs is missing.
    """
    trained = inference.load(workdir, step, member=member)
    config = trained.config
    with config.ignore_type():
        config.eval.update(options.parse(changes or {}, options.of_a_run()))
        config.eval.metrics = ('prdc',)
    for name, maker in trained.algorithm.makers().items():
        if 'psi' not in maker.options:
            raise UserError(f"psi means nothing to '{name}' of {workdir}: its model has no w")
    source = data.open_source(config.data)
    evaluation = open_evaluation(config, source, trained.algorithm)
    assert evaluation
    ((name, measured),) = evaluation.measured.items()
    batches = inference.training_batches(config, source)
    refined = trained.algorithm.refine(trained.state, batches)
    points, certificates = [], []
    for psi in psis:
        at = dataclasses.replace(measured, options={**measured.options, 'psi': psi})
        found = Evaluation({name: at}).certificates(trained.state, trained.step, refined)
        values = {one['metric'].partition('-')[0]: one['value'] for one in found}
        points.append(Point(psi, values['precision'], values['recall']))
        certificates += found
    return points, certificates


def draw(points: Sequence[Point], out: pathlib.Path) -> None:
    """Draw precision against recall, with the psi of each point, in one step."""
    figure = Figure(figsize=(5, 5), layout='constrained')
    axis = figure.subplots()
    axis.plot([p.recall for p in points], [p.precision for p in points], marker='o')
    for point in points:
        axis.annotate(
            f'{point.psi:g}', (point.recall, point.precision), (4, 4), textcoords='offset points'
        )
    axis.set(xlabel='recall', ylabel='precision', xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axis.grid(alpha=0.3)
    with files.replacing(out) as temporary:
        figure.savefig(temporary, dpi=100, format='png')
