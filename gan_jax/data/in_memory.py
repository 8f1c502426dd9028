"""The common part of all sources that hold their images as one array."""

import dataclasses

import numpy as np

from gan_jax.data import labels as labelling
from gan_jax.data.geometry import Geometry, Misfit
from gan_jax.data.protocol import Example, Field, image_spec
from gan_jax.errors import UserError


class InMemory:
    """Serve images [N, H, W, C] of uint8, uint16 or float32, and more arrays of N rows.

    labels: class numbers [N], -1 where unknown; values: further fields by name, as they are.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray | None,
        geometry: Geometry,
        origin: str,
        classes: tuple[str, ...] = (),
        values: Example | None = None,
    ):
        self.images = channelled(images, origin)
        self.geometry = geometry
        self.beside = dict(values or {})
        unknown = 0
        if labels is not None:
            self.beside['label'] = numbers = checked(labels, len(images), origin)
            classes = classes or labelling.numbered(int(numbers.max()), len(numbers), origin)
            if numbers.max() >= len(classes):
                raise UserError(
                    f'{origin}: the label {numbers.max()} is none of the {len(classes)} classes'
                )
            unknown = int((numbers < 0).sum())
        try:
            shape = geometry.shape(self.images.shape[1:])
        except Misfit as error:
            raise UserError(f'{origin}: each image {error}') from None
        spec = image_spec(shape, str(self.images.dtype), classes, unknown, labels is not None)
        fields = {k: Field(v.shape[1:], str(v.dtype), 'value') for k, v in (values or {}).items()}
        self.spec = dataclasses.replace(spec, fields={**spec.fields, **fields})

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Example:
        image = self.geometry.fit(self.images[index])
        return {'image': image, **{k: v[index] for k, v in self.beside.items()}}

    def original(self, index: int) -> tuple[int, int]:
        """Return the size (H, W) of an example before crop and resize."""
        return self.images[index].shape[:2]

    def batch(self, indices: np.ndarray) -> Example:
        """Read several examples as one batch."""
        images = np.asarray(self.images[indices])
        if images.shape[1:] != self.spec.shape:
            images = np.stack([self.geometry.fit(image) for image in images])
        return {'image': images, **{k: v[indices] for k, v in self.beside.items()}}


def channelled(images: np.ndarray, origin: str) -> np.ndarray:
    """Return images as [N, H, W, C]: flat squares, missing and leading channels put right."""
    if images.ndim >= 1 and len(images) == 0:
        raise UserError(f'{origin} holds no images')
    if images.ndim == 3 and images.shape[1] == 1 and square(images.shape[2]):
        images = images[:, 0]
    if images.ndim == 2 and square(images.shape[1]):
        side = square(images.shape[1])
        images = images.reshape(len(images), side, side)
    if images.ndim == 3:
        images = images[:, :, :, None]
    if images.ndim != 4 or 0 in images.shape:
        raise UserError(
            f'{origin} has shape {images.shape}; images are [N, H, W], [N, H, W, C] or flat squares'
        )
    a, b, c = images.shape[1:]
    if a in (1, 3, 4) and c not in (1, 2, 3, 4) and b > 4:
        images = np.moveaxis(images, 1, 3)
    return images


def square(pixels: int) -> int:
    """Return the side of a square of so many pixels, or 0."""
    side = round(pixels**0.5)
    return side if side > 1 and side * side == pixels else 0


def checked(labels: np.ndarray, n: int, origin: str) -> np.ndarray:
    """Return labels as int32 [N], -1 where unknown; raises UserError for what is no class."""
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (n,):
        raise UserError(f'{origin}: {n} images, but labels of shape {labels.shape}')
    if labels.dtype.kind not in 'iu' or labels.min() < -1:
        what = labels.dtype if labels.dtype.kind not in 'iu' else labels.min()
        raise UserError(f'{origin}: labels must be class numbers from 0, or -1, not {what}')
    if labels.max() > np.iinfo(np.int32).max:
        labelling.numbered(int(labels.max()), n, origin)
    return labels.astype(np.int32)
