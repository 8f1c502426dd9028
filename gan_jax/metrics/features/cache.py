"""Features of reference sets, kept by what they depend on."""

import hashlib
import io
import json
import pathlib
import zipfile

import jax
import numpy as np

from gan_jax import files
from gan_jax.metrics.features.extract import extract
from gan_jax.metrics.features.protocol import Extractor, Features
from gan_jax.metrics.sets import ImageSet, digest

VERSION = 1
# what a cache file that is absent, cut short or of another kind raises
BROKEN = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


def reference(
    extractor: Extractor, images: ImageSet, indices: np.ndarray, size: int = 32
) -> tuple[Features, str]:
    """Return the features of a reference set and its content digest, from the cache where known.

    The cache is keyed by the digest of pixels and labels, the network's weights and the resizer.
    """
    content = digest(images.batches(indices, 1024))
    path = cached(extractor, content)
    try:
        return restore(path), content
    except BROKEN:
        features = extract(extractor, images.batches(indices, size), images.image_name)
        save(path, features)
        return features, content


def cached(extractor: Extractor, content: str) -> pathlib.Path:
    """Return where the features of a set are kept."""
    key = [VERSION, extractor.name, extractor.resize, extractor.sha256, content, backend()]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()
    return files.cache() / 'features' / f'{name}.npz'


def backend() -> str:
    # rounding differs between kinds of devices
    return jax.devices()[0].device_kind


def save(path: pathlib.Path, features: Features) -> None:
    """Write features so that they are there whole or not at all."""
    arrays = {k: v for k, v in features._asdict().items() if v is not None}
    with files.replacing(path) as temporary:
        np.savez(temporary, **arrays)


def restore(path: pathlib.Path) -> Features:
    """Read what `save` wrote; raises one of BROKEN."""
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
        return Features(**{key: arrays[key] for key in arrays.files})
