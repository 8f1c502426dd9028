"""What every source offers, the types of its fields, and the error that names one bad example."""

import collections
import dataclasses
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent import futures
from typing import Any, Protocol

import numpy as np

from gan_jax import kinds
from gan_jax.data.labels import UNKNOWN
from gan_jax.errors import UserError, unknown
from gan_jax.kinds import Field

Example = dict[str, np.ndarray]


LABEL = Field((), 'int32', 'label')
# Of a spec as JSON.
SPEC = {
    'fields': {str: {'shape': [int], 'dtype': str, 'kind': str, 'span': str}},
    'main': str,
    'classes': [str],
    'unknown': int,
}


@dataclasses.dataclass(frozen=True)
class Spec:
    """Describe the examples of a source: every field, and which one a model makes.

    classes: the names of the classes of 'label', () where there are no labels; unknown: how many
    labels are known to be -1.
    """

    fields: Mapping[str, Field]
    main: str = 'image'
    classes: tuple[str, ...] = ()
    unknown: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the main field, (H, W, C) of images."""
        return self.fields[self.main].shape

    @property
    def dtype(self) -> str:
        """Return the dtype of the main field."""
        return self.fields[self.main].dtype

    @property
    def num_classes(self) -> int:
        """Return the number of classes, 0 where there are no labels."""
        return len(self.classes)

    @property
    def images(self) -> dict[str, tuple[int, ...]]:
        """Return {name: (H, W, C)} of every image in one example."""
        return {name: f.shape for name, f in self.fields.items() if f.kind == 'image'}

    @property
    def nbytes(self) -> int:
        """Return the bytes that one example takes in memory."""
        return sum(field.nbytes for field in self.fields.values())

    def to_json(self) -> dict[str, Any]:
        """Return the spec as JSON."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> 'Spec':
        """Return the spec that to_json wrote, of the form SPEC; other keys are passed over.

        Raises:
          ValueError: it is none of examples that there can be.
        """
        fields = {k: Field(**{**f, 'shape': tuple(f['shape'])}) for k, f in data['fields'].items()}
        if data['main'] not in fields:
            raise ValueError(f'main is {data["main"]!r}, which is none of {list(fields)}')
        for name, field in fields.items():
            if wrong := _impossible(field):
                raise ValueError(f'field {name!r} has {wrong}')
        return cls(fields, data['main'], tuple(data['classes']), data['unknown'])


def _impossible(field: Field) -> str:
    """Return what no field of an example can have, '' where there is nothing of the sort."""
    if field.kind not in kinds.names():
        return f'the kind {field.kind!r}, which is none of {", ".join(kinds.names())}'
    if any(n < 1 for n in field.shape) or (field.kind == 'image' and len(field.shape) != 3):
        return f'the shape {list(field.shape)}'
    try:
        numbers = np.dtype(field.dtype).kind in 'biuf'
    except (TypeError, ValueError):
        numbers = False
    return '' if numbers else f'the dtype {field.dtype!r}'


def more_fields(asked: str, there: Collection[str]) -> tuple[str, ...]:
    """Return the fields that config.data.fields asks for: '', 'all', or names with commas.

    Raises:
      UserError: there is none of a name.
    """
    if asked == 'all':
        return tuple(there)
    names = tuple(filter(None, (name.strip() for name in asked.split(','))))
    for name in names:
        if name not in there:
            raise unknown('config.data.fields', name, ['all', *there])
    return names


def image_spec(
    shape: tuple[int, ...],
    dtype: str = 'uint8',
    classes: Iterable[str] = (),
    unknown: int = 0,
    labelled: bool | None = None,
) -> Spec:
    """Return the spec of images (H, W, C) called 'image', with a 'label' where there are classes.

    labelled: whether there is a label, where that does not follow from the classes.
    """
    classes = tuple(classes)
    labels = {'label': LABEL} if (bool(classes) if labelled is None else labelled) else {}
    return Spec({'image': Field(shape, dtype), **labels}, 'image', classes, unknown)


class Source(Protocol):
    """Give random access to examples in a stable order; picklable, safe to read from threads.

    Optional members: `batch(indices) -> Example` reads several at once, `streams` maps the prefix
    of a part to its source where the parts are shuffled alone, `name(i)` names an example,
    `unread` names the fields of an example that were not asked for.
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
    """Read several examples as one batch, in the order of indices.

    Raises:
      BadExample: one of them cannot be used.
      UserError: their fields are not those of the source's spec.
    """
    several: Callable[[np.ndarray], Example] | None = getattr(source, 'batch', None)
    batch = stack([source[int(i)] for i in indices]) if several is None else several(indices)
    if batch.keys() != source.spec.fields.keys():
        raise UserError(
            f'{name_of(source, int(indices[0]))} has the fields {", ".join(sorted(batch))}, but '
            f'the spec of its source {", ".join(sorted(source.spec.fields))}'
        )
    check_labels(source, indices, batch)
    return batch


def check_labels(source: Source, indices: np.ndarray, batch: Example) -> None:
    """Raise BadExample for the first label that is none of the classes, nor unknown."""
    classes = source.spec.num_classes
    if classes and 'label' in batch:
        label = batch['label']
        for place in np.flatnonzero((label < UNKNOWN) | (label >= classes))[:1]:
            raise BadExample(
                name_of(source, int(indices[place])),
                f'has the label {label[place]}, but there are {classes} classes',
            )


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
