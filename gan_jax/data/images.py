"""Decode image files to arrays; whatever is wrong with one becomes BadImage with its reason."""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps

from gan_jax.data.geometry import MODES, Geometry, Misfit, convert

FORMATS = ('PNG', 'JPEG', 'WEBP', 'BMP', 'TIFF')
SUFFIXES = ('.png', '.jpg', '.jpeg', '.jpe', '.jfif', '.webp', '.bmp', '.dib', '.tif', '.tiff')
# modes in which a file is decoded as 16 bits of gray
DEEP = ('I', 'I;16', 'I;16B', 'I;16L', 'I;16N')

# A file that only warns of a bomb must not be decoded either.
warnings.filterwarnings('error', category=Image.DecompressionBombWarning)
# What is wrong with metadata does not concern the pixels.
warnings.filterwarnings('ignore', category=UserWarning, module='PIL')
Image.init()


class BadImage(Exception):
    """Say why a file is no usable image."""


def reason(error: BaseException) -> str:
    """Put an error of the decoder into one short line."""
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return 'a decompression bomb: more pixels than any real image'
    text = ' '.join(str(error).split())
    return (text or type(error).__name__)[:200]


def open_image(data: bytes) -> Image.Image:
    """Open an image file's bytes, header only; raises BadImage."""
    if not data:
        raise BadImage('is empty')
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        pixels = image.width * image.height
    except Image.UnidentifiedImageError:
        raise BadImage(f'is no image of a known kind ({", ".join(FORMATS)})') from None
    # decoders raise almost anything on damaged data
    except Exception as error:
        raise BadImage(reason(error)) from None
    if pixels > (Image.MAX_IMAGE_PIXELS or pixels):
        raise BadImage(reason(Image.DecompressionBombError()))
    return image


def check_whole(data: bytes, image: Image.Image) -> None:
    """Check what decoding passes over: the checksums of a PNG's chunks, the end of a JPEG.

    A JPEG whose tail was lost and filled with zeros would decode, to gray.
    """
    if image.format == 'PNG':
        Image.open(io.BytesIO(data), formats=('PNG',)).verify()
    if image.format in ('JPEG', 'MPO') and data.rfind(b'\xff\xd9') < data.rfind(b'\xff\xda'):
        raise BadImage('is truncated: it has no end marker')


def mode_of(image: Image.Image) -> str:
    """Return the mode that keeps an image's content: L, LA, RGB, RGBA, I (16 bits) or F."""
    if image.mode in DEEP:
        return 'I'
    if image.mode == 'F':
        return 'F'
    if image.mode == '1':
        return 'L'
    clear = 'transparency' in image.info or image.mode in ('PA', 'La', 'LA', 'RGBa', 'RGBA')
    if image.mode in ('L', 'La', 'LA'):
        return 'LA' if clear else 'L'
    return 'RGBA' if clear else 'RGB'


def header(data: bytes) -> tuple[int, int, int, str]:
    """Return (H, W, C, dtype) of an image file without decoding it; raises BadImage."""
    image = open_image(data)
    mode = mode_of(image)
    try:
        turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except Exception:
        turned = False
    h, w = (image.width, image.height) if turned else (image.height, image.width)
    channels = next((c for c, m in MODES.items() if m == mode), 1)
    return h, w, channels, 'uint16' if mode == 'I' else 'uint8'


def upright(image: Image.Image) -> Image.Image:
    """Turn an image as its EXIF orientation says; unreadable EXIF says nothing."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image


def deep(image: Image.Image) -> np.ndarray:
    """Return gray of more than 8 bits as uint16 [H, W, 1]; raises BadImage beyond 16 bits."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise BadImage('has gray values beyond 16 bits')
    return values.astype(np.uint16)[:, :, None]


def pixels(image: Image.Image, geometry: Geometry) -> np.ndarray:
    """Return the pixels [H, W, C] of an open image, cropped and resized."""
    mode = mode_of(image)
    if mode == 'F':
        raise BadImage('has floating-point pixels; save it as 8 or 16 bits')
    image.load()
    image = upright(image)
    if mode == 'I':
        return geometry.fit(deep(image))
    if image.mode != mode:
        image = image.convert(mode)
    if geometry.channels in (1, 3) and mode in ('L', 'RGB'):
        image = image.convert(MODES[geometry.channels])
    if image.mode in ('LA', 'RGBA') and geometry.channels in (1, 3):
        array = convert(np.asarray(image), geometry.channels, geometry.background)
        image = Image.fromarray(array[:, :, 0] if geometry.channels == 1 else array)
    array = np.asarray(geometry.resample(image))
    array = array[:, :, None] if array.ndim == 2 else array
    return convert(array, geometry.channels, geometry.background)


def decode(data: bytes, geometry: Geometry) -> np.ndarray:
    """Decode an image file to uint8, or uint16 for 16-bit gray, [H, W, C]; raises BadImage."""
    image = open_image(data)
    try:
        check_whole(data, image)
        return pixels(image, geometry)
    except BadImage:
        raise
    except Misfit as error:
        raise BadImage(str(error)) from None
    # decoders raise almost anything on damaged data
    except Exception as error:
        raise BadImage(reason(error)) from None
