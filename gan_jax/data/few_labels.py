"""Sets in which a few examples keep their labels: for learning from few of them."""

import dataclasses
from typing import Any

import numpy as np

from gan_jax.data.labels import UNKNOWN
from gan_jax.data.order import order
from gan_jax.data.protocol import BadExample, Example, Subset, load, name_of
from gan_jax.errors import UserError
from gan_jax.kinds.label import LABELLED


class FewLabels:
    """Show a source whose labels are UNKNOWN but for a few, and these again as a stream."""

    def __init__(self, source: Any, indices: np.ndarray):
        self.source = source
        self.keeps = np.isin(np.arange(len(source)), indices)
        self.spec = dataclasses.replace(source.spec, unknown=int((~self.keeps).sum()))
        self.known = Subset(source, indices)

    @property
    def streams(self) -> dict[str, Any]:
        """Return the parts that are shuffled alone."""
        return {'': self, LABELLED: self.known}

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Example:
        example = self.source[index]
        return example if self.keeps[index] else {**example, 'label': np.array(UNKNOWN, np.int32)}

    def batch(self, indices: np.ndarray) -> Example:
        """Read several examples as one batch."""
        batch = load(self.source, indices)
        return {**batch, 'label': np.where(self.keeps[indices], batch['label'], UNKNOWN)}

    def name(self, index: int) -> str:
        """Name an example as its source does."""
        return name_of(self.source, index)


def few_labels(source: Any, labelled: int, draw: int, unlabelled: bool) -> Any:
    """Return a source in which `labelled` examples keep their labels, as many of each class.

    draw: chooses them, with the examples' numbers and nothing else; unlabelled: whether the others
    come too, as the labelled ones alone otherwise.

    Raises:
      UserError: the source has no labels, too few, or several streams.
    """
    indices = chosen(source, labelled, draw)
    return FewLabels(source, indices) if unlabelled else Subset(source, indices)


def chosen(source: Any, labelled: int, draw: int) -> np.ndarray:
    """Return the numbers of the labelled examples, in order, int64 [labelled]."""
    classes = source.spec.num_classes
    if not classes or getattr(source, 'streams', None):
        raise UserError(f'config.data.labelled={labelled} needs data with one label an example')
    if labelled % classes:
        raise UserError(
            f'config.data.labelled={labelled} does not divide by the {classes} classes of the data'
        )
    left, found = np.full(classes, labelled // classes), []
    for index in map(int, order(len(source), draw, 0, LABELLED)):
        if not left.any():
            break
        try:
            label = int(source[index]['label'])
        except BadExample:
            continue
        if label != UNKNOWN and left[label]:
            left[label] -= 1
            found.append(index)
    if left.any():
        missing = source.spec.classes[int(left.argmax())]
        raise UserError(
            f'config.data.labelled={labelled} needs {labelled // classes} examples of each class; '
            f'there are fewer of {missing}'
        )
    return np.sort(np.asarray(found))
