"""Evaluate a generator, in the training loop or alone."""

import functools
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics import evaluate, features, sets
from gan_jax.metrics.comparison import Fakes, Protocol, Reference, certify, enough, joined, repeat
from gan_jax.metrics.features import Extractor
from gan_jax.metrics.sets import Batch, ImageSet

# (seed, number of the batch, images wanted, their labels or None) -> uint8 [n, H, W, C]
SampleFn = Callable[[int, int, int, np.ndarray | None], np.ndarray]


class Evaluator:
    """Evaluate a generator against a reference set, any number of times while it trains.

    The reference's features are computed at the first run, or come from the cache. `sample_fn`
    takes (seed, number of the batch, images, labels or None) and returns uint8 images; labels are
    drawn from those of the reference where `conditional`.
    """

    def __init__(
        self,
        reference: ImageSet,
        extractor: Extractor,
        protocol: Protocol,
        conditional: bool = False,
    ):
        if protocol.num < 1:
            raise UserError(f'num={protocol.num} is not allowed: a generator makes at least 1')
        self.reference = Reference(reference, extractor, protocol)
        enough(protocol, len(self.reference.indices), protocol.num)
        self.extractor = extractor
        self.protocol = protocol
        self.conditional = conditional

    def run(
        self, sample_fn: SampleFn, generator: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[str, float]]:
        """Yield (name, value) of every metric."""
        for result in self.certificates(sample_fn, generator):
            yield result['metric'], result['value']

    def certificates(
        self, sample_fn: SampleFn, generator: Mapping[str, Any] | None = None
    ) -> list[dict]:
        """Return the certificates; generator says its 'digest', 'step', 'ema' and 'truncation'."""
        began = time.monotonic()
        draw = functools.partial(self.draw, sample_fn)
        values, draws = repeat(self.reference, self.extractor, self.protocol, draw)
        made = {'name': 'generator', 'split': None, 'count': self.protocol.num}
        fake = {**made, 'digest': joined(draws), 'conversion': 'uint8'}
        return certify(
            values,
            self.extractor,
            self.protocol,
            self.reference.describe(),
            fake,
            generator or {},
            time.monotonic() - began,
        )

    def draw(self, sample_fn: SampleFn, seed: int) -> Fakes:
        """Generate the protocol's number of images and compute their features."""
        sha = hashlib.sha256()
        keep: list[np.ndarray] = []
        pixels = any(name in evaluate.OF_PIXELS for name in self.protocol.metrics)

        def batches() -> Iterator[Batch]:
            for batch in self.generated(sample_fn, seed):
                sets.update(sha, batch)
                if pixels:
                    keep.append(batch.images)
                yield batch

        found = features.extract(self.extractor, batches(), lambda i: f'generated image {i}')
        return Fakes(found, sha.hexdigest(), lambda: np.concatenate(keep))

    def generated(self, sample_fn: SampleFn, seed: int) -> Iterator[Batch]:
        """Yield generated batches, every one of the full size but for what is cut off the last."""
        labels = self.labels(seed)
        size = self.protocol.batch_size
        for number, start in enumerate(range(0, self.protocol.num, size)):
            indices = np.arange(start, min(start + size, self.protocol.num))
            wanted = None if labels is None else labels[start : start + size]
            images = np.asarray(sample_fn(seed, number, size, wanted))[: len(indices)]
            made = None if wanted is None else wanted[: len(indices)]
            yield Batch(sets.to_uint8(images), made, indices)

    def labels(self, seed: int) -> np.ndarray | None:
        """Draw the labels of all images from the reference's, a whole number of batches of them."""
        if not self.conditional:
            return None
        known = features.known_labels(self.reference.loaded[0], 'the reference', 'a class')
        size = self.protocol.batch_size
        count = -(-self.protocol.num // size) * size
        return np.random.default_rng(seed).choice(known, count).astype(np.int32)
