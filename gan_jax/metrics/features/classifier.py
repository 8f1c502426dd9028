"""Features, classes and probabilities by a classifier that this package trained on the data."""

import functools
from collections.abc import Sequence

import jax
import numpy as np

from gan_jax.core.state import digest
from gan_jax.errors import UserError
from gan_jax.kinds.image import scale
from gan_jax.metrics.features.protocol import Extractor, LoadRun, Parallel


def make(how: str, path: str, load: LoadRun) -> Extractor:
    """Make the extractor of a trained classifier; path is the folder of its run.

    Images must have the size and channels that it was trained on; `--data.size` brings them there.
    One of gray images sees the channels of others one by one, see `joint`.

    Raises:
      UserError: no such run, or the run of another algorithm.
    """
    del how
    if not path:
        raise UserError(
            "--features=classifier needs --weights=, the folder of a classifier's run: "
            'python launch.py --config=configs/classifier_mnist.py trains one'
        )
    trained = load(path)
    if not hasattr(trained.algorithm, 'classify'):
        raise UserError(f'{path} is a run of {trained.config.algorithm}, not of a classifier')
    shape = tuple(trained.algorithm.shape)

    def classify(state, images):
        return trained.algorithm.classify(state, scale(images, trained.config.data.range))

    run = Parallel(jax.jit(classify), trained.state)

    def apply(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if images.shape[1:] == shape:
            return run(images)
        if (*images.shape[1:3], 1) != shape:
            raise UserError(
                f'the classifier in {path} takes images of {shape}, not {images.shape[1:]}: '
                'give --data.size'
            )
        return joint([run(images[..., i : i + 1]) for i in range(images.shape[3])])

    sha = digest(trained.state.nets['classifier'].averaged)
    return Extractor('classifier', 'none', sha, 'none: the size of its training images', apply)


def joint(channels: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the features [n, C d] of C channels, and logits [n, K^C] of all rows of their classes.

    The classes a, b, c of three channels of ten make the number 100 a + 10 b + c, as in Stacked
    MNIST; its probability is the product of the three.
    """
    features, logits = zip(*channels, strict=True)

    def product(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return (one[:, :, None] + other[:, None, :]).reshape(len(one), -1)

    return np.concatenate(features, axis=1), functools.reduce(product, logits)
