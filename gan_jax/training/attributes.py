"""Attributes of images: what is measured in closed form, and the opinions of classifiers."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from gan_jax.core import strokes
from gan_jax.errors import choose
from gan_jax.metrics import features as networks
from gan_jax.metrics.features.protocol import Extractor
from gan_jax.training import inference


class Found(NamedTuple):
    """Hold what was found of n images: scores [n, attributes], and classes [n, classifiers]."""

    scores: np.ndarray
    classes: np.ndarray


class Classifier(NamedTuple):
    """Hold a classifier, the folder of its run, and the names of its classes."""

    extractor: Extractor
    path: str
    classes: tuple[str, ...]

    @classmethod
    def of(cls, path: str) -> 'Classifier':
        """Load the classifier of a run; raise UserError where there is none."""
        trained = inference.load(path)
        extractor = networks.make('classifier', 'none', path, lambda path: trained)
        return cls(extractor, path, trained.spec.classes)


@dataclasses.dataclass(frozen=True)
class Attributes:
    """Score uint8 images [n, H, W, C] by attributes of the names given.

    An attribute is a measure of `core.strokes`, or a class of a classifier, whose score is the
    logarithm of its odds: positive where it is more likely than all others together.
    """

    names: tuple[str, ...]
    classifiers: tuple[Classifier, ...] = ()
    measures: Mapping[str, Callable[[jax.Array], jax.Array]] = dataclasses.field(
        default_factory=lambda: {name: jax.jit(f) for name, f in strokes.MEASURES.items()}
    )

    @classmethod
    def of(cls, names: Sequence[str], paths: Sequence[str] = ()) -> 'Attributes':
        """Return the attributes of some names; paths: of runs of classifiers.

        Raises:
          UserError: there is no such attribute, or no such run of a classifier.
        """
        found = cls(tuple(names), tuple(Classifier.of(path) for path in paths))
        available = {**found.measures, **found.places()}
        for name in found.names:
            choose(available, name, 'attribute')
        return found

    def places(self) -> dict[str, tuple[int, int]]:
        """Return (number of the classifier, number of the class) of each class by its name."""
        return {
            name: (i, j)
            for i, classifier in enumerate(self.classifiers)
            for j, name in enumerate(classifier.classes)
            if name not in self.measures
        }

    def border(self, name: str, scores: np.ndarray) -> float:
        """Return the score above which an image has an attribute: of a measure, the median."""
        return 0.0 if name in self.places() else float(np.median(scores))

    def others(self, name: str) -> list[int]:
        """Return the classifiers whose opinion is not what the attribute of a name is."""
        own = self.places().get(name, (None, None))[0]
        return [i for i in range(len(self.classifiers)) if i != own]

    def __call__(self, images: np.ndarray) -> Found:
        """Return what is found of images.

        Raises:
          UserError: they are not of the size that a classifier takes.
        """
        logits = [c.extractor.apply(images)[1] for c in self.classifiers]
        places, light = self.places(), jnp.asarray(images / np.float32(255))
        scores: list[Any] = []
        for name in self.names:
            if name in places:
                i, j = places[name]
                scores.append(log_odds(logits[i], j))
            else:
                scores.append(self.measures[name](light))
        empty = np.zeros((len(images), 0))
        return Found(
            np.stack(scores, 1) if scores else empty,
            np.stack([x.argmax(1) for x in logits], 1) if logits else empty,
        )


def log_odds(logits: np.ndarray, j: int) -> np.ndarray:
    """Return log(p / (1 - p)) [n] of the probability of class j, of logits [n, classes]."""
    return logits[:, j] - special.logsumexp(np.delete(logits, j, 1), 1)
