"""Measure two sets of images, or a generator and a set, and certify what comes out."""

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from gan_jax.metrics import sets
from gan_jax.metrics.evaluators import protocol as evaluating
from gan_jax.metrics.evaluators.protocol import Walk
from gan_jax.metrics.features.extract import extract
from gan_jax.metrics.features.protocol import Extractor, Features
from gan_jax.metrics.measurement import Fakes, Protocol, Reference, described
from gan_jax.metrics.sets import Batch, ImageSet

# images of a generator where eval.num is 0
GENERATED = 10_000
# (seed, number of the batch, images wanted, their labels or None) -> uint8 [n, H, W, C]
SampleFn = Callable[[int, int, int, np.ndarray | None], np.ndarray]


class Given(NamedTuple):
    """Hold which real examples fakes are made from.

    size: how many there are; partners: (seed, fakes) -> the places in the reference's set of the
    real images that fakes are to be; None where nothing is known of that.
    """

    size: int
    partners: Callable[[int, int], np.ndarray] | None = None


def compare_sets(
    real: ImageSet, fake: ImageSet, extractor: Extractor, protocol: Protocol
) -> list[dict]:
    """Return the certificates of metrics between two sets of images.

    Raises:
      UserError: too few images, or features that are not finite (names the image).
    """
    reference = Reference(real, extractor, protocol)
    count = protocol.num or len(fake)
    # in the order of both, as translations lie in a folder under the names of what they are of
    paired = len(fake) == len(real)
    protocol.check(len(reference.indices), count, {}, paired)

    @functools.cache
    def draw(seed: int) -> Fakes:
        indices = fake.choose(protocol.num, seed, 'fake')
        batches = functools.partial(fake.batches, indices)
        found, digest, _ = features(extractor, batches(protocol.batch_size), fake.image_name)

        def images() -> np.ndarray:
            return np.concatenate([b.images for b in batches(1024)])

        return Fakes(found, digest, images, indices if paired else None)

    def same_if_whole(seed: int) -> Fakes:
        return draw(0 if count == len(fake) else seed)

    made = described(fake, count, '')
    return reference.certificates(same_if_whole, made, {})


def compare_generator(
    reference: Reference,
    sample_fn: SampleFn,
    generator: Mapping[str, Any],
    labelled: bool = False,
    walk: Walk | None = None,
    given: Given | None = None,
) -> list[dict]:
    """Return the certificates of metrics between a generator and a reference.

    `sample_fn` takes (seed, number of the batch, images, labels or None) and returns uint8 images;
    labels are drawn from those of the reference where `labelled`. generator says its 'digest',
    'step', 'ema', 'maker' and 'options'. walk: for metrics of paths between latents; given: of
    translations and the like, of which there are as many as what they are of, by default.

    Raises:
      UserError: too few images, or features that are not finite (names the image).
    """
    protocol = reference.protocol
    count = protocol.num or (given.size if given else GENERATED)
    partners = given.partners if given else None
    spaces = walk.spaces if walk else {}
    protocol.check(len(reference.indices), count, spaces, partners is not None)
    pixels = any(evaluator.pixels for evaluator in protocol.metrics.values())

    def draw(seed: int) -> Fakes:
        labels = labels_like(reference, count, seed) if labelled else None
        batches = generated(sample_fn, seed, count, protocol.batch_size, labels)
        name = 'generated image {}'.format
        found, digest, kept = features(reference.extractor, batches, name, pixels)
        belong = None if partners is None else partners(seed, count)
        return Fakes(found, digest, lambda: np.concatenate(kept), belong)

    made = {'name': 'generator', 'split': None, 'count': count, 'conversion': 'uint8'}
    return reference.certificates(draw, made, generator, walk)


def features(
    extractor: Extractor, batches: Iterator[Batch], name: Callable[[int], str], keep: bool = False
) -> tuple[Features, str, list[np.ndarray]]:
    """Return the features of batches, their content digest, and the images where they are kept."""
    sha, kept = hashlib.sha256(), []

    def seen() -> Iterator[Batch]:
        for batch in batches:
            sets.update(sha, batch)
            if keep:
                kept.append(batch.images)
            yield batch

    return extract(extractor, seen(), name), sha.hexdigest(), kept


def generated(
    sample_fn: SampleFn, seed: int, count: int, size: int, labels: np.ndarray | None
) -> Iterator[Batch]:
    """Yield generated images in full batches; the last is truncated."""
    for number, start in enumerate(range(0, count, size)):
        indices = np.arange(start, min(start + size, count))
        wanted = None if labels is None else labels[start : start + size]
        images = np.asarray(sample_fn(seed, number, size, wanted))[: len(indices)]
        made = None if wanted is None else wanted[: len(indices)]
        yield Batch(sets.to_uint8(images), made, indices)


def labels_like(reference: Reference, count: int, seed: int) -> np.ndarray:
    """Draw labels from those of the reference that are known, for a whole number of batches."""
    found = evaluating.labels(reference.loaded[0], 'the reference', 'a conditional model')
    known = found[found >= 0]
    size = reference.protocol.batch_size
    return np.random.default_rng(seed).choice(known, -(-count // size) * size).astype(np.int32)
