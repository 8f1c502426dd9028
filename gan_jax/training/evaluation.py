"""Metrics of what a procedure makes, in the loop and of a finished run, with their certificates."""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from gan_jax import config as configs
from gan_jax import data
from gan_jax.algorithms.protocol import Maker, Procedure, maker_options
from gan_jax.core import keys, nodes, rng
from gan_jax.core.assignments import assignments
from gan_jax.core.state import TrainState, digest
from gan_jax.data.protocol import load
from gan_jax.errors import UserError
from gan_jax.kinds.image import scale
from gan_jax.metrics import certificate, options, sets
from gan_jax.metrics.comparison import GENERATED, Given, SampleFn, compare_generator
from gan_jax.metrics.evaluators.protocol import Walk
from gan_jax.metrics.measurement import Protocol, Reference
from gan_jax.training import inference


@dataclasses.dataclass(frozen=True)
class Measured:
    """Hold one thing that a procedure makes, the real examples of its field, and its options."""

    maker: Maker
    source: data.Source
    reference: Reference
    options: Mapping[str, Any]
    labelled: bool

    def certificates(self, state: TrainState, about: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the certificates of a state's metrics."""
        chosen = {k: v for k, v in self.options.items() if v is not None}
        about = {**about, 'options': chosen or None}
        size = self.reference.protocol.batch_size
        walk = Walk(self.maker.spaces, state, self.options, self.reference.set.range, size)
        return compare_generator(
            self.reference, self.sampler(state), about, self.labelled, walk, self.origin
        )

    @property
    def origin(self) -> Given | None:
        """What the maker's examples are made from, where it reads real fields."""
        if not self.maker.given:
            return None
        (source, _), *_ = (of_field(self.source, name) for name in self.maker.given)
        together = source is of_field(self.source, self.maker.field)[0]
        places = functools.partial(shuffled, len(source))
        return Given(len(source), places if together else None)

    def sampler(self, state: TrainState) -> SampleFn:
        """Return the function that makes the images of a batch's number, from a seed."""
        span = self.reference.set.range
        make = jax.jit(self.maker.make, static_argnums=2, static_argnames=tuple(self.options))

        def sample(seed: int, number: int, n: int, labels: np.ndarray | None) -> np.ndarray:
            key = jax.random.fold_in(rng.root(seed), number)
            made = make(state, key, n, self.given(seed, number, n), labels, **self.options)
            return sets.to_uint8(np.asarray(made), span)

        return sample

    def given(self, seed: int, number: int, n: int) -> dict[str, jax.Array]:
        """Return the real fields that the maker reads, in an order that the seed shuffles."""
        if not self.maker.given:
            return {}
        span, found = self.reference.set.range, {}
        for name in self.maker.given:
            source, field = of_field(self.source, name)
            batch = load(source, shuffled(len(source), seed, n * (number + 1))[number * n :])
            found[name] = scale(jax.numpy.asarray(batch[field]), span)
        return found


def shuffled(size: int, seed: int, n: int) -> np.ndarray:
    """Return the places of n examples of a set, in an order of the seed, which begins again."""
    return np.random.default_rng(seed).permutation(size)[np.arange(n) % size]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Hold what is measured of a procedure, by the names of its makers."""

    measured: Mapping[str, Measured]

    def of(self, procedure: Procedure) -> 'Evaluation':
        """Return the same for what another procedure of the same makers produces."""
        makers = procedure.makers()
        return Evaluation(
            {k: dataclasses.replace(one, maker=makers[k]) for k, one in self.measured.items()}
        )

    def certificates(
        self, state: TrainState, step: int, refined: TrainState | None = None
    ) -> list[dict[str, Any]]:
        """Return the certificates of a state; of several makers each has its name before it.

        refined: the state to measure, where the procedure's `refine` makes another of it.
        """
        about = {
            'digest': digest(state),
            'step': step,
            'ema': any(net.ema is not None for net in state.nets.values()),
        }
        found = []
        for name, measured in self.measured.items():
            prefix = f'{name}/' if len(self.measured) > 1 else ''
            for one in measured.certificates(refined or state, {**about, 'maker': name}):
                found.append({**one, 'metric': prefix + one['metric']})
        return found


def of_field(source: data.Source, field: str) -> tuple[data.Source, str]:
    """Return the source of one field: a stream of its own where the source has several."""
    streams: Mapping[str, data.Source] = getattr(source, 'streams', {})
    return (streams[field], streams[field].spec.main) if field in streams else (source, field)


def open_evaluation(config: Any, source: data.Source, procedure: Procedure) -> Evaluation | None:
    """Open the evaluation that config.eval describes; None where it names no metric.

    The references are of config.eval.split, or of `source`, which a run trains on.

    Raises:
      UserError: an unknown metric, too few images for one, or weights that are not to be had.
    """
    node = config.eval
    if not node.metrics:
        return None
    makers = procedure.makers()
    if not makers:
        raise UserError(f'algorithm={config.algorithm!r} makes nothing that metrics could measure')
    given = {**node, 'metrics': options.split(node.metrics), 'options': options.split(node.options)}
    nodes.check({**options.of_a_run(), 'every': keys.period('0st', '')}, given, 'eval.')
    protocol = Protocol.of(node)
    extractor = protocol.extractor(node, inference.load)
    split = node.split or config.data.get('split', '')
    if node.split:
        source = data.open_split(config.data, split)
    chosen = maker_options(makers, assignments(node.options, 'eval.options'), 'eval.options')
    measured = {}
    for name, maker in makers.items():
        part, field = of_field(source, maker.field)
        title = config.data.get('dataset') or config.data.name
        real = sets.ImageSet.of(title, split, part, config.data.range, field)
        reference = Reference(real, extractor, protocol)
        labelled = bool(configs.classes(config))
        one = measured[name] = Measured(maker, source, reference, chosen[name], labelled)
        origin = one.origin
        count = protocol.num or (origin.size if origin else GENERATED)
        paired = origin is not None and origin.partners is not None
        protocol.check(len(reference.indices), count, maker.spaces, paired)
    return Evaluation(measured)


def evaluate_run(
    workdir: pathlib.Path,
    step: int | None,
    changes: Mapping[str, Any],
    out: pathlib.Path | None,
    member: int | None = None,
) -> list[dict[str, Any]]:
    """Measure a checkpoint of a run, write the certificates, and return them.

    `changes` replaces keys of the run's config.eval, by their dotted names.

    Raises:
      UserError: no such run or checkpoint, or what a metric needs is missing.
    """
    trained = inference.load(workdir, step, member=member)
    config = trained.config
    with config.ignore_type():
        config.eval.update(options.parse(changes, options.of_a_run()))
    if not config.eval.metrics:
        raise UserError('no metrics to evaluate: name some, as in --metrics=fid,kid')
    source = data.open_source(config.data)
    evaluation = open_evaluation(config, source, trained.algorithm)
    assert evaluation
    refined = trained.algorithm.refine(trained.state, inference.training_batches(config, source))
    found = evaluation.certificates(trained.state, trained.step, refined)
    name = f'{trained.step}' if member is None else f'{trained.step}-member_{member}'
    certificate.write(out or workdir / 'evaluations' / f'{name}.json', found)
    return found
