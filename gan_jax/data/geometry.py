"""Crop, resize and convert images to one shape; the same for files and for arrays."""

import dataclasses

import numpy as np
from PIL import Image, ImageColor

from gan_jax import errors
from gan_jax.core.transforms import PIXELS

FILTERS = {
    'lanczos': Image.Resampling.LANCZOS,
    'bicubic': Image.Resampling.BICUBIC,
    'bilinear': Image.Resampling.BILINEAR,
    'box': Image.Resampling.BOX,
    'nearest': Image.Resampling.NEAREST,
}
MODES = {1: 'L', 2: 'LA', 3: 'RGB', 4: 'RGBA'}
Box = tuple[int, int, int, int]


def parse_size(size: int | str) -> tuple[int, int] | None:
    """Return (H, W) of 64, '64' or '64x96'; None, for as it is, of 0, '0' or ''."""
    text = str(size).lower().strip()
    if text in ('', '0'):
        return None
    parts = text.split('x')
    if len(parts) > 2 or not all(map(PIXELS.fullmatch, parts)):
        raise errors.UserError(
            f"config.data.size='{size}' is no size; write 64, or HxW like 64x96, or 0 for as it is"
        )
    return int(parts[0]), int(parts[-1])


def parse_crop(crop: str) -> str | Box:
    """Return 'center', 'none' or the box (left, top, right, bottom) of 'X,Y,W,H'."""
    if crop in ('center', 'none'):
        return crop
    parts = [p.strip() for p in crop.split(',')]
    places = all(p == '0' or PIXELS.fullmatch(p) for p in parts)
    if len(parts) != 4 or not places or '0' in parts[2:]:
        raise errors.UserError(
            f"config.data.crop='{crop}' is no crop; write center, none, or X,Y,W,H in pixels"
        )
    x, y, w, h = map(int, parts)
    return x, y, x + w, y + h


class Misfit(Exception):
    """Say why an image cannot be brought to the wanted shape."""


@dataclasses.dataclass(frozen=True)
class Geometry:
    """Bring images to one shape.

    size: (H, W) or None to keep it; crop: 'center' (to the aspect of size), 'none', or a box;
    resize: a filter of FILTERS; channels: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA, 0 as they are;
    background: the colour that alpha is flattened on.
    """

    size: tuple[int, int] | None = None
    crop: str | Box = 'center'
    resize: str = 'lanczos'
    channels: int = 0
    background: tuple[int, int, int] = (255, 255, 255)

    def box(self, height: int, width: int) -> Box:
        """Return the part (left, top, right, bottom) of an image that is used."""
        if isinstance(self.crop, tuple):
            if self.crop[2] > width or self.crop[3] > height:
                raise Misfit(f'is {height}x{width}, too small for the crop')
            return self.crop
        if self.crop == 'none' or self.size is None:
            return 0, 0, width, height
        h, w = self.size
        # the largest part of the wanted aspect; at least one pixel, at most the image
        cut_h = min(height, max(1, round(width * h / w)))
        cut_w = min(width, max(1, round(height * w / h)))
        left, top = (width - cut_w) // 2, (height - cut_h) // 2
        return left, top, left + cut_w, top + cut_h

    def out(self, height: int, width: int) -> tuple[int, int]:
        """Return the size (H, W) that an image of height x width gets."""
        left, top, right, bottom = self.box(height, width)
        return self.size or (bottom - top, right - left)

    def resample(self, image: Image.Image) -> Image.Image:
        """Crop and resize a PIL image; one resampling, none where the size is right."""
        box = self.box(image.height, image.width)
        h, w = self.out(image.height, image.width)
        if (box[2] - box[0], box[3] - box[1]) == (w, h):
            return image if box == (0, 0, image.width, image.height) else image.crop(box)
        return image.resize((w, h), FILTERS[self.resize], box=box)

    def plane(self, plane: np.ndarray) -> np.ndarray:
        """Crop and resize one channel [H, W] of any dtype."""
        if plane.dtype == np.uint8:
            return np.asarray(self.resample(Image.fromarray(plane)))
        resized = np.asarray(self.resample(Image.fromarray(plane.astype(np.float32))))
        if plane.dtype == np.uint16:
            return np.clip(np.rint(resized), 0, 65535).astype(np.uint16)
        return resized.astype(plane.dtype)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Return the shape (H, W, C) that an array of a shape gets; raises Misfit."""
        height, width, channels = shape
        check_channels(channels, self.channels)
        return (*self.out(height, width), self.channels or channels)

    def fit(self, array: np.ndarray) -> np.ndarray:
        """Crop, resize and convert an array [H, W, C]."""
        array = convert(array, self.channels, self.background)
        h, w, c = array.shape
        if self.box(h, w) == (0, 0, w, h) and self.out(h, w) == (h, w):
            return array
        if array.dtype == np.uint8 and c == 3:
            return np.asarray(self.resample(Image.fromarray(array)))
        return np.stack([self.plane(array[:, :, i]) for i in range(c)], axis=2)


def check_channels(have: int, channels: int) -> None:
    """Raise Misfit where images of so many channels cannot be converted to others."""
    if channels not in (0, have) and (have not in MODES or channels not in MODES):
        raise Misfit(f'has {have} channels, which cannot become {channels}')


def convert(array: np.ndarray, channels: int, background: tuple[int, int, int]) -> np.ndarray:
    """Convert [H, W, C] between gray, gray and alpha, RGB and RGBA; 0 keeps it as it is."""
    have = array.shape[2]
    if channels in (0, have):
        return array
    check_channels(have, channels)
    top = np.iinfo(array.dtype).max if array.dtype.kind == 'u' else 1.0
    values = array.astype(np.float64) / top
    alpha = values[:, :, -1:] if have in (2, 4) else np.ones_like(values[:, :, :1])
    colour = values[:, :, : have - 1] if have in (2, 4) else values
    if channels in (1, 3):
        # flattening: over the background, weighted by alpha
        back = np.asarray(background, np.float64)[None, None] / 255
        back = back if colour.shape[2] == 3 else luma(back)
        colour = colour * alpha + back * (1 - alpha)
    if channels in (1, 2) and colour.shape[2] == 3:
        colour = luma(colour)
    if channels in (3, 4) and colour.shape[2] == 1:
        colour = np.repeat(colour, 3, axis=2)
    parts = [colour, alpha] if channels in (2, 4) else [colour]
    result = np.concatenate(parts, axis=2)
    if array.dtype.kind == 'u':
        result = np.rint(result * top)
    return result.astype(array.dtype)


def luma(colour: np.ndarray) -> np.ndarray:
    """Return the brightness [H, W, 1] of RGB [H, W, 3] by the weights of ITU-R 601-2."""
    return (colour * np.asarray([0.299, 0.587, 0.114])[None, None]).sum(axis=2, keepdims=True)


def make(
    size: int | str = '',
    crop: str = 'center',
    resize: str = 'lanczos',
    channels: int = 0,
    background: str = 'white',
) -> Geometry:
    """Build a Geometry from the keys of config.data; raises UserError for bad values."""
    if resize not in FILTERS:
        raise errors.unknown('config.data.resize', resize, FILTERS)
    if channels not in (0, *MODES):
        raise errors.UserError(
            f'config.data.channels={channels} is not allowed; 0 as they are, 1 gray, '
            f'2 gray and alpha, 3 RGB, 4 RGBA'
        )
    try:
        colour = ImageColor.getrgb(background)[:3]
    except ValueError:
        raise errors.UserError(
            f"config.data.background='{background}' is no colour; write white or #rrggbb"
        ) from None
    box = parse_crop(crop)
    return Geometry(parse_size(size), box, resize, channels, (colour[0], colour[1], colour[2]))
