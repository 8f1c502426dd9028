"""Measure two sets of images against each other, and certify what comes out."""

import functools
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics import certificate, evaluate, features, sets
from gan_jax.metrics.evaluate import Options, Pair, Value
from gan_jax.metrics.features import Extractor, Features
from gan_jax.metrics.sets import Batch, ImageSet


class Protocol(NamedTuple):
    """What to measure and how; repeats > 1 gives the standard error over the repeats."""

    metrics: tuple[str, ...] = ('fid',)
    num: int = 0
    num_real: int = 0
    seed: int = 0
    repeats: int = 1
    batch_size: int = 32
    options: Options = Options()


class Fakes(NamedTuple):
    """One draw of fake images: features, digest, count, and the images themselves on demand."""

    features: Features
    digest: str
    images: Callable[[], np.ndarray]


class Reference:
    """The real images with their features, computed when first needed and cached by content."""

    def __init__(self, images: ImageSet, extractor: Extractor, protocol: Protocol):
        self.set = images
        self.extractor = extractor
        self.size = protocol.batch_size
        self.indices = images.choose(protocol.num_real, protocol.seed, 'real')

    @functools.cached_property
    def loaded(self) -> tuple[Features, str]:
        """Return features and content digest."""
        return features.reference(self.extractor, self.set, self.indices, self.size)

    def images(self) -> np.ndarray:
        """Return the real images, all at once."""
        return np.concatenate([b.images for b in self.set.batches(self.indices, 1024)])

    def describe(self) -> dict[str, Any]:
        """Return what the certificate says of the real set."""
        return describe(self.set, len(self.indices), self.loaded[1])


def describe(images: ImageSet, count: int, digest: str) -> dict[str, Any]:
    return {
        'name': images.name,
        'split': images.split or None,
        'count': count,
        'digest': digest,
        'conversion': images.conversion(),
    }


def certify(
    values: Sequence[Value],
    extractor: Extractor,
    protocol: Protocol,
    real: Mapping[str, Any],
    fake: Mapping[str, Any],
    generator: Mapping[str, Any],
    seconds: float,
) -> list[dict]:
    """Return the certificate of each value."""
    shared = {
        'real': dict(real),
        'fake': dict(fake),
        'features': {
            'network': extractor.name,
            'resize': extractor.resize,
            'sha256': extractor.sha256,
            'conversion': extractor.note,
        },
        'generator': {key: generator.get(key) for key in GENERATOR},
        'seed': protocol.seed,
        'repeats': protocol.repeats,
        'seconds': round(seconds, 3),
        **certificate.environment(),
    }
    return [
        {
            **shared,
            'metric': v.metric,
            'value': v.value,
            'version': v.version,
            'parameters': v.parameters,
            'standard_error': v.error,
            'standard_error_over': v.over,
        }
        for v in values
    ]


GENERATOR = ('digest', 'step', 'ema', 'truncation')


def enough(protocol: Protocol, real: int, fake: int) -> None:
    """Refuse too few images before any features are computed.

    Raises:
      UserError: names the metric, the set, and how many images it needs.
    """
    if protocol.repeats < 1:
        raise UserError(f'repeats={protocol.repeats} is not allowed: at least 1')
    for name in evaluate.check(protocol.metrics):
        least = evaluate.needs(name, protocol.options)
        for who, count in (('real', real), ('fake', fake)):
            if count < least:
                raise UserError(f'{name} needs at least {least} images; {who} has {count}')


def repeat(
    reference: Reference,
    extractor: Extractor,
    protocol: Protocol,
    draw: Callable[[int], Fakes],
) -> tuple[list[Value], list[Fakes]]:
    """Measure each of the protocol's draws of fakes against the reference."""
    results, draws = [], []
    for i in range(protocol.repeats):
        fakes = draw(protocol.seed + i)
        pair = Pair(
            reference.loaded[0],
            fakes.features,
            extractor,
            protocol.seed + i,
            protocol.options,
            functools.partial(both_images, reference, fakes),
        )
        results.append(evaluate.measure(protocol.metrics, pair))
        draws.append(fakes)
    return evaluate.combine(results), draws


def both_images(reference: Reference, fakes: Fakes) -> tuple[np.ndarray, np.ndarray]:
    return reference.images(), fakes.images()


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
    began = time.monotonic()
    reference = Reference(real, extractor, protocol)
    enough(protocol, len(reference.indices), protocol.num or len(fake))

    @functools.lru_cache(maxsize=1)
    def whole() -> Fakes:
        return draw_from(fake, extractor, protocol, 0)

    def draw(seed: int) -> Fakes:
        everything = protocol.num in (0, len(fake))
        return whole() if everything else draw_from(fake, extractor, protocol, seed)

    values, draws = repeat(reference, extractor, protocol, draw)
    count = len(draws[0].features.features)
    made = describe(fake, count, joined(draws))
    seconds = time.monotonic() - began
    return certify(values, extractor, protocol, reference.describe(), made, {}, seconds)


def draw_from(fake: ImageSet, extractor: Extractor, protocol: Protocol, seed: int) -> Fakes:
    """Compute features and digest of the protocol's number of images of a set."""
    indices = fake.choose(protocol.num, seed, 'fake')
    sha = hashlib.sha256()

    def batches() -> Iterator[Batch]:
        for batch in fake.batches(indices, protocol.batch_size):
            sets.update(sha, batch)
            yield batch

    found = features.extract(extractor, batches(), fake.image_name)

    def images() -> np.ndarray:
        return np.concatenate([b.images for b in fake.batches(indices, 1024)])

    return Fakes(found, sha.hexdigest(), images)
