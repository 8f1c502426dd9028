"""Precision and recall, density and coverage of generated features, in blocks of rows.

Kynkaanniemi et al., Improved Precision and Recall Metric (2019), arXiv:1904.06991, eq. 1-2;
Naeem et al., Reliable Fidelity and Diversity Metrics (2020), arXiv:2002.09797, eq. 3-5.

Distances come from a float32 matrix product of centred features. Where its rounding could decide,
at a ball's very edge and between near-duplicates, the pair is computed again in float64 from the
difference itself. So results are those of float64 at the speed of float32, and sets that share
images (memorised ones, or identical sets) are not at the mercy of rounding.
"""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gan_jax.core import keys
from gan_jax.errors import UserError
from gan_jax.metrics.evaluators import protocol

VERSION = 1
# a block of distances takes this many floats: 64 MiB
BLOCK = 1 << 24
# rounding of a squared distance, relative to the sum of the squared norms (observed: below 1e-6)
ROUNDING = 2e-6
GROUPS = 32
SPARE = 2


@dataclasses.dataclass(frozen=True)
class Evaluator(protocol.Evaluator):
    """Compute precision and recall at k = 3, density and coverage at k = 5, or all at one k."""

    k: int = keys.field(
        keys.count(0, 'Neighbours; 0: 3 and 5, as in the papers.', low=0, learns=False)
    )

    def needs(self) -> int:
        """Return one image more than neighbours."""
        return (self.k or 5) + 1

    def __call__(self, pair: protocol.Pair) -> Iterator[protocol.Value]:
        """Yield the four values."""
        for function, k in ((precision_recall, self.k or 3), (density_coverage, self.k or 5)):
            found = function(pair.real.features, pair.fake.features, k)
            for name, value in found._asdict().items():
                yield protocol.Value(name, value, VERSION, {'k': k})


class PrecisionRecall(NamedTuple):
    """Share of fake within the real manifold, share of real within the fake one."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """Mean number of real balls around a fake, over k; share of real balls with a fake in them."""

    density: float
    coverage: float


class PRDC(NamedTuple):
    """All four."""

    precision: float
    recall: float
    density: float
    coverage: float


class Cloud(NamedTuple):
    """Features [n, d] as float32 about a common centre, and their squared norms [n]."""

    points: np.ndarray
    norms: np.ndarray


def precision_recall(real: np.ndarray, fake: np.ndarray, k: int = 3) -> PrecisionRecall:
    """Compute improved precision and recall of features [n, d], [m, d]: distance <= k-th radius.

    Raises:
      UserError: k or fewer images in a set, or features that are not finite.
    """
    a, b = clouds(real, fake, k)
    result = compare(a, b, radii(a, k), radii(b, k), k)
    return PrecisionRecall(result.precision, result.recall)


def density_coverage(real: np.ndarray, fake: np.ndarray, k: int = 5) -> DensityCoverage:
    """Compute density and coverage of features [n, d], [m, d]: distance < k-th radius.

    Raises:
      UserError: k or fewer images in a set, or features that are not finite.
    """
    a, b = clouds(real, fake, k)
    result = compare(a, b, radii(a, k), None, k)
    return DensityCoverage(result.density, result.coverage)


def prdc(real: np.ndarray, fake: np.ndarray, k: int = 5) -> PRDC:
    """Compute all four, which share their distances."""
    a, b = clouds(real, fake, k)
    return compare(a, b, radii(a, k), radii(b, k), k)


def clouds(real: np.ndarray, fake: np.ndarray, k: int) -> tuple[Cloud, Cloud]:
    """Centre both sets on the real mean: distances stay, and float32 keeps more of them."""
    if k < 1:
        raise UserError(f'the k of nearest neighbours must be at least 1, not {k}')
    protocol.check_pair(real, fake, k + 1, f'precision, recall, density or coverage with k={k}')
    centre = np.asarray(real).mean(0, dtype=np.float64)
    sets = [np.subtract(z, centre, dtype=np.float64).astype(np.float32) for z in (real, fake)]
    a, b = (Cloud(z, np.einsum('nd,nd->n', z, z)) for z in sets)
    return a, b


def distances(a: Cloud, b: Cloud) -> np.ndarray:
    """Compute squared distances [n, m] in float32, up to rounding."""
    result = a.points @ b.points.T
    result *= -2
    result += b.norms
    result += a.norms[:, None]
    return result


def exact(a: Cloud, b: Cloud, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Compute the squared distances of some pairs in float64 from their differences."""
    result = np.empty(len(rows))
    step = max(BLOCK // a.points.shape[1] // 2, 1)
    for i in range(0, len(rows), step):
        at = slice(i, i + step)
        difference = a.points[rows[at]].astype(np.float64) - b.points[columns[at]]
        result[at] = np.einsum('nd,nd->n', difference, difference)
    return result


def blocks(rows: int, columns: int) -> Iterator[slice]:
    step = max(BLOCK // columns, 1)
    return (slice(i, min(i + step, rows)) for i in range(0, rows, step))


def part(cloud: Cloud, at: slice) -> Cloud:
    return Cloud(cloud.points[at], cloud.norms[at])


def radii(cloud: Cloud, k: int) -> np.ndarray:
    """Return the squared distance [n] of each point to its k-th nearest other point, in float64.

    Only the upper triangle of the distances is computed: a block serves its rows and its columns.
    """
    n = len(cloud.norms)
    keep = min(k + SPARE, n - 1)
    values = np.full((n, keep), np.inf, np.float32)
    indices = np.zeros((n, keep), np.int64)
    for at in blocks(n, n):
        d = distances(part(cloud, at), part(cloud, slice(at.start, n)))
        own = at.stop - at.start
        d[np.arange(own), np.arange(own)] = np.inf
        merge(values[at], indices[at], *smallest(d, keep, at.start))
        if at.stop < n:
            below = np.ascontiguousarray(d[:, own:].T)
            after = slice(at.stop, n)
            merge(values[after], indices[after], *smallest(below, keep, at.start))
    return refine(cloud, values, indices, k)


def smallest(d: np.ndarray, keep: int, offset: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the `keep` smallest values of each row, in any order, and their columns + offset.

    Columns fall into interleaved groups. The groups with the smallest minima hold the answer, so
    only they are searched.
    """
    width = d.shape[1] // GROUPS
    if width <= keep * 4:
        at = np.argpartition(d, min(keep, d.shape[1]) - 1, axis=1)[:, :keep]
        return np.take_along_axis(d, at, 1), at + offset
    minima = d[:, : GROUPS * width].reshape(len(d), GROUPS, width).min(1)
    groups = np.argpartition(minima, keep - 1, axis=1)[:, :keep]
    columns = (groups[:, :, None] + width * np.arange(GROUPS)).reshape(len(d), -1)
    rest = np.arange(GROUPS * width, d.shape[1])
    columns = np.concatenate([columns, np.broadcast_to(rest, (len(d), len(rest)))], axis=1)
    values = np.take_along_axis(d, columns, 1)
    at = np.argpartition(values, keep - 1, axis=1)[:, :keep]
    return np.take_along_axis(values, at, 1), np.take_along_axis(columns, at, 1) + offset


def merge(values, indices, more_values, more_indices) -> None:
    """Keep the smallest of two lists for each row, in place."""
    both = np.concatenate([values, more_values], axis=1)
    which = np.concatenate([indices, more_indices], axis=1)
    at = np.argpartition(both, values.shape[1] - 1, axis=1)[:, : values.shape[1]]
    values[:] = np.take_along_axis(both, at, 1)
    indices[:] = np.take_along_axis(which, at, 1)


def refine(cloud: Cloud, values: np.ndarray, indices: np.ndarray, k: int) -> np.ndarray:
    """Return the k-th smallest of each row in float64, computed anew where rounding decides."""
    kth = np.partition(values, k - 1, axis=1)[:, k - 1, None]
    slack = 2 * ROUNDING * (cloud.norms[:, None] + cloud.norms[indices])
    rows, columns = np.nonzero(np.abs(values - kth) <= slack)
    result = values.astype(np.float64)
    result[rows, columns] = exact(cloud, cloud, rows, indices[rows, columns])
    return np.partition(result, k - 1, axis=1)[:, k - 1]


def compare(
    real: Cloud, fake: Cloud, real_radii: np.ndarray, fake_radii: np.ndarray | None, k: int
) -> PRDC:
    """Count which points of one set lie within the balls of the other."""
    n, m = len(real.norms), len(fake.norms)
    covered = np.zeros(m, bool)
    inside, reached, recalled = 0, 0, 0
    for at in blocks(n, m):
        block = part(real, at)
        d = distances(block, fake)
        closed, opened = within(d, block, fake, real_radii[at, None])
        covered |= closed.any(0)
        inside += int(np.count_nonzero(opened))
        reached += int(opened.any(1).sum())
        if fake_radii is not None:
            recalled += int(within(d, block, fake, fake_radii[None])[0].any(1).sum())
    return PRDC(float(covered.mean()), recalled / n, inside / (k * m), reached / n)


def within(d: np.ndarray, a: Cloud, b: Cloud, limits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return d <= limits and d < limits [n, m] as float64 would decide them."""
    sizes = a.norms[:, None] if limits.shape[1] == 1 else b.norms[None]
    other = b.norms.max() if limits.shape[1] == 1 else a.norms.max()
    slack = ROUNDING * (sizes + other)
    sure = d < (limits - slack).astype(np.float32)
    rows, columns = np.nonzero((d <= (limits + slack).astype(np.float32)) ^ sure)
    if not len(rows):
        return sure, sure
    values = exact(a, b, rows, columns)
    limit = np.broadcast_to(limits, d.shape)[rows, columns]
    closed, opened = sure, sure.copy()
    closed[rows, columns] = values <= limit
    opened[rows, columns] = values < limit
    return closed, opened
