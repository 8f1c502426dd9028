"""Nothing bad surfaces as a traceback or a black image: it is named, with its reason."""

import io
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gan_jax import data
from gan_jax.data import geometry, images, pipeline
from gan_jax.errors import UserError


def encode(array: np.ndarray, kind: str = 'PNG', **options) -> bytes:
    """Return the bytes of an image file."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def picture(h: int = 24, w: int = 32, c: int = 3) -> np.ndarray:
    """Return an image that is noise on a ramp."""
    ramp = np.linspace(20, 200, h * w * c).reshape(h, w, c)
    noise = np.random.default_rng(0).integers(0, 40, (h, w, c))
    return np.squeeze((ramp + noise).astype(np.uint8))


def bomb(side: int) -> bytes:
    """Return a PNG that claims to have side x side pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack('>I', len(body)) + kind + body + struct.pack(
            '>I', zlib.crc32(kind + body))  # fmt: skip

    head = struct.pack('>IIBBBBB', side, side, 8, 0, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(
        b'IDAT', zlib.compress(bytes(100))) + chunk(b'IEND', b'')  # fmt: skip


GOOD = encode(picture())
BAD = {
    'bomb.png': (bomb(30_000), 'a decompression bomb'),
    'empty.png': (b'', 'is empty'),
    'gray.png': (encode(picture(c=1)), 'has 1 channels, but good0.png has 3'),
    'half.jpg': (encode(picture(), 'JPEG')[:600], 'truncated'),
    'odd.png': (encode(picture(30, 32)), 'is 30x32, but good0.png is 24x32'),
    'smaller_bomb.png': (bomb(10_000), 'a decompression bomb'),
    'text.png': (b'I am no image at all', 'is no image of a known kind'),
}


@pytest.fixture
def mixed(tmp_path):
    """Return a folder of 200 good images and some bad ones, which a sample does not meet."""
    folder = tmp_path / 'set'
    folder.mkdir()
    for i in range(200):
        (folder / f'good{i}.png').write_bytes(GOOD)
    for name, (content, _) in BAD.items():
        (folder / name).write_bytes(content)
    return folder


def opened(folder, **keys):
    """Return a folder's source, as if its first look had met good files only."""
    return data.open_source({**data.defaults(), 'name': 'folder', 'path': str(folder), **keys})


@pytest.mark.parametrize('device_cache_mb', [0, 100])
def test_raise_lists_every_bad_file_with_its_reason(mixed, device_cache_mb, monkeypatch):
    monkeypatch.setattr('gan_jax.data.encoded.LOOK_AT', 2)
    (mixed / 'zzz.png').write_bytes(GOOD)
    (mixed / 'aaa.png').write_bytes(GOOD)
    source = opened(mixed)
    keys = {**data.defaults(), 'device_cache_mb': device_cache_mb}
    with pytest.raises(UserError) as raised:
        next(pipeline.make(source, keys, batch_size=209, seed=0).batches(0))
    text = str(raised.value)
    assert text.startswith(f'{len(BAD)} of 209 examples cannot be used')
    for name, (_, reason) in BAD.items():
        line = next(line for line in text.splitlines() if line.strip().startswith(name))
        assert reason.replace('good0', 'aaa') in line.replace('Trunc', 'trunc')


@pytest.mark.parametrize('device_cache_mb', [0, 100])
def test_skip_leaves_the_same_ones_out_and_says_how_many(mixed, device_cache_mb, capsys):
    source = opened(mixed, on_error='skip')
    keys = {**data.defaults(), 'device_cache_mb': device_cache_mb, 'on_error': 'skip'}
    p = pipeline.make(source, keys, batch_size=50, seed=0)
    assert capsys.readouterr().err.startswith(f'skipped {len(BAD)} of 207 examples: bomb.png')
    assert len(p) == 200
    names = [p.streams[0].source.name(i) for i in range(200)]
    assert names == [f'good{i}.png' for i in range(200)]
    if device_cache_mb:
        assert p.resident['image'].shape == (200, 24, 32, 3)
    done = p.preprocess(p.resident, next(p.batches(0)), None)
    assert (done['image'] > -1).any(axis=(1, 2, 3)).all()


def test_nothing_readable_is_an_error_in_any_case(tmp_path):
    for i in range(3):
        (tmp_path / f'{i}.png').write_bytes(b'no')
    for on_error in ('raise', 'skip'):
        with pytest.raises(
            UserError, match=r'no readable image; 0.png is no image of a known kind'
        ):
            opened(tmp_path, on_error=on_error)


def test_bad_entries_of_a_zip_are_named(tmp_path):
    path = tmp_path / 'set.zip'
    with zipfile.ZipFile(path, 'w') as archive:
        for name in ('a.png', 'b.png', 'c.png', '../../evil.png'):
            archive.writestr(name, GOOD)
    raw = bytearray(path.read_bytes())
    # a flipped byte inside the second file's pixels
    raw[raw.index(b'b.png') + 5 + len(GOOD) // 2] ^= 255
    path.write_bytes(bytes(raw))
    source = opened(path, on_error='raise')
    with pytest.raises(UserError) as raised:
        pipeline.make(source, data.defaults(), batch_size=1, seed=0)
    text = str(raised.value)
    assert '2 of 4' in text
    assert 'evil.png: points outside the archive' in text
    assert 'b.png: cannot be read: bad checksum' in text


def test_damaged_archives_are_named(tmp_path):
    zipped, tarred, packed = (tmp_path / n for n in ('x.zip', 'x.tar', 'x.tar.gz'))
    with zipfile.ZipFile(zipped, 'w') as archive:
        archive.writestr('a.png', GOOD)
    zipped.write_bytes(zipped.read_bytes()[:-30])
    for path, mode in ((tarred, 'w:'), (packed, 'w:gz')):
        with tarfile.open(path, mode) as archive:
            for i in range(4):
                info = tarfile.TarInfo(f'{i}.png')
                info.size = len(GOOD)
                archive.addfile(info, io.BytesIO(GOOD))
    whole = tarred.read_bytes()
    for path in (zipped, packed):
        if path == packed:
            raw = bytearray(path.read_bytes())
            raw[-6] ^= 255
            path.write_bytes(bytes(raw))
        with pytest.raises(UserError, match=f'cannot read the .* {path}'):
            opened(path)
    # cut inside a file, and a header whose checksum is wrong
    second = 512 + -(-len(GOOD) // 512) * 512
    for damaged in (whole[: second + 700], whole[:second] + b'X' + whole[second + 1 :]):
        tarred.write_bytes(damaged)
        with pytest.raises(UserError, match=f'cannot read the archive {tarred}'):
            opened(tarred)


def test_gray_beyond_16_bits_and_floats_are_named():
    floats = encode(np.ones((4, 4), np.float32), 'TIFF')
    with pytest.raises(images.BadImage, match='floating-point'):
        images.decode(floats, geometry.make())
    wide = encode(np.full((4, 4), 70_000, np.int32), 'TIFF')
    with pytest.raises(images.BadImage, match='beyond 16 bits'):
        images.decode(wide, geometry.make())


def test_a_png_with_a_wrong_checksum_is_named():
    raw = bytearray(GOOD)
    raw[GOOD.index(b'IDAT') - 20] ^= 1
    with pytest.raises(images.BadImage):
        images.decode(bytes(raw), geometry.make())


@pytest.mark.parametrize('kind', ['PNG', 'JPEG'])
@pytest.mark.parametrize('share', [0.3, 0.6, 0.9])
def test_a_file_whose_tail_became_zeros_is_named(kind, share):
    raw = encode(picture(), kind)
    kept = int(len(raw) * share)
    with pytest.raises(images.BadImage):
        images.decode(raw[:kept] + bytes(len(raw) - kept), geometry.make())


FILES = {
    'png': encode(picture()),
    'png_gray': encode(picture(c=1)),
    'png_alpha': encode(picture(c=4)),
    'jpeg': encode(picture(), 'JPEG', quality=90),
    'jpeg_progressive': encode(picture(), 'JPEG', progressive=True),
    'webp': encode(picture(), 'WEBP', quality=80),
    'bmp': encode(picture(), 'BMP'),
    'tiff': encode(picture(), 'TIFF'),
    'tiff_lzw': encode(picture(), 'TIFF', compression='tiff_lzw'),
}
FIT = geometry.make('16', channels=3)
WHOLE = {name: images.decode(content, FIT) for name, content in FILES.items()}


@st.composite
def corruptions(draw):
    """Draw (file, how, corrupted bytes)."""
    name = draw(st.sampled_from(sorted(FILES)))
    raw = bytearray(FILES[name])
    how = draw(st.sampled_from(['cut', 'flip', 'zero', 'insert', 'drop', 'head', 'noise', 'swap']))
    at = draw(st.integers(0, len(raw) - 1))
    length = draw(st.integers(1, 64))
    if how == 'cut':
        raw = raw[:at]
    elif how == 'flip':
        for _ in range(draw(st.integers(1, 20))):
            raw[draw(st.integers(0, len(raw) - 1))] ^= draw(st.integers(1, 255))
    elif how == 'zero':
        raw[at : at + length] = bytes(len(raw[at : at + length]))
    elif how == 'insert':
        raw[at:at] = draw(st.binary(min_size=length, max_size=length))
    elif how == 'drop':
        del raw[at : at + length]
    elif how == 'head':
        raw[:length] = draw(st.binary(min_size=length, max_size=length))
    elif how == 'noise':
        raw[at:] = draw(st.binary(min_size=length, max_size=length))
    else:
        raw = raw[at:] + raw[:at]
    return name, how, bytes(raw)


@settings(max_examples=200, deadline=None, derandomize=True, database=None,
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(corruptions())
def test_a_corrupted_image_is_decoded_to_its_shape_or_named(corruption):
    name, how, raw = corruption
    try:
        decoded = images.decode(raw, FIT)
    except images.BadImage as error:
        assert str(error) and '\n' not in str(error)
        return
    assert decoded.shape == (16, 16, 3) and decoded.dtype in (np.uint8, np.uint16)
    if how == 'cut':
        # what decodes although its end is missing has all its pixels
        np.testing.assert_array_equal(decoded, WHOLE[name])
