"""A space of latents of a trained model: samples of it, their attributes, and walks through it."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax.errors import UserError
from gan_jax.training.attributes import Attributes, Found
from gan_jax.training.inference import CHUNK, Trained


class Samples(NamedTuple):
    """Hold latents [n, ...], the class of each [n] or None, and what was found of their images."""

    latents: np.ndarray
    labels: np.ndarray | None
    found: Found

    @property
    def vectors(self) -> np.ndarray:
        """Return latents as one vector each [n, d]: of several layers the mean."""
        several = self.latents.reshape(len(self.latents), -1, self.latents.shape[-1])
        return several.mean(1, dtype=np.float64)

    def part(self, which: slice) -> 'Samples':
        """Return some of the samples."""
        labels = None if self.labels is None else self.labels[which]
        return Samples(self.latents[which], labels, Found(*(x[which] for x in self.found)))


# of identity, so that its program is compiled once
@dataclasses.dataclass(frozen=True, eq=False)
class Explorer:
    """Explore one space of latents of a trained model.

    label: the class of all images, None for all classes in turn; options: all of the maker.
    """

    trained: Trained
    space: str
    label: int | None
    options: Mapping[str, Any]

    @classmethod
    def of(
        cls, trained: Trained, space: str, label: int | None, options: Mapping[str, Any]
    ) -> 'Explorer':
        """Return the explorer of a space, '' for the last one, which is w where there is one.

        Raises:
          UserError: there are no latents, or no images, class or option of that name.
        """
        spaces = trained.maker.spaces
        if not spaces or trained.field.kind != 'image':
            raise UserError(
                f'algorithm={trained.config.algorithm!r} makes no images of latents that could '
                'have directions'
            )
        trained.labels(1, label)
        return cls(trained, space or [*spaces][-1], label, trained.chosen(options))

    def samples(self, n: int, seed: int, attributes: Attributes) -> Samples:
        """Return n samples of a seed, with their attributes.

        Raises:
          UserError: there is no such space, or the images are of no size for a classifier.
        """
        labels = self.trained.labels(n, self.label)
        if self.label is None and self.trained.classes:
            labels = np.arange(n, dtype=np.int32) % self.trained.classes
        latents = np.asarray(self.trained.latents(self.space, n, seed, labels, self.options))
        return Samples(latents, labels, self.find(latents, labels, attributes))

    def find(self, latents: np.ndarray, labels: np.ndarray | None, attributes: Attributes) -> Found:
        """Return what is found of the images of latents, which are made where anything is asked."""
        if not (attributes.names or attributes.classifiers):
            return Found(np.zeros((len(latents), 0)), np.zeros((len(latents), 0)))
        parts = [attributes(images) for images in self.images(latents, labels)]
        return Found(*(np.concatenate(x) for x in zip(*parts, strict=True)))

    def images(self, latents: np.ndarray, labels: np.ndarray | None) -> Iterator[np.ndarray]:
        """Yield the images uint8 [b, H, W, C] of latents, CHUNK at once."""
        for start in range(0, len(latents), CHUNK):
            part = slice(start, start + CHUNK)
            given = None if labels is None else labels[part]
            yield self.trained.final(self.synthesize(self.trained.refined, latents[part], given))

    @functools.cached_property
    def synthesize(self) -> Callable[..., jax.Array]:
        """The program that makes images of (state, latents, labels)."""
        made = self.trained.maker.spaces[self.space].synthesize
        return jax.jit(lambda *inputs: made(*inputs, **self.options))

    def walk(
        self, samples: Samples, direction: np.ndarray, distances: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return latents [n * steps, ...] of samples at distances along a direction, and labels.

        direction: of length 1 [d]; distances: [steps], of all samples alike from the origin, which
        are walked by each sample in turn.
        """
        n, steps = len(samples.latents), len(distances)
        shift = distances[None] - (samples.vectors @ direction)[:, None]
        moves = (shift[..., None] * direction[None, None]).reshape(n * steps, -1)
        latents = samples.latents.repeat(steps, 0)
        moves = moves.reshape(n * steps, *[1] * (latents.ndim - 2), -1).astype(latents.dtype)
        return latents + moves, None if samples.labels is None else samples.labels.repeat(steps)
