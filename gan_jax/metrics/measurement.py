"""What is measured of fakes against real images, and the certificates of it."""

import functools
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_jax.core import keys
from gan_jax.errors import UserError
from gan_jax.metrics import evaluators, options
from gan_jax.metrics import features as networks
from gan_jax.metrics.certificate import Sides, certify
from gan_jax.metrics.evaluators import protocol as evaluating
from gan_jax.metrics.evaluators.protocol import Evaluator, Pair, Value, Walk
from gan_jax.metrics.features import cache
from gan_jax.metrics.features.protocol import NONE, Extractor, Features, LoadRun
from gan_jax.metrics.sets import ImageSet


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
