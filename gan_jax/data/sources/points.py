"""Toy densities in the plane: Gaussians on a ring or a grid, labelled by component; no file."""

import math

import numpy as np

from gan_jax.core import keys
from gan_jax.data.protocol import LABEL, Example, Field, Spec
from gan_jax.errors import UserError

KEYS = {
    'arrangement': keys.choice('ring', ('ring', 'grid'), 'Where the components of points lie.'),
    'components': keys.count(8, 'Gaussians; of a grid, a square number.', high=1_000_000),
    'deviation': keys.number(0.02, 'Standard deviation of each Gaussian.', low=0, high=1000),
    'examples': keys.count(10_000, 'Number of points.', high=10_000_000),
}


class Source:
    """Serve points [2] around centres in [-1, 1], which take turns, as 'point' and 'label'.

    `centres` [components, 2] are those of the Gaussians, in the order of the labels. Raises
    UserError for a grid of components that is no square.
    """

    def __init__(
        self,
        arrangement: str = 'ring',
        components: int = 8,
        deviation: float = 0.02,
        examples: int = 10_000,
    ):
        self.centres = {'ring': ring, 'grid': grid}[arrangement](components)
        self.labels = (np.arange(examples) % components).astype(np.int32)
        self.points = (self.centres[self.labels] + deviation * normal(examples)).astype(np.float32)
        fields = {'point': Field((2,), 'float32', 'points'), 'label': LABEL}
        self.spec = Spec(fields, 'point', tuple(map(str, range(components))))

    def __len__(self) -> int:
        return len(self.points)

    def batch(self, indices: np.ndarray) -> Example:
        """Return several examples as one batch."""
        return {'point': self.points[indices], 'label': self.labels[indices]}

    def __getitem__(self, index: int) -> Example:
        return {'point': self.points[index], 'label': self.labels[index]}


def ring(n: int) -> np.ndarray:
    """Return n centres on the unit circle [n, 2]."""
    angles = 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def grid(n: int) -> np.ndarray:
    """Return n centres on a square grid that spans [-1, 1] [n, 2]."""
    side = math.isqrt(n)
    if side * side != n:
        raise UserError(f'config.data.components={n} is not allowed: a grid has a square number')
    line = np.linspace(-1, 1, side) if side > 1 else np.zeros(1)
    return np.stack(np.meshgrid(line, line, indexing='ij'), axis=-1).reshape(-1, 2)


def normal(n: int) -> np.ndarray:
    """Return normal numbers [n, 2], by Box and Muller's method from bits that numpy promises."""
    bits = np.random.Philox(0).random_raw(2 * n).reshape(2, n)
    u, v = ((bits >> 11) + 0.5) / 2**53
    radius, angle = np.sqrt(-2 * np.log(u)), 2 * np.pi * v
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
