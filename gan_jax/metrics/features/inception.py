"""The features of the FID network: 2048 of them, pooled, and ImageNet's logits."""

from collections.abc import Callable
from typing import Any, cast

import jax

from gan_jax.errors import UserError, unknown
from gan_jax.kinds.image import three_channels
from gan_jax.metrics.features.protocol import Extractor, LoadRun, Parallel
from gan_jax.metrics.inception import weights
from gan_jax.metrics.inception.network import Inception
from gan_jax.metrics.inception.resize import RESIZERS, resize

NOTE = 'gray repeated to RGB, alpha dropped'
Run = Callable[[Any, jax.Array, str], tuple[jax.Array, jax.Array]]


def make(how: str, path: str, load: LoadRun) -> Extractor:
    """Make the extractor that FID is defined on; path is a file of the published weights."""
    del load
    return extractor('inception', 2048, pooled, how, path, '')


def extractor(name: str, depth: int, run: Run, how: str, path: str, called: str) -> Extractor:
    """Make an extractor of the network's layers up to `depth` channels.

    called: what follows the names of its metrics.

    Raises:
      UserError: weights or resizer not to be had, or not deep enough for what is asked.
    """
    if how not in RESIZERS:
        raise unknown('resizer', how, RESIZERS)
    network = weights.load(path)
    if network.depth < depth:
        raise UserError(
            f'{path} ends at the 768-channel map: use --features=inception768, or for FID '
            f'{weights.FILE} from {weights.URL}'
        )
    compiled = jax.jit(lambda variables, images: run(variables, three_channels(images), how))
    apply = Parallel(compiled, network.variables)
    return Extractor(name, how, network.sha256, NOTE, apply, called)


def pooled(variables: Any, images: jax.Array, how: str) -> tuple[jax.Array, jax.Array]:
    """Return the 2048 pooled features, and the logits without bias that Inception Score takes."""
    found = taps(variables, images, how, ('2048', 'logits_unbiased'))
    return found['2048'], found['logits_unbiased']


def taps(
    variables: Any, images: jax.Array, how: str, names: tuple[str, ...]
) -> dict[str, jax.Array]:
    """Run the network on uint8 RGB images [b, H, W, 3]."""
    return cast(dict, Inception().apply(variables, resize(images, how), names))
