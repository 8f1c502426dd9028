"""Directions of latents along which one attribute of what a generator makes changes.

InterFaceGAN (Shen et al. 2020, arXiv:1907.10786): the normal of the plane that parts the latents of
samples that have an attribute from those that do not. What it has in common with the normals of
other attributes is projected out of it, so that they stay as they are: conditional manipulation.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.svm import LinearSVC

from gan_jax.errors import UserError
from gan_jax.training.attributes import Attributes
from gan_jax.training.exploring import Explorer, Samples

# One of so many samples of a group is held out; groups of fewer than LEAST are refused.
HELD_OUT, LEAST = 4, 8
# Of the length of a normal what is left at least when others are projected out of it.
LEFT = 1e-3


class Direction(NamedTuple):
    """Hold a direction of length 1 [d]; accuracy: of its plane on samples held out, or None."""

    name: str
    vector: np.ndarray
    accuracy: float | None = None


# Latents [n, d], whether each has the attribute -> normal of length 1 [d], distance of the plane.
Method = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, float]]


def svm(x: np.ndarray, has: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the plane of a linear support vector machine."""
    scale = x.std()
    found = LinearSVC(C=0.01, dual=False).fit(x / scale, has)
    length = np.linalg.norm(found.coef_[0])
    return found.coef_[0] / length, float(-found.intercept_[0] * scale / length)


def means(x: np.ndarray, has: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the plane halfway between the means of both groups: latent arithmetic.

    Radford et al. 2016 (arXiv:1511.06434, section 6.3.2).
    """
    low, high = x[~has].mean(0), x[has].mean(0)
    normal = (high - low) / np.linalg.norm(high - low)
    return normal, float((high + low) @ normal / 2)


METHODS: dict[str, Method] = {'svm': svm, 'means': means}


def groups(
    name: str, scores: np.ndarray, border: float, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return indices of samples without and with an attribute: the ends of their scores [n].

    share: of the samples that each end has at most; border: what parts both groups.

    Raises:
      UserError: the share is too small, or one group is, so that there is one class only.
    """
    n, most = len(scores), round(share * len(scores))
    if most < LEAST:
        raise UserError(
            f'share={share:g} is not allowed: of {n} samples it must be at least {LEAST / n:g}'
        )
    order = np.argsort(scores, kind='stable')
    low, high = order[:most], order[n - most :]
    low, high = low[scores[low] < border], high[scores[high] > border]
    if min(len(low), len(high)) < LEAST:
        has = np.count_nonzero(scores > border)
        raise UserError(
            f"attribute '{name}' has one class only: {has} of {n} samples have it, and at least "
            f'{LEAST} with and without it are needed; more samples may have them'
        )
    return low, high


def fit(name: str, x: np.ndarray, ends: tuple[np.ndarray, np.ndarray], method: Method) -> Direction:
    """Return the direction from a group of latents x [n, d] to the other, by their indices."""
    held = [part[::HELD_OUT] for part in ends]
    seen = [np.delete(part, np.s_[::HELD_OUT]) for part in ends]
    normal, distance = method(x[np.concatenate(seen)], second(seen))
    right = (x[np.concatenate(held)] @ normal > distance) == second(held)
    return Direction(name, normal, float(right.mean()))


def second(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return whether each member of two groups, joined, is of the second."""
    return np.repeat([False, True], [len(part) for part in parts])


def of_attributes(
    samples: Samples, attributes: Attributes, method: str, share: float
) -> list[Direction]:
    """Return a direction for each attribute, with those of the others projected out.

    Raises:
      UserError: an attribute has one class only, or nothing is left of one.
    """
    found = []
    for name, scores in zip(attributes.names, samples.found.scores.T, strict=True):
        ends = groups(name, scores, attributes.border(name, scores), share)
        found.append(fit(name, samples.vectors, ends, METHODS[method]))
    all_of_them = np.stack([one.vector for one in found])
    return [
        one._replace(vector=apart(one, np.delete(all_of_them, i, 0))) for i, one in enumerate(found)
    ]


def apart(direction: Direction, others: np.ndarray) -> np.ndarray:
    """Return what is left of a direction, of length 1, when others [k, d] are projected out.

    Raises:
      UserError: nothing is.
    """
    _, sizes, basis = np.linalg.svd(others, full_matrices=False)
    basis = basis[sizes > LEFT]
    left = direction.vector - basis.T @ (basis @ direction.vector)
    length = np.linalg.norm(left)
    if length < LEFT:
        raise UserError(
            f"attribute '{direction.name}' has no direction of its own: nothing of it is left when "
            'those of the others are projected out'
        )
    return left / length


@dataclasses.dataclass(frozen=True)
class Walks:
    """Walk along directions as far as samples spread, and say what that changes.

    fitted: the samples whose spread is walked; start: those that walk; steps: how many; reach:
    how far from the mean, to both sides, in standard deviations.
    """

    explorer: Explorer
    attributes: Attributes
    fitted: Samples
    start: Samples
    steps: int
    reach: float

    def distances(self, direction: np.ndarray, steps: int) -> np.ndarray:
        """Return the distances [steps + 1] along a direction that are walked."""
        along = self.fitted.vectors @ direction
        return along.mean() + along.std() * np.linspace(-self.reach, self.reach, steps + 1)

    def measure(self, direction: Direction) -> dict[str, Any]:
        """Return what changes along a direction, as numbers for JSON."""
        distances = self.distances(direction.vector, self.steps)
        latents = self.explorer.walk(self.start, direction.vector, distances)
        found = self.explorer.find(*latents, self.attributes)
        n = len(self.start.latents)
        scores, classes = (x.reshape(n, self.steps + 1, -1) for x in found)
        kept = {
            self.attributes.classifiers[i].path: kept_shares(
                classes[..., i], self.start.found.classes[:, i]
            )
            for i in self.attributes.others(direction.name)
        }
        return {
            'name': direction.name,
            'accuracy': direction.accuracy,
            'attributes': {
                name: changes(scores[..., i], float(self.fitted.found.scores[:, i].std()))
                for i, name in enumerate(self.attributes.names)
            },
            'kept': kept,
        }

    def grid(self, direction: Direction, rows: int, steps: int) -> np.ndarray:
        """Return images [rows, steps + 1, H, W, C]: the first samples along a direction."""
        distances = self.distances(direction.vector, steps)
        latents = self.explorer.walk(self.start.part(slice(rows)), direction.vector, distances)
        images = np.concatenate([*self.explorer.images(*latents)])
        return images.reshape(-1, steps + 1, *images.shape[1:])


def changes(scores: np.ndarray, spread: float) -> dict[str, float]:
    """Return shares of n walks whose scores [n, steps + 1] rise, or fall, at every step.

    And the mean change from the first to the last, in standard deviations of the samples.
    """
    each = np.diff(scores, axis=1)
    change = (scores[:, -1] - scores[:, 0]).mean()
    return {
        'rising': float((each > 0).all(1).mean()),
        'falling': float((each < 0).all(1).mean()),
        'change': float(change / spread) if spread else 0.0,
    }


def kept_shares(classes: np.ndarray, start: np.ndarray) -> dict[str, float]:
    """Return shares that keep the class before [n] of walks [n, steps + 1], and of their images."""
    same = classes == start[:, None]
    return {'walks': float(same.all(1).mean()), 'images': float(same.mean())}
