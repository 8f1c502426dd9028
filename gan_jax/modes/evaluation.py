"""Metrics of a generator, in the loop and of a finished run, with their certificates."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from gan_jax import data
from gan_jax.algorithms.protocol import choose_maker
from gan_jax.core import rng
from gan_jax.core.state import TrainState, digest
from gan_jax.errors import UserError
from gan_jax.kinds import image as pictures
from gan_jax.metrics import certificate, features, sets
from gan_jax.metrics.comparison import Protocol
from gan_jax.metrics.evaluate import Options, check
from gan_jax.metrics.evaluator import Evaluator, SampleFn
from gan_jax.modes import inference


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Hold an evaluator and the algorithm whose averaged generator it draws from."""

    evaluator: Evaluator
    algorithm: Any
    span: str

    def certificates(self, state: TrainState, step: int) -> list[dict[str, Any]]:
        """Return the certificates of a state's metrics."""
        nets = state.nets.values()
        about = {
            'digest': digest(state),
            'step': step,
            'ema': any(net.ema is not None for net in nets),
            'truncation': None,
        }
        return self.evaluator.certificates(self.sampler(state), about)

    def sampler(self, state: TrainState) -> SampleFn:
        """Return the function that draws the images of a batch's number, from a seed."""
        draw = jax.jit(choose_maker(self.algorithm).make, static_argnums=2)

        def sample(seed: int, number: int, n: int, labels: np.ndarray | None) -> np.ndarray:
            key = jax.random.fold_in(rng.root(seed), number)
            return pictures.to_uint8(np.asarray(draw(state, key, n, {}, labels)), self.span)

        return sample


def open_evaluation(config: Any, source: data.Source, algorithm: Any) -> Evaluation | None:
    """Open the evaluation that config.eval describes, against the data of a run; None for none.

    Raises:
      UserError: an unknown metric, too few images for one, or weights that are not to be had.
    """
    node = config.eval
    if not node.metrics:
        return None
    names = [node.metrics] if isinstance(node.metrics, str) else node.metrics
    protocol = Protocol(
        check(name for part in names for name in part.split(',')),
        num=node.num,
        num_real=node.num_real,
        seed=node.seed,
        repeats=node.repeats,
        batch_size=node.batch_size,
        options=Options(),
    )
    extractor = features.make(node.features, node.resize, node.weights)
    name = config.data.dataset or config.data.name
    real = sets.ImageSet(name, config.data.split, source, config.data.range)
    conditional = bool(config.model.get('classes', 0))
    return Evaluation(
        Evaluator(real, extractor, protocol, conditional), algorithm, config.data.range
    )


def evaluate_run(
    workdir: pathlib.Path, step: int | None, changes: Mapping[str, Any], out: pathlib.Path | None
) -> list[dict[str, Any]]:
    """Measure a checkpoint of a run, write the certificates, and return them.

    `changes` replaces keys of the run's config.eval.

    Raises:
      UserError: no such run or checkpoint, or what a metric needs is missing.
    """
    trained = inference.load(workdir, step)
    config = trained.config
    with config.ignore_type():
        config.eval.update(changes)
    if not config.eval.metrics:
        raise UserError('no metrics to evaluate: name some, as in --metrics=fid,kid')
    evaluation = open_evaluation(config, data.open_source(config.data), trained.algorithm)
    assert evaluation
    found = evaluation.certificates(trained.state, trained.step)
    certificate.write(out or workdir / 'evaluations' / f'{trained.step}.json', found)
    return found
