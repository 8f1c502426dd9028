"""Metrics of class-conditional models: Frechet distance per class, label accuracy, coverage."""

from typing import NamedTuple

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics import fid

VERSION = 1


class PerClass(NamedTuple):
    """Hold the mean over classes, and each class's distance."""

    mean: float
    classes: dict[int, float]


def per_class(
    real: np.ndarray, real_labels: np.ndarray, fake: np.ndarray, fake_labels: np.ndarray
) -> PerClass:
    """Compute the Frechet distance within each class of the real set, and the mean over classes.

    Features [n, d], integer labels [n]. The mean is the intra-FID of Miyato and Koyama, cGANs with
    Projection Discriminator (2018), arXiv:1802.05637.

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
    for label in np.unique(real_labels):
        sets = real[real_labels == label], fake[fake_labels == label]
        for name, part in zip(('real', 'fake'), sets, strict=True):
            if len(part) < 2:
                raise UserError(
                    f'per-class distances need at least 2 images of each class; class {label} '
                    f'has {len(part)} in {name}'
                )
        values[int(label)] = fid.from_features(*sets)
    return PerClass(float(np.mean(list(values.values()))), values)


def label_accuracy(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of images that a classifier gives the label they were made for."""
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if predicted.shape != labels.shape or predicted.ndim != 1 or not len(predicted):
        raise UserError(
            'label accuracy compares labels [n] with predictions [n], n >= 1; '
            f'got {labels.shape} and {predicted.shape}'
        )
    return float((predicted == labels).mean())


def class_coverage(predicted: np.ndarray, num_classes: int) -> float:
    """Return the share of the classes that at least one image is taken for."""
    if num_classes < 1 or not len(predicted):
        raise UserError('class coverage needs at least one image and one class')
    return float(len(np.unique(predicted)) / num_classes)
