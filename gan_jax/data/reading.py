"""Read a set once, for all phases of a run: whole where it is small, else what is bad in it."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from gan_jax.data import content
from gan_jax.data.preparation import audit
from gan_jax.data.protocol import BadExample, Example, Spec, Subset
from gan_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Stream:
    """One source that is shuffled alone.

    name is '' for the only one, whose fields keep their names; of others the main field is called
    so, and the rest 'NAME_FIELD'.
    """

    name: str
    source: Any

    @property
    def key(self) -> str:
        """Return the name of this stream's indices in a resident batch."""
        return f'index_{self.name}' if self.name else 'index'

    @property
    def names(self) -> dict[str, str]:
        """Return the name in a batch of each field of the source."""
        spec = self.source.spec
        if not self.name:
            return {field: field for field in spec.fields}
        return {f: self.name if f == spec.main else f'{self.name}_{f}' for f in spec.fields}

    def named(self, example: Example) -> Example:
        """Rename the fields of an example for a batch."""
        return {name: example[field] for field, name in self.names.items()}


@dataclasses.dataclass(frozen=True)
class DataSet:
    """Hold a source that was read: its streams without bad examples, and its arrays if resident.

    resident: every field of every example by its name in a batch, None for a set that is streamed;
    spec: with the unknown labels counted where the set is resident.
    """

    source: Any
    streams: tuple[Stream, ...]
    spec: Spec
    resident: Example | None

    @functools.cached_property
    def digest(self) -> str:
        """Return `gan_jax.data.digest` of the source, of what was read already."""
        arrays = None
        if self.resident is not None:
            arrays = {
                s.name: {f: self.resident[name] for f, name in s.names.items()}
                for s in self.streams
            }
        return content.digest(self.source, arrays)


def read(source: Any, config: Mapping[str, Any]) -> DataSet:
    """Read a source as config.data asks for: whole up to device_cache_mb, without bad examples.

    Raises:
      UserError: with the list of bad examples, unless on_error is 'skip'.
    """
    parts = getattr(source, 'streams', None) or {'': source}
    streams = tuple(Stream(name, part) for name, part in parts.items())
    size = sum(len(s.source) * s.source.spec.nbytes for s in streams)
    whole = size <= config['device_cache_mb'] * 2**20
    resident: Example = {}
    settled = []
    for stream in streams:
        n, on_error = len(stream.source), config['on_error']
        good: np.ndarray = np.arange(n)
        bad: list[BadExample] = []
        if whole:
            arrays, good, bad = fill(stream, config['threads'])
            resident |= arrays
        elif on_error == 'skip':
            good, bad = audit.find_good(stream.source, config['threads'])
        audit.raise_or_warn(bad, n, on_error, audit.warn)
        settled.append(Stream(stream.name, Subset(stream.source, good) if bad else stream.source))
    fields = {name: s.source.spec.fields[f] for s in streams for f, name in s.names.items()}
    spec = dataclasses.replace(source.spec, fields=fields)
    if 'label' in resident:
        spec = dataclasses.replace(spec, unknown=int((resident['label'] < 0).sum()))
    return DataSet(source, tuple(settled), spec, resident if whole else None)


def fill(stream: Stream, threads: int) -> tuple[Example, np.ndarray, list[BadExample]]:
    """Read a whole source: return (arrays [N, ...], the good indices, the bad examples)."""
    n = len(stream.source)
    arrays: Example = {}
    done, kept, bad = 0, [], []
    for good, batch, wrong in audit.read_all(stream.source, threads):
        bad += wrong
        kept.append(good)
        for name, values in stream.named(batch).items() if batch is not None else ():
            if name not in arrays:
                arrays[name] = np.empty((n, *values.shape[1:]), values.dtype)
            arrays[name][done : done + len(good)] = values
        done += len(good)
    return {k: v[:done] for k, v in arrays.items()}, np.concatenate(kept), bad


def check_labels(batch: Example) -> None:
    """Raise UserError where a label is unknown, for whoever cannot use such examples."""
    unknown = int((batch['label'] < 0).sum())
    if unknown:
        raise UserError(
            f'{unknown} of {len(batch["label"])} labels are unknown (-1), but the model needs them'
        )
