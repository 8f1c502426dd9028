"""Frechet distance within each class, and the mean over classes (intra-FID).

Miyato and Koyama, cGANs with Projection Discriminator (2018), arXiv:1802.05637.
"""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics.evaluators import fid, protocol

VERSION = 1


@dataclasses.dataclass(frozen=True)
class Evaluator(protocol.Evaluator):
    """Compute the Frechet distance within each class of the real set."""

    def __call__(self, pair: protocol.Pair) -> Iterator[protocol.Value]:
        """Yield the mean over classes, and each class's own."""
        real = protocol.labels(pair.real, 'real', 'fid-per-class')
        fake = protocol.labels(pair.fake, 'fake', 'fid-per-class')
        result = per_class(pair.real.features, real, pair.fake.features, fake)
        yield protocol.Value('fid-per-class', result.mean, VERSION, {})
        for label, value in result.classes.items():
            yield protocol.Value(f'fid-class-{label}', value, VERSION, {})


class PerClass(NamedTuple):
    """Hold the mean over classes, and each class's distance."""

    mean: float
    classes: dict[int, float]


def per_class(
    real: np.ndarray, real_labels: np.ndarray, fake: np.ndarray, fake_labels: np.ndarray
) -> PerClass:
    """Compute the Frechet distance within each class of the real set, and the mean over classes.

    Features [n, d], integer labels [n]; what has the label -1, unknown, is left out.

    Raises:
      UserError: a class with fewer than two images in either set; names it.
    """
    real, fake = np.asarray(real), np.asarray(fake)
    for name, features, labels in (('real', real, real_labels), ('fake', fake, fake_labels)):
        if np.shape(labels) != (len(features),):
            raise UserError(
                f'{name} has {len(features)} images but labels of shape {np.shape(labels)}'
            )
    values = {}
    for label in np.unique(real_labels[real_labels >= 0]):
        sets = real[real_labels == label], fake[fake_labels == label]
        for name, part in zip(('real', 'fake'), sets, strict=True):
            if len(part) < 2:
                raise UserError(
                    f'per-class distances need at least 2 images of each class; class {label} '
                    f'has {len(part)} in {name}'
                )
        values[int(label)] = fid.from_features(*sets)
    return PerClass(float(np.mean(list(values.values()))), values)
