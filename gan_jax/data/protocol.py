"""What every image source offers, and the error that names one bad example."""

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from typing import Any, Protocol

import numpy as np

Example = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Spec:
    """Describe the examples of a source.

    shape is (H, W, C) of the main image; num_classes is 0 where there are no labels; dtype is
    'uint8', 'uint16' or 'float32'. fields names the images of one example with their shapes: ()
    stands for one image called 'image'.
    """

    shape: tuple[int, int, int]
    num_classes: int = 0
    dtype: str = 'uint8'
    classes: tuple[str, ...] = ()
    fields: tuple[tuple[str, tuple[int, int, int]], ...] = ()

    @property
    def images(self) -> dict[str, tuple[int, int, int]]:
        """Return {name: (H, W, C)} of every image in one example."""
        return dict(self.fields) or {'image': self.shape}

    @property
    def nbytes(self) -> int:
        """Return the bytes that the images of one example take in memory."""
        return sum(int(np.prod(s)) for s in self.images.values()) * np.dtype(self.dtype).itemsize


class Source(Protocol):
    """Give random access to examples in a stable order; picklable, safe to read from threads.

    Optional members: `batch(indices) -> Example` reads several at once, `streams` maps the prefix
    of a part to its source where the parts are shuffled alone, `name(i)` names an example.
    """

    spec: Spec

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Example: ...


class BadExample(Exception):
    """Name one example that cannot be used, and why."""

    def __init__(self, name: str, reason: str):
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f'{self.name}: {self.reason}'


def stack(examples: list[Example]) -> Example:
    """Stack examples along a new first axis."""
    return {key: np.stack([e[key] for e in examples]) for key in examples[0]}


def load(source: Source, indices: np.ndarray) -> Example:
    """Read several examples as one batch, in the order of indices."""
    batch: Callable[[np.ndarray], Example] | None = getattr(source, 'batch', None)
    if batch is not None:
        return batch(indices)
    return stack([source[int(i)] for i in indices])


class Subset:
    """Show only some examples of a source, in the order of indices."""

    def __init__(self, source: Source, indices: np.ndarray):
        self.source = source
        self.indices = np.asarray(indices)
        self.spec = source.spec

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Example:
        return self.source[int(self.indices[index])]

    def batch(self, indices: np.ndarray) -> Example:
        """Read several examples as one batch."""
        return load(self.source, self.indices[indices])

    def name(self, index: int) -> str:
        """Name an example as its source does."""
        return name_of(self.source, int(self.indices[index]))


def name_of(source: Any, index: int) -> str:
    """Name an example for people: its file where the source knows one, else its number."""
    name = getattr(source, 'name', None)
    return name(index) if name is not None else f'example {index}'


def in_order(pool: futures.Executor, function: Callable, items: Iterable, ahead: int) -> Iterator:
    """Map a function over items in a pool; yield results in order, few of them waiting."""
    pending: collections.deque[futures.Future] = collections.deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
