"""Which metrics there are by name, and how they are run on two sets of features."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from gan_jax.errors import UserError, nearest
from gan_jax.metrics import (
    conditional,
    features,
    fid,
    inception_score,
    kid,
    modes,
    prdc,
    pyramid,
    swd,
)
from gan_jax.metrics.features import Extractor, Features

# what a metric is called where the features are not the FID network's
OWN_NAMES = {'fid': 'frechet', 'is': 'score'}


class Options(NamedTuple):
    """Parameters of the metrics; k 0 stands for 3 (precision, recall) and 5 (density, coverage)."""

    k: int = 0
    kid_subsets: int = 100
    kid_subset_size: int = 1000
    splits: int = 10
    directions: int = 512


class Pair(NamedTuple):
    """Hold what metrics compare; `images()` gives the uint8 images of both sets, if one asks."""

    real: Features
    fake: Features
    extractor: Extractor
    seed: int
    options: Options
    images: Callable[[], tuple[np.ndarray, np.ndarray]]


class Value(NamedTuple):
    """A result before it gets its certificate; error is None where one draw says nothing of it."""

    metric: str
    value: float
    version: int
    parameters: dict[str, Any]
    error: float | None = None
    over: str | None = None


def spread(name: str, estimate: Any, n: int, over: str, version: int, parameters: dict) -> Value:
    """Return a mean with its standard error over n estimates."""
    error = estimate.std / np.sqrt(n - 1) if n > 1 else None
    return Value(name, estimate.mean, version, parameters, error, over if n > 1 else None)


def frechet(pair: Pair) -> Iterator[Value]:
    """Frechet distance; called FID on the features of the FID network alone."""
    value = fid.from_features(pair.real.features, pair.fake.features)
    yield Value('fid', value, fid.VERSION, {})


def kernel(pair: Pair) -> Iterator[Value]:
    """KID over subsets, with the subset size never larger than asked for."""
    n, size = pair.options.kid_subsets, pair.options.kid_subset_size
    estimate = kid.kid(pair.real.features, pair.fake.features, n, size, pair.seed)
    keys = {'subsets': n, 'subset_size': size}
    yield spread('kid', estimate, n, 'subsets', kid.VERSION, keys)


def kernel_full(pair: Pair) -> Iterator[Value]:
    """The unbiased MMD^2 of KID's kernel over all pairs."""
    value = kid.mmd2(pair.real.features, pair.fake.features)
    yield Value('mmd2', value, kid.VERSION, {})


def manifolds(pair: Pair) -> Iterator[Value]:
    """Precision and recall at k = 3, density and coverage at k = 5, or all at one k."""
    sets = pair.real.features, pair.fake.features
    k = pair.options.k
    if k:
        names = prdc.prdc(*sets, k)._asdict().items()
        yield from (Value(n, v, prdc.VERSION, {'k': k}) for n, v in names)
        return
    for n, v in prdc.precision_recall(*sets, 3)._asdict().items():
        yield Value(n, v, prdc.VERSION, {'k': 3})
    for n, v in prdc.density_coverage(*sets, 5)._asdict().items():
        yield Value(n, v, prdc.VERSION, {'k': 5})


def score(pair: Pair) -> Iterator[Value]:
    """Inception Score, or the same of a classifier."""
    features.predictions(pair.fake, 'is')
    splits = pair.options.splits
    probs = inception_score.softmax(pair.fake.logits)
    # images may come sorted by class, which splits of consecutive images must not see
    order = np.random.default_rng(pair.seed).permutation(len(probs))
    estimate = inception_score.inception_score(probs[order], splits)
    yield spread('is', estimate, splits, 'splits', inception_score.VERSION, {'splits': splits})


def frechet_per_class(pair: Pair) -> Iterator[Value]:
    """Mean over classes of the Frechet distance within the class, and each class's own."""
    labels = [
        features.known_labels(part, who, 'fid-per-class')
        for who, part in (('real', pair.real), ('fake', pair.fake))
    ]
    result = conditional.per_class(pair.real.features, labels[0], pair.fake.features, labels[1])
    yield Value('fid-per-class', result.mean, conditional.VERSION, {})
    for label, value in result.classes.items():
        yield Value(f'fid-class-{label}', value, conditional.VERSION, {})


def accuracy(pair: Pair) -> Iterator[Value]:
    """Share of fakes that the classifier takes for the class they were made for."""
    predicted = own_classes(pair, 'label-accuracy')
    labels = features.known_labels(pair.fake, 'fake', 'label-accuracy')
    value = conditional.label_accuracy(predicted, labels)
    yield Value('label-accuracy', value, conditional.VERSION, {})


def coverage(pair: Pair) -> Iterator[Value]:
    """Share of the classes that at least one fake is taken for."""
    predicted = own_classes(pair, 'class-coverage')
    value = conditional.class_coverage(predicted, pair.fake.logits.shape[1])
    yield Value('class-coverage', value, conditional.VERSION, {})


def own_classes(pair: Pair, metric: str) -> np.ndarray:
    """Return predictions in the data set's own classes, which ImageNet's are not."""
    if pair.extractor.name != 'classifier':
        raise UserError(f'{metric} needs a classifier of the data set: --features=classifier')
    return features.predictions(pair.fake, metric)


def sliced(pair: Pair) -> Iterator[Value]:
    """Sliced Wasserstein distance of the features."""
    keys = {'directions': pair.options.directions}
    value = swd.sliced_wasserstein(pair.real.features, pair.fake.features, seed=pair.seed, **keys)
    yield Value('swd', value, swd.VERSION, keys)


def sliced_pyramid(pair: Pair) -> Iterator[Value]:
    """Sliced Wasserstein distance of patches at each level of a Laplacian pyramid, and the mean."""
    for height, value in pyramid.pyramid(*pair.images(), seed=pair.seed).items():
        yield Value(f'pyramid-{height or "mean"}', value, swd.VERSION, {})


def stacked(pair: Pair) -> Iterator[Value]:
    """Stacked MNIST: modes of 1000 and KL to uniform, by a classifier of one channel."""
    own_classes(pair, 'stacked')
    fake = pair.images()[1]
    channels = [fake[..., i : i + 1] for i in range(fake.shape[-1])]
    blocks = [
        [pair.extractor.apply(c[i : i + 256])[1].argmax(1) for i in range(0, len(c), 256)]
        for c in channels
    ]
    result = modes.stacked(np.stack([np.concatenate(b) for b in blocks], axis=1))
    yield Value('stacked-modes', result.modes, modes.VERSION, {})
    yield Value('stacked-kl', result.kl, modes.VERSION, {})


METRICS: dict[str, Callable[[Pair], Iterator[Value]]] = {
    'fid': frechet,
    'kid': kernel,
    'mmd2': kernel_full,
    'prdc': manifolds,
    'is': score,
    'fid-per-class': frechet_per_class,
    'label-accuracy': accuracy,
    'class-coverage': coverage,
    'swd': sliced,
    'pyramid': sliced_pyramid,
    'stacked': stacked,
}
# these do not look at features
OF_PIXELS = ('pyramid', 'stacked')


def check(names: Iterable[str]) -> tuple[str, ...]:
    """Return the metrics' names; raise UserError for none or an unknown one."""
    chosen = tuple(names)
    for name in chosen or ('',):
        if name not in METRICS:
            raise UserError(
                f"no metric '{name}'{nearest(name, METRICS)}; there are: {', '.join(METRICS)}"
            )
    return chosen


def needs(name: str, options: Options) -> int:
    """Return how many images of each set a metric needs."""
    k = options.k or 5
    special = {'kid': max(options.kid_subset_size, 2), 'prdc': k + 1, 'is': options.splits}
    return special.get(name, 2)


def title(base: str, extractor: Extractor) -> str:
    """Return the name under which a number is reported: its network and resizer are part of it.

    'fid-legacy' and 'fid-clean' are FID; 'fid768-legacy' is FID-768 and no FID; a classifier's
    is 'classifier-frechet'.
    """
    if base.startswith(OF_PIXELS):
        return base
    head, _, tail = base.partition('-')
    if extractor.name == 'classifier':
        return '-'.join(filter(None, ('classifier', OWN_NAMES.get(head, head), tail)))
    depth = '768' if extractor.name == 'inception768' else ''
    return '-'.join(filter(None, (head + depth, tail, extractor.resize)))


def measure(names: Iterable[str], pair: Pair) -> list[Value]:
    """Run metrics on one pair of sets, and give the results their full names."""
    values = [value for name in names for value in METRICS[name](pair)]
    return [v._replace(metric=title(v.metric, pair.extractor)) for v in values]


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
