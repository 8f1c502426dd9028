"""Every kind of image file decodes to the right pixels; geometry does what its names say."""

import io

import numpy as np
import pytest
from PIL import Image

from gan_jax.data import geometry, images
from gan_jax.data.geometry import Misfit
from gan_jax.errors import UserError


def encode(image: Image.Image, kind: str, **options) -> bytes:
    """Return the bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(h: int, w: int, c: int, dtype=np.uint8, seed: int = 0) -> np.ndarray:
    """Return random pixels [H, W, C]."""
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, (h, w, c), dtype, endpoint=True)


RGB = noise(6, 9, 3)
GRAY = noise(6, 9, 1)


@pytest.mark.parametrize('kind', ['PNG', 'BMP', 'TIFF', 'WEBP'])
def test_lossless_kinds_decode_exactly(kind):
    options = {'lossless': True} if kind == 'WEBP' else {}
    data = encode(Image.fromarray(RGB), kind, **options)
    np.testing.assert_array_equal(images.decode(data, geometry.make()), RGB)


def test_jpeg_decodes_to_what_was_saved():
    smooth = np.broadcast_to(np.arange(0, 128, 2, dtype=np.uint8)[None, :, None], (48, 64, 3))
    data = encode(Image.fromarray(np.ascontiguousarray(smooth)), 'JPEG', quality=95)
    difference = images.decode(data, geometry.make()).astype(int) - smooth
    assert abs(difference).max() <= 3


def test_gray_of_1_8_and_16_bits():
    bits = (GRAY[:, :, 0] > 127).astype(np.uint8) * 255
    one = encode(Image.fromarray(bits).convert('1'), 'PNG')
    np.testing.assert_array_equal(images.decode(one, geometry.make())[:, :, 0], bits)
    eight = encode(Image.fromarray(GRAY[:, :, 0]), 'PNG')
    np.testing.assert_array_equal(images.decode(eight, geometry.make()), GRAY)
    deep = noise(6, 9, 1, np.uint16)
    for kind in ('PNG', 'TIFF'):
        decoded = images.decode(encode(Image.fromarray(deep[:, :, 0]), kind), geometry.make())
        assert decoded.dtype == np.uint16
        np.testing.assert_array_equal(decoded, deep)


def test_palette_with_and_without_transparency():
    few = np.repeat(np.asarray([[0, 1], [2, 1]], np.uint8), 2, axis=1)
    image = Image.fromarray(few).convert('P')
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    decoded = images.decode(encode(image, 'PNG'), geometry.make())
    np.testing.assert_array_equal(decoded[0, 0], [10, 20, 30])
    clear = encode(image, 'PNG', transparency=1)
    decoded = images.decode(clear, geometry.make())
    np.testing.assert_array_equal(decoded[0, 2], [40, 50, 60, 0])
    flat = images.decode(clear, geometry.make(channels=3, background='#ff0000'))
    np.testing.assert_array_equal(flat[0, 2], [255, 0, 0])


def test_alpha_is_kept_or_flattened():
    rgba = np.concatenate([RGB, np.full((6, 9, 1), 128, np.uint8)], axis=2)
    data = encode(Image.fromarray(rgba), 'PNG')
    np.testing.assert_array_equal(images.decode(data, geometry.make()), rgba)
    flat = images.decode(data, geometry.make(channels=3, background='black'))
    np.testing.assert_array_equal(flat, np.rint(RGB * (128 / 255)).astype(np.uint8))
    opaque = images.decode(encode(Image.fromarray(RGB), 'PNG'), geometry.make(channels=4))
    assert (opaque[:, :, 3] == 255).all()
    la = encode(Image.fromarray(np.ascontiguousarray(rgba[:, :, 2:])), 'PNG')
    assert images.decode(la, geometry.make(channels=1, background='white')).shape == (6, 9, 1)


def test_cmyk_becomes_rgb():
    cyan = Image.new('CMYK', (4, 4), (255, 0, 0, 0))
    decoded = images.decode(encode(cyan, 'TIFF'), geometry.make())
    np.testing.assert_array_equal(decoded[0, 0], [0, 255, 255])


@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_orientation_turns_pixels_and_header_alike(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(RGB), 'PNG', exif=exif)
    turned = {
        1: RGB, 2: RGB[:, ::-1], 3: RGB[::-1, ::-1], 4: RGB[::-1],
        5: RGB.swapaxes(0, 1), 6: np.rot90(RGB, -1),
        7: RGB[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(RGB),
    }[orientation]  # fmt: skip
    decoded = images.decode(data, geometry.make())
    np.testing.assert_array_equal(decoded, turned)
    assert images.header(data)[:2] == decoded.shape[:2]


def test_center_crop_keeps_the_middle_and_the_aspect():
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    fitted = geometry.make('5', resize='box').fit(wide)
    assert fitted.shape == (5, 5, 3)
    assert (fitted == 200).all()
    assert geometry.make('8x4').box(10, 30) == (12, 0, 17, 10)


def test_no_crop_squeezes_and_a_box_cuts():
    image = noise(8, 12, 3)
    squeezed = geometry.make('4x6', crop='none', resize='box').fit(image)
    mean = image.reshape(4, 2, 6, 2, 3).mean(axis=(1, 3))
    assert abs(squeezed - mean).max() <= 1
    cut = geometry.make('', crop='2,1,5,6').fit(image)
    np.testing.assert_array_equal(cut, image[1:7, 2:7])
    with pytest.raises(Misfit, match='too small'):
        geometry.make('', crop='2,1,50,6').fit(image)


def test_files_and_arrays_are_resized_alike():
    for channels in (1, 3):
        image = noise(20, 30, channels)
        fit = geometry.make('8')
        data = encode(Image.fromarray(image if channels == 3 else image[:, :, 0]), 'PNG')
        np.testing.assert_array_equal(images.decode(data, fit), fit.fit(image))


def test_deep_and_many_channels_are_resized():
    deep = noise(16, 16, 1, np.uint16)
    fitted = geometry.make('8', resize='box').fit(deep)
    assert fitted.dtype == np.uint16
    mean = deep.reshape(8, 2, 8, 2, 1).mean(axis=(1, 3))
    assert abs(fitted - mean).max() <= 1
    assert geometry.make('8').fit(noise(16, 16, 7)).shape == (8, 8, 7)


@pytest.mark.parametrize(
    ('keys', 'message'),
    [
        ({'size': 'big'}, "config.data.size='big' is no size"),
        ({'size': '64x0'}, "config.data.size='64x0'"),
        ({'crop': 'centre'}, "config.data.crop='centre'"),
        ({'resize': 'lanczo'}, "did you mean 'lanczos'"),
        ({'channels': 5}, 'config.data.channels=5'),
        ({'background': 'wite'}, "config.data.background='wite' is no colour"),
    ],
)
def test_wrong_geometry_is_refused(keys, message):
    with pytest.raises(UserError, match=message):
        geometry.make(**keys)
