"""Run an extractor over batches of images."""

from collections.abc import Callable, Iterable

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics.features.protocol import Extractor, Features
from gan_jax.metrics.sets import Batch


def extract(
    extractor: Extractor,
    batches: Iterable[Batch],
    name: Callable[[int], str] = lambda i: f'image {i}',
) -> Features:
    """Compute the features of all batches.

    The last batch is filled up to the size of the others, so that one program serves all.

    Raises:
      UserError: features that are not finite (names the image), or no images at all.
    """
    features: list[np.ndarray] = []
    logits: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    size = 0
    for batch in batches:
        size = size or len(batch.images)
        short = size - len(batch.images)
        images = np.concatenate([batch.images, np.repeat(batch.images[-1:], short, 0)])
        first, second = (x[: len(batch.images)] for x in extractor.apply(images))
        bad = ~np.isfinite(first).all(1)
        if bad.any():
            raise UserError(
                f'{name(int(batch.indices[bad.argmax()]))} has features with NaN or inf'
            )
        features.append(first)
        logits.append(second)
        if batch.labels is not None:
            labels.append(batch.labels)
    if not features:
        raise UserError('no images to compute features of')
    known = np.concatenate(labels) if labels else None
    return Features(np.concatenate(features), np.concatenate(logits), known)
