"""Sets of images to compare: folders, archives, arrays and named data sets, as uint8 batches."""

import hashlib
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from gan_jax import data
from gan_jax.data.config import names
from gan_jax.data.keys import PIPELINE
from gan_jax.data.protocol import BadExample, load, name_of
from gan_jax.errors import UserError, nearest, unknown
from gan_jax.kinds import image as pictures


class Batch(NamedTuple):
    """Images uint8 [b, H, W, C], labels int [b] or None, and where each is in its set."""

    images: np.ndarray
    labels: np.ndarray | None
    indices: np.ndarray


class ImageSet(NamedTuple):
    """A source with the name it was asked for by; `range` is what the floats of a field mean."""

    name: str
    split: str
    source: Any
    range: str = '[-1,1]'
    field: str = 'image'

    @classmethod
    def of(cls, name: str, split: str, source: Any, span: str, field: str = '') -> 'ImageSet':
        """Return the set of one field of a source, its main one by default.

        Raises:
          UserError: there is no such field, or it does not hold images.
        """
        field = field or source.spec.main
        if field not in source.spec.images:
            raise unknown(f'field of images in {name}', field, source.spec.images)
        return cls(name, split, source, span, field)

    def __len__(self) -> int:
        return len(self.source)

    def choose(self, num: int, seed: int, role: str) -> np.ndarray:
        """Return the indices of `num` images drawn without replacement, sorted; 0 means all.

        Raises:
          UserError: there are not as many.
        """
        if num > len(self):
            raise UserError(f'{num} images wanted, but {role} {self.name} has {len(self)}')
        if num in (0, len(self)):
            return np.arange(len(self))
        return np.sort(np.random.default_rng(seed).choice(len(self), num, replace=False))

    def batches(self, indices: np.ndarray, size: int) -> Iterator[Batch]:
        """Read images in order.

        Raises:
          UserError: one of them cannot be read (names it).
        """
        for i in range(0, len(indices), size):
            chosen = indices[i : i + size]
            try:
                batch = load(self.source, chosen)
            except BadExample as error:
                raise UserError(f'cannot read {error} of {self.name}') from None
            labels = batch.get('label')
            labels = None if labels is None else np.asarray(labels)
            yield Batch(to_uint8(np.asarray(batch[self.field]), self.range), labels, chosen)

    def image_name(self, index: int) -> str:
        """Name one image for people."""
        return f'{name_of(self.source, index)} of {self.name}'

    def conversion(self) -> str:
        """Say how pixels become uint8 RGB, for the certificate."""
        field = self.source.spec.fields[self.field]
        steps = {
            'uint8': '',
            'uint16': 'uint16 / 257',
            'float32': f'float {self.range} to uint8',
        }[field.dtype]
        shape = 'x'.join(map(str, field.shape))
        return ', '.join(filter(None, (shape, steps)))


def to_uint8(images: np.ndarray, span: str = '[-1,1]') -> np.ndarray:
    """Return images as uint8: 16 bits are divided by 257, floats of a range are rounded.

    Raises:
      UserError: values that are not finite.
    """
    if images.dtype == np.uint8:
        return images
    if images.dtype == np.uint16:
        return (images / 257).round().astype(np.uint8)
    if not np.isfinite(images).all():
        raise UserError('images hold NaN or inf')
    return pictures.to_uint8(images, span)


def digest(batches: Iterator[Batch]) -> str:
    """Return the sha256 of pixels and labels in order, whatever file they are stored in."""
    sha = hashlib.sha256()
    for batch in batches:
        update(sha, batch)
    return sha.hexdigest()


def update(sha: Any, batch: Batch) -> None:
    """Add a batch to a digest, image by image, so that the batch size does not matter."""
    labels = [-1] * len(batch.images) if batch.labels is None else batch.labels
    for image, label in zip(batch.images, labels, strict=True):
        sha.update(f'{image.shape} {int(label)}\n'.encode())
        sha.update(np.ascontiguousarray(image).tobytes())


def options() -> dict[str, Any]:
    """Return the keys of config.data that a set can be opened with, and their defaults."""
    unused = {'name', 'dataset', *PIPELINE} - {'range'}
    return {key: value for key, value in data.defaults().items() if key not in unused}


def open_set(text: str, **keys: Any) -> ImageSet:
    """Open a folder, zip or tar of images, a .npy or .npz, or NAME[:SPLIT], a named data set.

    NAME is a source of gan_jax.data, or a data set of tensorflow-datasets; the keys are those of
    config.data. Names that exist as files are files: write ./mnist for a folder called so.

    Raises:
      UserError: nothing of that name, or a key that it has no use for.
    """
    place = pathlib.Path(text).expanduser()
    if place.exists():
        kind = 'array' if place.suffix in ('.npy', '.npz') else 'folder'
        return opened(text, {**keys, 'name': kind, 'path': str(place)})
    name, _, split = text.partition(':')
    if not name or '/' in text or place.suffix in ('.npy', '.npz', '.zip', '.tar', '.gz', '.png'):
        raise UserError(f"no file, folder or data set '{text}'")
    keys = {**keys, 'split': split or keys.get('split', '')}
    if name in names():
        return opened(name, {**keys, 'name': name})
    try:
        return opened(name, {**keys, 'name': 'tfds', 'dataset': name})
    except UserError as error:
        hint = nearest(name, names())
        raise UserError(f"no file, folder or data set '{text}'{hint}; {error}") from None


def opened(name: str, keys: Mapping[str, Any]) -> ImageSet:
    config = {**data.defaults(), **keys}
    return ImageSet.of(name, config['split'], data.open_source(config), config['range'])
