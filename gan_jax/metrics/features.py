"""The networks that metrics are defined on, and a cache of what they say of image sets."""

import hashlib
import io
import json
import pathlib
import zipfile
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gan_jax.errors import UserError, nearest
from gan_jax.metrics import weights
from gan_jax.metrics.inception import Inception
from gan_jax.metrics.moments import Moments
from gan_jax.metrics.resize import RESIZERS, resize
from gan_jax.metrics.sets import Batch, ImageSet, digest

VERSION = 1
# what a cache file that is absent, cut short or of another kind raises
BROKEN = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


class Features(NamedTuple):
    """Features [n, d] and logits [n, classes] of n images, float32; labels [n] or None."""

    features: np.ndarray
    logits: np.ndarray
    labels: np.ndarray | None = None

    def moments(self) -> Moments:
        """Return mean and covariance in float64."""
        return Moments.of(self.features)


class Extractor(NamedTuple):
    """Turn uint8 images [b, H, W, C] into (features [b, d], logits [b, classes]).

    `name` and `resize` are part of the name of every metric; `sha256` is the weights'. `note`
    says how images are converted. logits has no columns where the network has no classes.
    """

    name: str
    resize: str
    sha256: str
    note: str
    apply: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def three_channels(images: jax.Array) -> jax.Array:
    """Return RGB: gray three times, alpha dropped; raise UserError for other channel counts."""
    channels = images.shape[-1]
    if channels not in (1, 3, 4):
        raise UserError(f'Inception takes gray, RGB or RGBA images, not {channels} channels')
    return jnp.repeat(images, 3, axis=-1) if channels == 1 else images[..., :3]


NOTE = 'gray repeated to RGB, alpha dropped'


def inception(name: str, how: str, path: str) -> Extractor:
    """Make the features of the FID network, as deep as the weights at hand go.

    Raises:
      UserError: weights or resizer not to be had, or not deep enough for what is asked.
    """
    if how not in RESIZERS:
        raise UserError(
            f"no resizer '{how}'{nearest(how, RESIZERS)}; there are: {', '.join(RESIZERS)}"
        )
    network = weights.load(path)
    depth = 768 if name == 'inception768' else 2048
    if network.depth < depth:
        raise UserError(
            f'{path} ends at the 768-channel map: use --features=inception768, or for FID '
            f'{weights.FILE} from {weights.URL}'
        )
    run = early if depth == 768 else late
    compiled = jax.jit(lambda variables, images: run(variables, three_channels(images), how))
    apply = Parallel(compiled, network.variables)
    return Extractor(name, how, network.sha256, NOTE, apply)


def early(variables: Any, images: jax.Array, how: str) -> tuple[jax.Array, jax.Array]:
    """Average the 768-channel map; it has no logits."""
    maps = taps(variables, images, how, ('768',))['768']
    return maps.mean((1, 2)), jnp.zeros((len(maps), 0))


def late(variables: Any, images: jax.Array, how: str) -> tuple[jax.Array, jax.Array]:
    """Return the 2048 pooled features, and the logits without bias that Inception Score takes."""
    found = taps(variables, images, how, ('2048', 'logits_unbiased'))
    return found['2048'], found['logits_unbiased']


def taps(
    variables: Any, images: jax.Array, how: str, names: tuple[str, ...]
) -> dict[str, jax.Array]:
    """Run the network on uint8 RGB images [b, H, W, 3]."""
    return cast(dict, Inception().apply(variables, resize(images, how), names))


def classifier(name: str, how: str, path: str) -> Extractor:
    """Make the features of a classifier that this package trained; path is its run's folder."""
    from gan_jax.metrics import classifier as module

    return module.extractor(path)


NETWORKS = {'inception': inception, 'inception768': inception, 'classifier': classifier}


def make(name: str, how: str = 'legacy', path: str = '') -> Extractor:
    """Make the extractor of a name; raise UserError where there is none."""
    if name not in NETWORKS:
        raise UserError(
            f"no features '{name}'{nearest(name, NETWORKS)}; there are: {', '.join(NETWORKS)}"
        )
    return NETWORKS[name](name, how, path)


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


def of_set(extractor: Extractor, images: ImageSet, indices: np.ndarray, size: int = 32) -> Features:
    """Compute the features of some images of a set."""
    return extract(extractor, images.batches(indices, size), images.image_name)


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
        features = of_set(extractor, images, indices, size)
        save(path, features)
        return features, content


def cached(extractor: Extractor, content: str) -> pathlib.Path:
    """Return where the features of a set are kept."""
    key = [VERSION, extractor.name, extractor.resize, extractor.sha256, content, backend()]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()
    return weights.cache() / 'features' / f'{name}.npz'


def backend() -> str:
    # rounding differs between kinds of devices
    return jax.devices()[0].device_kind


def save(path: pathlib.Path, features: Features) -> None:
    """Write features so that they are there whole or not at all."""
    arrays = {k: v for k, v in features._asdict().items() if v is not None}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    weights.atomic(path, buffer.getvalue())


def restore(path: pathlib.Path) -> Features:
    """Read what `save` wrote; raises one of BROKEN."""
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
        return Features(**{key: arrays[key] for key in arrays.files})


def predictions(features: Features, metric: str) -> np.ndarray:
    """Return the classes [n] that the network takes the images for; raise UserError for none."""
    if not features.logits.shape[1]:
        raise UserError(f'{metric} needs a network with classes: --features=classifier')
    return features.logits.argmax(1)


def known_labels(features: Features, who: str, metric: str) -> np.ndarray:
    """Return the labels [n] of a set; raise UserError where it has none."""
    if features.labels is None:
        raise UserError(f'{metric} needs labels; {who} has none')
    return features.labels
