"""The training images nearest to what a generator makes: has it learnt them by heart?"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gan_jax import data
from gan_jax.errors import UserError
from gan_jax.metrics.features.protocol import Extractor
from gan_jax.metrics.sets import ImageSet
from gan_jax.training.inference import Trained

# Images read at once.
CHUNK = 256

# uint8 images [b, H, W, C] -> what is compared, [b, d]
Embed = Callable[[np.ndarray], np.ndarray]


class Neighbours(NamedTuple):
    """Hold the nearest training images of n samples, the nearest first, [n, k] each.

    distances: root of the mean squared difference. usual: the median distance of a training image
    from the nearest other one, for scale.
    """

    indices: np.ndarray
    distances: np.ndarray
    usual: float


def pixels(images: np.ndarray) -> np.ndarray:
    """Return images [b, H, W, C] as vectors in [0, 1]."""
    return images.reshape(len(images), -1) / 255.0


def features(extractor: Extractor) -> Embed:
    """Return the features of a network as what is compared."""
    return lambda images: extractor.apply(images)[0].astype(np.float64)


def training_images(trained: Trained) -> ImageSet:
    """Return the images that a run was trained on, as they were read.

    Raises:
      UserError: it was trained on something else, or makes images of another shape.
    """
    config, field = trained.config, trained.maker.field
    source = data.open_source(config.data)
    name = config.data.get('dataset') or config.data.name
    found = ImageSet.of(name, config.data.get('split', ''), source, config.data.range, field)
    there, made = source.spec.fields[field].shape, trained.field.shape
    if there != made:
        raise UserError(
            f'neighbours cannot be found: the data holds images of {there}, the model makes {made}'
        )
    return found


def nearest(
    samples: np.ndarray, images: ImageSet, embed: Embed, k: int, seed: int = 0
) -> Neighbours:
    """Return the k training images nearest to each of n uint8 samples [n, H, W, C].

    As many training images, drawn by the seed, are compared with all others.

    Raises:
      UserError: there are not k + 1 training images, or one cannot be read.
    """
    if k + 1 > len(images):
        raise UserError(
            f'nearest={k} is not allowed: the set holds {len(images)} images, of which one is '
            f'compared with the others; available: 1 to {len(images) - 1}'
        )
    drawn = images.choose(min(len(samples), len(images)), seed, 'real')
    own = np.concatenate([b.images for b in images.batches(drawn, CHUNK)])
    queries = np.concatenate([embed(samples), embed(own)])
    # an image is no neighbour of its own
    itself = np.concatenate([np.full(len(samples), -1), drawn])
    distances = np.full((len(queries), k), np.inf)
    indices = np.full((len(queries), k), -1)
    for batch in images.batches(np.arange(len(images)), CHUNK):
        found = np.where(
            batch.indices[None] == itself[:, None], np.inf, apart(queries, embed(batch.images))
        )
        distances = np.concatenate([distances, found], axis=1)
        indices = np.concatenate([indices, np.tile(batch.indices, (len(queries), 1))], axis=1)
        order = np.argsort(distances, axis=1, kind='stable')[:, :k]
        distances, indices = (np.take_along_axis(x, order, 1) for x in (distances, indices))
    n = len(samples)
    return Neighbours(indices[:n], distances[:n], float(np.median(distances[n:, 0])))


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the root mean squared differences [n, m] of vectors [n, d] and [m, d]."""
    squares = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
    return np.sqrt(np.maximum(squares, 0) / a.shape[1])
