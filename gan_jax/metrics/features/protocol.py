"""Features of images, and the networks that compute them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

# loads the run in a folder: an object with config, algorithm and state, as gan_jax.load
LoadRun = Callable[[str], Any]


class Features(NamedTuple):
    """Features [n, d] and logits [n, classes] of n images, float32; labels [n] or None."""

    features: np.ndarray
    logits: np.ndarray
    labels: np.ndarray | None = None


class Extractor(NamedTuple):
    """Turn uint8 images [b, H, W, C] into (features [b, d], logits [b, classes]).

    `name` and `resize` are part of the name of every metric; `sha256` is the weights'. `note`
    says how images are converted. logits has no columns where the network has no classes. `fid`
    is what follows the names of metrics that are FID's and its kin, '' or a depth; None, of any
    other network, whose name then stands before them.
    """

    name: str
    resize: str
    sha256: str
    note: str
    apply: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    fid: str | None = None


def no_features(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return no features and no logits of images."""
    return (nothing := np.zeros((len(images), 0), np.float32)), nothing


# for metrics that look at pixels alone, so that no weights need be there
NONE = Extractor('none', 'none', '', 'none', no_features)


class Parallel:
    """Run a compiled function of (variables, images) on all accelerators of this process."""

    def __init__(self, function: Callable, variables: Any):
        devices = jax.local_devices()
        # virtual CPU devices share the same cores
        chosen = devices[:1] if devices[0].platform == 'cpu' else devices
        mesh = Mesh(np.array(chosen), ('data',))
        self.size = len(chosen)
        self.rows = NamedSharding(mesh, PartitionSpec('data'))
        self.variables = jax.device_put(variables, NamedSharding(mesh, PartitionSpec()))
        self.function = function

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        short = -len(images) % self.size
        padded = np.concatenate([images, np.repeat(images[-1:], short, 0)]) if short else images
        outputs = self.function(self.variables, jax.device_put(padded, self.rows))
        first, second = (np.asarray(x)[: len(images)] for x in outputs)
        return first, second
