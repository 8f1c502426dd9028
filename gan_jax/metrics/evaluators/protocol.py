"""What a metric's evaluator sees and yields, and the checks that several share."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics.features.protocol import Extractor, Features

# what a metric is called where the features are not the FID network's
OWN_NAMES = {'fid': 'frechet', 'is': 'score'}


class Walk(NamedTuple):
    """Hold what it takes to walk through the latents of the generator that made the fakes.

    spaces: `algorithms.protocol.Space`s by name, the first one first; state, options: what their
    functions are called with; span: the range of the images; batch_size: images at once.
    """

    spaces: Mapping[str, Any]
    state: Any
    options: Mapping[str, Any]
    span: str
    batch_size: int


class Pair(NamedTuple):
    """Hold what metrics compare; `images()` gives the uint8 images of both sets, if one asks.

    walk: None where the fakes are a set; partners: gives the uint8 real image that each fake is to
    be, in the fakes' order; None where they do not belong together.
    """

    real: Features
    fake: Features
    extractor: Extractor
    seed: int
    images: Callable[[], tuple[np.ndarray, np.ndarray]]
    walk: Walk | None = None
    partners: Callable[[], np.ndarray] | None = None


class Value(NamedTuple):
    """A result before it gets its certificate; error is None where one draw says nothing of it."""

    metric: str
    value: float
    version: int
    parameters: dict[str, Any]
    error: float | None = None
    over: str | None = None


@dataclasses.dataclass(frozen=True)
class Evaluator:
    """Compute one metric, or a few that belong together; the fields are its keys in config.eval.

    `pixels` says that it looks at images, and `paths` that it walks through latents; neither looks
    at features, whose network the name then leaves out. `paired` says that it compares each fake
    with a real image of its own.
    """

    pixels: ClassVar[bool] = False
    paths: ClassVar[bool] = False
    paired: ClassVar[bool] = False

    def needs(self) -> int:
        """Return how many images of each set it takes at least."""
        return 2

    def check(self, spaces: Mapping[str, Any]) -> None:
        """Refuse what cannot be measured before anything is computed; nothing mostly.

        spaces: the latents of what makes the fakes, by name; none of a set.
        """

    def __call__(self, pair: Pair) -> Iterator[Value]:
        """Yield the values of two sets."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class PerImage(Evaluator):
    """Compare each fake with its partner, and average over the images."""

    pixels: ClassVar[bool] = True
    paired: ClassVar[bool] = True
    name: ClassVar[str] = ''
    version: ClassVar[int] = 1

    def parameters(self) -> dict[str, Any]:
        """Return what the values depend on beside the images."""
        return {}

    def values(self, real: np.ndarray, fake: np.ndarray) -> np.ndarray:
        """Return the value of each pair [n] of images uint8 [n, H, W, C].

        Raises:
          UserError: they are too small.
        """
        raise NotImplementedError

    def __call__(self, pair: Pair) -> Iterator[Value]:
        """Yield the mean over the images, with its standard error."""
        assert pair.partners, 'paired metrics are refused where there are no pairs'
        real, fake = pair.partners(), pair.images()[1]
        if real.shape != fake.shape:
            raise UserError(
                f'{self.name} compares images of one shape; real is {real.shape[1:]}, '
                f'fake {fake.shape[1:]}'
            )
        values = self.values(real, fake).astype(np.float64)
        estimate = Estimate(float(values.mean()), float(values.std()))
        yield estimate.value(self.name, len(values), 'images', self.version, self.parameters())


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

    def value(self, name: str, n: int, over: str, version: int, parameters: dict) -> Value:
        """Return the mean with its standard error over n estimates."""
        error = self.std / np.sqrt(n - 1) if n > 1 else None
        return Value(name, self.mean, version, parameters, error, over if n > 1 else None)


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
    bad = ~np.isfinite(array).all(1)
    if bad.any():
        raise UserError(f'image {int(bad.argmax())} of {name} has features with NaN or inf')
    return array


def check_pair(real: np.ndarray, fake: np.ndarray, least: int, metric: str) -> None:
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


def labels(features: Features, who: str, metric: str) -> np.ndarray:
    """Return the labels [n] of a set, -1 where one is unknown; raise UserError where all are."""
    if features.labels is None or (features.labels < 0).all():
        raise UserError(f'{metric} needs labels; {who} has none')
    return features.labels


def predictions(features: Features, metric: str) -> np.ndarray:
    """Return the classes [n] that the network takes the images for; raise UserError for none."""
    if not features.logits.shape[1]:
        raise UserError(f'{metric} needs a network with classes: --features=classifier')
    return features.logits.argmax(1)


def own_classes(pair: Pair, metric: str) -> np.ndarray:
    """Return predictions of the fakes in the data set's own classes, which ImageNet's are not."""
    if pair.extractor.name != 'classifier':
        raise UserError(f'{metric} needs a classifier of the data set: --features=classifier')
    return predictions(pair.fake, metric)


def title(value: str, evaluator: Evaluator, extractor: Extractor) -> str:
    """Return the name under which a number is reported: its network and resizer are part of it.

    'fid-legacy' and 'fid-clean' are FID; 'fid768-legacy' is FID-768 and no FID; those of other
    networks are 'classifier-frechet' and 'vgg16-frechet-legacy'.
    """
    if evaluator.pixels or evaluator.paths:
        return value
    head, _, tail = value.partition('-')
    resize = '' if extractor.resize == 'none' else extractor.resize
    if extractor.fid is None:
        head = f'{extractor.name}-{OWN_NAMES.get(head, head)}'
    else:
        head += extractor.fid
    return '-'.join(filter(None, (head, tail, resize)))
