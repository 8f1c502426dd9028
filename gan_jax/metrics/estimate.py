"""A number with its spread, and the checks that all metrics share."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gan_jax.errors import UserError


class Estimate(NamedTuple):
    """Hold the mean of several estimates and their standard deviation (of the population)."""

    mean: float
    std: float

    def __float__(self) -> float:
        return self.mean

    @classmethod
    def of(cls, values: Sequence[float]) -> 'Estimate':
        """Summarise the estimates."""
        return cls(float(np.mean(values)), float(np.std(values)))


def rows(name: str, array: np.ndarray, least: int, metric: str) -> np.ndarray:
    """Return features [n, d] as they are, or raise UserError saying what is wrong with them.

    Raises:
      UserError: not two axes, fewer than `least` rows, or a NaN or infinity (names the row).
    """
    array = np.asarray(array)
    if array.ndim != 2:
        raise UserError(f'{metric} takes features [n, d]; {name} has the shape {array.shape}')
    if len(array) < least:
        raise UserError(f'{metric} needs at least {least} images; {name} has {len(array)}')
    finite(array, name)
    return array


def finite(array: np.ndarray, name: str, first: int = 0) -> None:
    """Raise UserError naming the first image whose features are not finite."""
    bad = ~np.isfinite(array.reshape(len(array), -1)).all(1)
    if bad.any():
        raise UserError(f'image {first + int(bad.argmax())} of {name} has features with NaN or inf')


def pair(real: np.ndarray, fake: np.ndarray, least: int, metric: str) -> None:
    """Check two sets of features against each other and against what a metric needs."""
    real, fake = rows('real', real, least, metric), rows('fake', fake, least, metric)
    if real.shape[1] != fake.shape[1]:
        raise UserError(
            f'{metric} compares features of one length; real has {real.shape[1]}, '
            f'fake {fake.shape[1]}'
        )


def same(x: np.ndarray, y: np.ndarray) -> bool:
    """Return whether two sets of features are one and the same."""
    return x.shape == y.shape and bool(np.array_equal(x, y))
