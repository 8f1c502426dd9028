"""Batches as a pure function of (seed, position): resident on the device, or streamed by Grain."""

import dataclasses
import functools
import os
from collections.abc import Generator, Mapping
from typing import Any

import grain
import jax
import numpy as np
from absl import flags

from gan_jax import kinds
from gan_jax.core import rng
from gan_jax.data.order import positions
from gan_jax.data.preparation import audit
from gan_jax.data.protocol import BadExample, Example, Spec, load
from gan_jax.data.reading import DataSet, Stream, check_labels, read
from gan_jax.errors import UserError
from gan_jax.runtime import children

Batches = Generator[Example, None, None]

# batches that wait in memory are kept below this
BUFFER_BYTES = 2**28


@dataclasses.dataclass(frozen=True)
class Loader:
    """Map the number of a batch to the rows that this process reads; picklable."""

    streams: tuple[Stream, ...]
    seed: int
    position: int
    batch_size: int
    first: int
    rows: int
    labelled: bool

    def indices(self, number: int) -> dict[str, np.ndarray]:
        """Return {index name: int32 [rows]} of the batch of a number."""
        start = self.position + number * self.batch_size + self.first
        return {
            s.key: positions(len(s.source), self.seed, start, self.rows, s.name).astype(np.int32)
            for s in self.streams
        }

    def load(self, number: int) -> Example:
        """Read the batch of a number; raises BadExample."""
        where = self.indices(number)
        batch: Example = {}
        for stream in self.streams:
            batch |= stream.named(load(stream.source, where[stream.key]))
        if self.labelled:
            check_labels(batch)
        return batch


class Pipeline:
    """Deliver batches from any position, and finish them on the device.

    resident: the whole set as numpy arrays, for `preprocess` to gather from, or None where batches
    carry the images themselves. spec: of the prepared images. len(): the examples of one epoch.
    """

    def __init__(self, examples: DataSet, config: Mapping[str, Any], batch_size: int, seed: int,
                 height: int | None, process: int, processes: int, labelled: bool):  # fmt: skip
        self.streams = examples.streams
        self.source_spec = examples.spec
        self.spec = finished(examples.spec, config, height)
        self.height = height
        self.config = dict(config)
        self.batch_size = batch_size
        self.seed = seed
        self.resident = examples.resident
        self.labelled = labelled
        self.rows = batch_size // processes
        self.first = process * self.rows

    def __len__(self) -> int:
        return max(len(stream.source) for stream in self.streams)

    def loader(self, position: int) -> Loader:
        """Return the function from batch numbers to batches, counted from a position."""
        return Loader(
            self.streams, self.seed, position, self.batch_size, self.first, self.rows, self.labelled
        )

    def batches(self, position: int) -> Batches:
        """Yield this process's part of the batches from a position (in images) on, endlessly.

        The iterator has .close(). Batches are numpy: images [rows, H, W, C] as the source has
        them and labels int32 [rows], or only indices int32 [rows] for a resident set. Raises
        UserError with the list of bad examples.
        """
        if self.resident is not None:
            return self.pick(position)
        return self.stream(position)

    def pick(self, position: int) -> Batches:
        """Yield the indices of batches."""
        loader = self.loader(position)
        number = 0
        while True:
            yield loader.indices(number)
            number += 1

    def stream(self, position: int) -> Batches:
        """Yield batches that Grain's threads, and workers if there are any, read ahead."""
        iterator = iter(self.dataset(position))
        try:
            while True:
                try:
                    # Grain starts workers when they are first asked.
                    with children.starting():
                        batch = next(iterator)
                except BadExample:
                    raise self.all_bad() from None
                yield batch
        finally:
            iterator.close()

    def dataset(self, position: int) -> grain.IterDataset:
        """Return the Grain data set of batches from a position on."""
        workers = self.config['workers']
        threads = self.config['threads'] or audit.cores()
        size = self.source_spec.nbytes * self.rows
        ahead = max(2, min(2 * threads, BUFFER_BYTES // size))
        options = grain.ReadOptions(min(threads, ahead), ahead)
        batches = grain.MapDataset.range(2**40).map(self.loader(position).load)
        read = batches.to_iter_dataset(options)
        if not workers:
            return read
        if not flags.FLAGS.is_parsed():
            # Grain asks absl's flags, which only a program's own start parses
            flags.FLAGS.mark_as_parsed()
        return read.mp_prefetch(
            grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2),
            worker_init_fn=set_up_worker,
        )

    def all_bad(self) -> UserError:
        """Read everything once to list what is bad."""
        bad: list[BadExample] = []
        for stream in self.streams:
            bad += audit.find_bad(stream.source, self.config['threads'], audit.LISTED)
        total = sum(len(stream.source) for stream in self.streams)
        return audit.report(bad, total, len(bad) <= audit.LISTED)

    @property
    def alone(self) -> 'Pipeline':
        """Return what finishes the batches of one run, where there are those of several."""
        return self

    def preprocess(self, resident: Any, batch: Any, keys: jax.Array | None) -> dict[str, jax.Array]:
        """Finish a batch on the device: gather, and what each field's kind does; pure.

        keys: one per example, typed [b]; None where nothing is random. Returns every field, as
        `spec` says.
        """
        done: dict[str, jax.Array] = {}
        for stream in self.streams:
            for name in stream.names.values():
                part = batch if resident is None else resident
                values = part[name] if resident is None else part[name][batch[stream.key]]
                done[name] = self.finish(values, stream.name, name, keys)
        return done

    def finish(
        self, values: jax.Array, stream: str, name: str, keys: jax.Array | None
    ) -> jax.Array:
        """Turn raw values [b, ...] into network input; fields of one stream draw alike."""

        field = self.source_spec.fields[name]
        kind = kinds.find(field.kind)
        draw = None if keys is None else functools.partial(drawn, keys, stream, name)
        values = kind.preprocess(values, field, draw, self.config)
        return kind.resize(values, self.height) if self.height else values


def drawn(keys: jax.Array, stream: str, name: str, purpose: str, alike: bool) -> jax.Array:
    """Return the keys [b] of a purpose, of one field or alike for all fields of a stream."""
    return rng.split_each(keys, f'{purpose} {stream if alike else name}')


def set_up_worker(worker: int, workers: int) -> None:
    """Keep a worker process away from accelerators and signals: it only reads."""
    del worker, workers
    os.environ['JAX_PLATFORMS'] = 'cpu'
    children.ignore_signals()
    children.end_with_parent()


def finished(spec: Spec, config: Mapping[str, Any], height: int | None = None) -> Spec:
    """Return the spec of examples as networks see them, pooled to a height if there is one.

    Raises:
      UserError: a transform, a range or the height does not go with the data.
    """
    fields = kinds.finished(spec.fields, config)
    if height:
        resized = {n: f for n, f in fields.items() if f.kind not in ('label', 'value')}
        fields |= {n: kinds.find(f.kind).resized(f, height) for n, f in resized.items()}
    return dataclasses.replace(spec, fields=fields)


def check(config: Mapping[str, Any], batch_size: int, processes: int) -> None:
    """Raise UserError for values that no pipeline can have."""
    if batch_size < 1 or batch_size % processes:
        raise UserError(f'config.batch_size={batch_size} does not divide by {processes} processes')
    for key in ('workers', 'threads', 'device_cache_mb'):
        if config[key] < 0:
            raise UserError(f'config.data.{key}={config[key]} is negative')


def make(
    source: Any,
    config: Mapping[str, Any],
    *,
    batch_size: int,
    seed: int,
    resolution: int | None = None,
    labelled: bool = False,
    process: int | None = None,
    processes: int | None = None,
) -> Pipeline:
    """Build the pipeline of a source, or of one that `read` has read.

    batch_size: of all processes together; resolution: the height that images are pooled to, None
    for their own; labelled: refuse labels of -1; process, processes: this process's place, jax's
    own by default. Raises UserError for bad values, and for bad examples of a set that is read at
    once.
    """
    process = jax.process_index() if process is None else process
    processes = jax.process_count() if processes is None else processes
    check(config, batch_size, processes)
    examples = source if isinstance(source, DataSet) else read(source, config)
    if labelled and examples.resident is not None:
        check_labels(examples.resident)
    return Pipeline(examples, config, batch_size, seed, resolution, process, processes, labelled)
