"""The features of the FID network up to its 768-channel map, averaged: FID-768, and never FID."""

from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.metrics.features import inception
from gan_jax.metrics.features.protocol import Extractor, LoadRun


def make(how: str, path: str, load: LoadRun) -> Extractor:
    """Make the extractor; path may be the early weights, which end there."""
    del load
    return inception.extractor('inception768', 768, averaged, how, path, '768')


def averaged(variables: Any, images: jax.Array, how: str) -> tuple[jax.Array, jax.Array]:
    """Average the 768-channel map; it has no logits."""
    maps = inception.taps(variables, images, how, ('768',))['768']
    return maps.mean((1, 2)), jnp.zeros((len(maps), 0))
