"""The common part of all sources that hold their images as one array."""

import numpy as np

from gan_jax.data.geometry import Geometry, Misfit
from gan_jax.data.protocol import Example, Spec
from gan_jax.errors import UserError


class Arrays:
    """Serve images [N, H, W, C] of uint8, uint16 or float32 with optional labels [N]."""

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray | None,
        geometry: Geometry,
        origin: str,
        classes: tuple[str, ...] = (),
    ):
        self.images = channelled(images, origin)
        self.geometry = geometry
        self.labels = None if labels is None else checked(labels, len(images), origin)
        if self.labels is not None and not classes:
            classes = tuple(str(i) for i in range(int(self.labels.max()) + 1))
        try:
            shape = geometry.fit(self.images[0]).shape
        except Misfit as error:
            raise UserError(f'{origin}: each image {error}') from None
        self.spec = Spec(shape, len(classes), str(self.images.dtype), tuple(classes))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Example:
        example = {'image': self.geometry.fit(self.images[index])}
        if self.labels is not None:
            example['label'] = self.labels[index]
        return example

    def original(self, index: int) -> tuple[int, int]:
        """Return the size (H, W) of an example before crop and resize."""
        return self.images[index].shape[:2]

    def batch(self, indices: np.ndarray) -> Example:
        """Read several examples as one batch."""
        images = np.asarray(self.images[indices])
        if images.shape[1:] != self.spec.shape:
            images = np.stack([self.geometry.fit(image) for image in images])
        batch = {'image': images}
        if self.labels is not None:
            batch['label'] = self.labels[indices]
        return batch


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
    """Return labels as int32 [N]; raises UserError where they are not class numbers."""
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (n,):
        raise UserError(f'{origin}: {n} images, but labels of shape {labels.shape}')
    if labels.dtype.kind not in 'iu' or labels.min() < 0:
        raise UserError(f'{origin}: labels must be class numbers from 0, not {labels.dtype}')
    return labels.astype(np.int32)
