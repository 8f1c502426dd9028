"""A run as its config describes it, and what feeds one phase of it: data and compiled program."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax

from gan_jax import config as configs
from gan_jax import data
from gan_jax.algorithms.protocol import Context, Phase, Procedure
from gan_jax.core import rng
from gan_jax.core.duration import Every
from gan_jax.core.state import Metrics, TrainState, merge
from gan_jax.core.update import zeros
from gan_jax.data import pipeline as pipelines
from gan_jax.runtime import parallel, process
from gan_jax.training import members, memory


class Run(NamedTuple):
    """Hold what a config stands for: data, procedure, root key, and when things are due.

    `key` is an array of those of the members where there are several; `spec` is of the examples as
    networks see them; `examples` reads the data, once for all phases and when it is first called;
    `init` is the algorithm's, traced once for all who call it.
    """

    config: Any
    source: data.Source
    spec: data.Spec
    algorithm: Procedure
    key: jax.Array
    due: dict[str, Every]
    examples: Callable[[], data.DataSet]
    init: Callable[[jax.Array], TrainState]

    def about(self) -> dict[str, Any]:
        """Return what a resumed run is compared with beside the config, as JSON.

        Data and phases must be the same; the machine decides whether the bits are.
        """
        spec = self.source.spec.to_json()
        data = {
            'length': len(self.source),
            'fields': spec['fields'],
            'classes': spec['classes'],
            'content': self.examples().digest,
        }
        machine = {
            'devices': parallel.mesh(self.config.devices).size,
            'fast_math': process.fast_math(),
        }
        phases = [phase._asdict() for phase in self.algorithm.phases()]
        return {'data': data, 'phases': phases, 'machine': machine}


def open_run(config: Any, source: data.Source | None = None) -> Run:
    """Check a config, open its data (or take `source`), and build its algorithm.

    Raises:
      UserError: something in the config, or between it and the data, is wrong.
    """
    config = configs.settled(config)
    configs.check(config)
    for one in members.alone(config):
        configs.validate(one)
    source = source or data.open_source(config.data)
    configs.validate_data(config, source.spec)
    resolved = configs.resolve(config, len(source))
    configs.validate_durations(resolved)
    spec = pipelines.finished(source.spec, config.data)
    algorithm = members.build(config, len(source), spec)
    due = {
        name: Every.parse(config[name].every, f'{name}.every', len(source))
        for name in ('log', 'sample', 'checkpoint', 'eval')
    }
    examples = functools.cache(lambda: data.read(source, config.data))
    key = members.key(config)
    traced = memory.trace(algorithm, key)
    run = Run(config, source, spec, algorithm, key, due, examples, traced.init)
    memory.check(run, traced)
    return run


class PhaseRunner(NamedTuple):
    """Hold what one phase trains with: its data, compiled program, and first batch."""

    phase: Phase
    pipeline: pipelines.Pipeline
    program: parallel.Program
    constants: Any
    preprocess: Callable[[Any], Any]
    example: Any
    zero_metrics: Metrics

    def batches(self) -> Iterator[Any]:
        """Yield batches of training from the first on, as a step sees them."""
        raw = self.pipeline.batches(0)
        try:
            for batch in raw:
                yield self.preprocess(batch)
        finally:
            raw.close()


def open_phase(run: Run, phase: Phase) -> PhaseRunner:
    """Open a phase's data and build its program; compilation comes with the first call."""
    pipeline = members.pipeline(
        run.config,
        run.examples(),
        batch_size=phase.batch_size,
        resolution=phase.resolution or None,
        labelled=bool(configs.classes(run.config)),
    )

    @jax.jit  # so that it is traced once, for the shapes of its metrics and for the program
    def train_step(state, resident, batch, key, value):
        keys = rng.example_keys(
            rng.fold(key, 'data', state.step), jax.tree.leaves(batch)[0].shape[0]
        )
        prepared = pipeline.alone.preprocess(resident, batch, keys)
        return run.algorithm.train_step(state, prepared, Context(key, phase, value))

    def advance(state, constants, batch):
        resident, (key_data, value) = constants
        return train_step(state, resident, batch, rng.wrap(key_data), value)

    def step(carry, constants, batch):
        state, metrics = carry
        state, new = advance(state, constants, batch)
        return state, merge(metrics, new)

    first: Any = pipeline.batches(0)
    example = next(first)
    first.close()
    keys = rng.example_keys(run.key, jax.tree.leaves(example)[0].shape[0])
    state = jax.eval_shape(run.init, run.key)
    config = run.config
    spread = {
        'backend': config.parallel,
        'devices': config.devices,
        'members': members.count(config),
    }
    constants = (pipeline.resident, members.own(run))
    found = parallel.shapes(advance, state, constants, example, **spread)
    program = parallel.program(step, max_steps=config.steps_per_call, **spread)
    constants = parallel.replicate(constants, config.devices)
    finish = jax.jit(pipeline.preprocess)

    def preprocess(batch):
        return finish(constants[0], batch, keys)

    zero = zeros(found[1])
    return PhaseRunner(phase, pipeline, program, constants, preprocess, preprocess(example), zero)
