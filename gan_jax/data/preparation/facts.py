"""What is worth knowing about a set: counts, sizes, mean and deviation, and what is bad."""

import collections
import dataclasses
from typing import Any

import numpy as np

from gan_jax.data.preparation import shards
from gan_jax.data.preparation.audit import read_some
from gan_jax.data.protocol import Example, Spec

JSON = dict[str, Any]
# Of facts as JSON.
FORM = {
    'count': int,
    'bad': [[str]],
    'sizes': {str: int},
    'labels': {str: int},
    'pixels': {str: int},
    'totals': {str: [float]},
    'squares': {str: [float]},
}


@dataclasses.dataclass
class Facts:
    """Sums over examples, whole numbers where pixels are, so that their order has no effect."""

    count: int = 0
    bad: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    sizes: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    labels: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    pixels: dict[str, int] = dataclasses.field(default_factory=dict)
    totals: dict[str, list] = dataclasses.field(default_factory=dict)
    squares: dict[str, list] = dataclasses.field(default_factory=dict)

    def add(self, batch: Example, spec: Spec) -> None:
        """Count a batch in."""
        self.count += len(next(iter(batch.values())))
        self.labels.update(str(n) for n in batch.get('label', np.zeros(0, int)).tolist())
        for name in spec.images:
            exact = np.uint64 if spec.fields[name].dtype.startswith('u') else np.float64
            values = batch[name].reshape(-1, batch[name].shape[-1]).astype(exact)
            self.pixels[name] = self.pixels.get(name, 0) + len(values)
            for sums, new in ((self.totals, values), (self.squares, values * values)):
                before = sums.get(name, [0] * values.shape[1])
                sums[name] = [a + b for a, b in zip(before, new.sum(axis=0).tolist(), strict=True)]

    def merge(self, other: 'Facts') -> None:
        """Add the sums over other examples."""
        self.count += other.count
        self.bad += other.bad
        self.sizes += other.sizes
        self.labels += other.labels
        for name, n in other.pixels.items():
            self.pixels[name] = self.pixels.get(name, 0) + n
        for mine, theirs in ((self.totals, other.totals), (self.squares, other.squares)):
            for name, sums in theirs.items():
                before = mine.get(name, [0] * len(sums))
                mine[name] = [a + b for a, b in zip(before, sums, strict=True)]

    def moments(self) -> JSON:
        """Return the mean and standard deviation of each channel of each image, in its units."""
        out: JSON = {}
        for name, n in self.pixels.items():
            mean = [t / n for t in self.totals[name]]
            square = [s / n for s in self.squares[name]]
            deviation = [max(0.0, s - m * m) ** 0.5 for s, m in zip(square, mean, strict=True)]
            out[name] = {'mean': mean, 'std': deviation}
        return out

    def to_json(self) -> JSON:
        """Return the facts as JSON."""
        # dataclasses.asdict would make a Counter of pairs
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    @classmethod
    def from_json(cls, data: JSON) -> 'Facts':
        """Return the facts that to_json wrote."""
        counters: JSON = {k: collections.Counter(data[k]) for k in ('sizes', 'labels')}
        counters['bad'] = [(name, reason) for name, reason in data['bad']]
        return cls(**{**data, **counters})


@dataclasses.dataclass
class Part:
    """A read part of a source: its facts and its records, in order."""

    facts: Facts
    records: list[bytes]


def read_part(source: Any, start: int, stop: int, keep: bool) -> Part:
    """Read examples start..stop-1 of a source; keep their records if wanted."""
    good, batch, bad = read_some(source, np.arange(start, stop))
    facts = Facts(bad=[(e.name, e.reason) for e in bad])
    original = getattr(source, 'original', None)
    if original is not None:
        facts.sizes.update(f'{h}x{w}' for h, w in map(original, good.tolist()))
    if batch is None:
        return Part(facts, [])
    facts.add(batch, source.spec)
    rows = range(len(good)) if keep else ()
    examples = ({k: v[i] for k, v in batch.items()} for i in rows)
    return Part(facts, [shards.pack(e, source.spec) for e in examples])
