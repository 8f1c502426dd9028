"""Class coverage: how many of the classes a model makes at all."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics.evaluators import protocol

VERSION = 1


@dataclasses.dataclass(frozen=True)
class Evaluator(protocol.Evaluator):
    """Compute the share of the classes that a classifier takes at least one fake for."""

    def __call__(self, pair: protocol.Pair) -> Iterator[protocol.Value]:
        """Yield it."""
        predicted = protocol.own_classes(pair, 'class-coverage')
        value = class_coverage(predicted, pair.fake.logits.shape[1])
        yield protocol.Value('class-coverage', value, VERSION, {})


def class_coverage(predicted: np.ndarray, num_classes: int) -> float:
    """Return the share of the classes that at least one image is taken for."""
    if num_classes < 1 or not len(predicted):
        raise UserError('class coverage needs at least one image and one class')
    return float(len(np.unique(predicted)) / num_classes)
