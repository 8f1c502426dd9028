"""Measure two sets of images, or a generator and a set, and certify what comes out."""

import functools
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_jax.core import keys
from gan_jax.errors import UserError
from gan_jax.metrics import evaluators, options, sets
from gan_jax.metrics import features as networks
from gan_jax.metrics.certificate import Sides, certify
from gan_jax.metrics.evaluators import protocol as evaluating
from gan_jax.metrics.evaluators.protocol import Evaluator, Pair, Value, Walk
from gan_jax.metrics.features import cache
from gan_jax.metrics.features.extract import extract
from gan_jax.metrics.features.protocol import NONE, Extractor, Features, LoadRun
from gan_jax.metrics.sets import Batch, ImageSet

# images of a generator where eval.num is 0
GENERATED = 10_000
# (seed, number of the batch, images wanted, their labels or None) -> uint8 [n, H, W, C]
SampleFn = Callable[[int, int, int, np.ndarray | None], np.ndarray]


class Protocol(NamedTuple):
    """What to measure and how; repeats > 1 gives the standard error over the repeats."""

    metrics: Mapping[str, Evaluator]
    num: int = 0
    num_real: int = 0
    seed: int = 0
    repeats: int = 1
    batch_size: int = 32

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> 'Protocol':
        """Return the protocol that the options of an evaluation describe; see `options`.

        Raises:
          UserError: no metric, or an unknown one.
        """
        numbers = {key: given[key] for key in cls._fields[1:] if key in given}
        return cls(evaluators.build(options.split(given['metrics']), given), **numbers)

    def extractor(self, given: Mapping[str, Any], load_run: LoadRun) -> Extractor:
        """Return the network that the options name, or none where no metric looks at features.

        Raises:
          UserError: there is no such network, resizer or file.
        """
        if all(e.pixels or e.paths for e in self.metrics.values()):
            return NONE
        return networks.make(given['features'], given['resize'], given['weights'], load_run)

    def check(self, real: int, fake: int, spaces: Mapping[str, Any], paired: bool = False) -> None:
        """Refuse too few images, or what a metric cannot use, before anything is computed.

        paired: whether each fake belongs to a real image.

        Raises:
          UserError: names the metric, and what it needs.
        """
        for name, evaluator in self.metrics.items():
            evaluator.check(spaces)
            if evaluator.paired and not paired:
                raise UserError(
                    f'{name} compares pairs, and the fakes belong to no real images; it is for '
                    'translations of pairs, and for two sets of equally many images'
                )
            for who, count in (('real', real), ('fake', fake)):
                if count < evaluator.needs():
                    least = evaluator.needs()
                    raise UserError(f'{name} needs at least {least} images; {who} has {count}')


class Given(NamedTuple):
    """Hold which real examples fakes are made from.

    size: how many there are; partners: (seed, fakes) -> the places in the reference's set of the
    real images that fakes are to be; None where nothing is known of that.
    """

    size: int
    partners: Callable[[int, int], np.ndarray] | None = None


class Fakes(NamedTuple):
    """One draw of fake images: features, digest, and the images themselves on demand.

    partners: the place in the reference's set of the real image that each is to be, if they are.
    """

    features: Features
    digest: str
    images: Callable[[], np.ndarray]
    partners: np.ndarray | None = None


class Reference:
    """The real images with their features, computed when first needed and cached by content."""

    def __init__(self, images: ImageSet, extractor: Extractor, protocol: Protocol):
        self.set = images
        self.extractor = extractor
        self.protocol = protocol
        self.indices = images.choose(protocol.num_real, protocol.seed, 'real')

    @functools.cached_property
    def loaded(self) -> tuple[Features, str]:
        """Return features and content digest."""
        size = self.protocol.batch_size
        return cache.reference(self.extractor, self.set, self.indices, size)

    def images(self) -> np.ndarray:
        """Return the real images, all at once."""
        return self.of(self.indices)

    def of(self, indices: np.ndarray) -> np.ndarray:
        """Return the real images at some places of the set, all at once."""
        return np.concatenate([b.images for b in self.set.batches(indices, 1024)])

    def certificates(
        self,
        draw: Callable[[int], Fakes],
        fake: Mapping[str, Any],
        generator: Mapping[str, Any],
        walk: Walk | None = None,
    ) -> list[dict]:
        """Measure each of the protocol's draws of fakes, by seed, and certify the values."""
        began = time.monotonic()
        draws_of = range(self.protocol.seed, self.protocol.seed + self.protocol.repeats)
        seeds = [seed & keys.LAST_SEED for seed in draws_of]
        draws = [draw(seed) for seed in seeds]
        values = combine([self.measure(f, s, walk) for f, s in zip(draws, seeds, strict=True)])
        real = described(self.set, len(self.indices), self.loaded[1])
        sides = Sides(real, {**fake, 'digest': joined(draws)}, generator)
        about = {
            'seed': self.protocol.seed,
            'repeats': self.protocol.repeats,
            'seconds': round(time.monotonic() - began, 3),
        }
        return certify(values, self.extractor, sides, about)

    def measure(self, fakes: Fakes, seed: int, walk: Walk | None) -> list[Value]:
        """Run the metrics on one draw, and give the results their full names."""
        partners = fakes.partners
        pair = Pair(
            self.loaded[0],
            fakes.features,
            self.extractor,
            seed,
            lambda: (self.images(), fakes.images()),
            walk,
            None if partners is None else functools.partial(self.of, partners),
        )
        return [
            value._replace(metric=evaluating.title(value.metric, evaluator, self.extractor))
            for evaluator in self.protocol.metrics.values()
            for value in evaluator(pair)
        ]


def described(images: ImageSet, count: int, digest: str) -> dict[str, Any]:
    """Return what a certificate says of a set."""
    return {
        'name': images.name,
        'split': images.split or None,
        'count': count,
        'digest': digest,
        'conversion': images.conversion(),
    }


def combine(repeats: list[list[Value]]) -> list[Value]:
    """Average repeated measurements; the standard error is then the one over the repeats."""
    if len(repeats) == 1:
        return repeats[0]
    result = []
    for values in zip(*repeats, strict=True):
        numbers = [v.value for v in values]
        error = float(np.std(numbers, ddof=1) / np.sqrt(len(numbers)))
        mean = float(np.mean(numbers))
        result.append(values[0]._replace(value=mean, error=error, over='repeats'))
    return result


def joined(draws: Sequence[Fakes]) -> str:
    """Return the digest of one draw, or one of the digests of several."""
    if len(draws) == 1:
        return draws[0].digest
    return hashlib.sha256(' '.join(d.digest for d in draws).encode()).hexdigest()


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
