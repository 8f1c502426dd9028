"""Label accuracy: how often a conditional model makes the class that it was asked for."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics.evaluators import protocol

VERSION = 1


@dataclasses.dataclass(frozen=True)
class Evaluator(protocol.Evaluator):
    """Compute the share of fakes that a classifier takes for the class they were made for."""

    def __call__(self, pair: protocol.Pair) -> Iterator[protocol.Value]:
        """Yield it."""
        predicted = protocol.own_classes(pair, 'label-accuracy')
        labels = protocol.labels(pair.fake, 'fake', 'label-accuracy')
        known = labels >= 0
        value = label_accuracy(predicted[known], labels[known])
        yield protocol.Value('label-accuracy', value, VERSION, {})


def label_accuracy(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of images that a classifier gives the label they were made for."""
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if predicted.shape != labels.shape or predicted.ndim != 1 or not len(predicted):
        raise UserError(
            'label accuracy compares labels [n] with predictions [n], n >= 1; '
            f'got {labels.shape} and {predicted.shape}'
        )
    return float((predicted == labels).mean())
