"""--mode=translate, and metrics of pairs, of a run that makes images of images."""

import types

import numpy as np
import PIL.Image
import pytest
from runs import call, small

from gan_jax import kinds, train
from gan_jax.algorithms.protocol import Maker
from gan_jax.errors import UserError
from gan_jax.modes.translate import Translator, opened, outputs
from gan_jax.pictures import save_png


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """Return the folders of a run of an autoencoder, and of one of a GAN."""
    folder = tmp_path_factory.mktemp('runs')
    for name in ('autoencoder', 'gan'):
        config = small(name, duration='4st', **{'checkpoint.every': '4st', 'sample.every': '4st'})
        if name == 'autoencoder':
            config.data.range = '[0,1]'
        train.train(config, folder / name)
    return folder


@pytest.fixture
def photos(tmp_path):
    """Return a folder of images of several sizes, one in colour and two of one stem."""
    folder = tmp_path / 'photos'
    save_png(folder / 'a.png', noise(8, 8, 1))
    save_png(folder / 'more' / 'b.png', noise(20, 13, 3))
    save_png(folder / 'more' / 'c.png', noise(3, 5, 1))
    return folder


def test_every_image_is_translated_under_its_name(runs, photos, tmp_path):
    command = f'--mode=translate --workdir={runs}/autoencoder --input={photos} --out={tmp_path}/o'
    status, out, err = call(command)
    assert (status, err) == (0, '')
    assert 'images are resized to 8x8' in out and '3 images of step 4' in out
    made = sorted(str(p.relative_to(tmp_path / 'o')) for p in (tmp_path / 'o').rglob('*.png'))
    assert made == ['a.png', 'more/b.png', 'more/c.png']
    first = (tmp_path / 'o' / 'a.png').read_bytes()
    status, *_ = call(command.replace(f'{photos} ', f'{photos}/a.png ').replace('/o', '/p'))
    assert status == 0 and (tmp_path / 'p' / 'a.png').read_bytes() == first


@pytest.mark.parametrize(
    ('run', 'given', 'message'),
    [
        ('autoencoder', '', '--mode=translate needs --input='),
        ('autoencoder', '--input={}/none', 'does not exist'),
        ('autoencoder', '--input={}/none.png', 'there is no image'),
        ('autoencoder', '--input={}/empty', 'holds no images'),
        ('autoencoder', '--input={}/broken', 'bad.png is no image of a known kind'),
        ('gan', '--input={}/broken', "algorithm='gan' translates no images: the run is of another"),
    ],
)
def test_bad_input_is_one_line(runs, tmp_path, run, given, message):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'broken').mkdir()
    (tmp_path / 'broken' / 'bad.png').write_bytes(b'no image')
    command = f'--mode=translate --workdir={runs}/{run} --out={tmp_path}/o'
    status, _, err = call(f'{command} {given.format(tmp_path)}')
    assert status == 2 and message in err and err.count('\n') == 1


def test_pairs_are_measured_of_a_run(runs):
    status, out, err = call(f'--mode=eval --workdir={runs}/autoencoder --metrics=l1,psnr --num=32')
    assert (status, err) == (0, '') and 'l1 0.' in out and 'psnr ' in out
    status, _, err = call(f'--mode=eval --workdir={runs}/gan --metrics=psnr --num=32')
    assert status == 2 and 'psnr compares pairs' in err and err.count('\n') == 1


def translator(factor=1, channels=1, deep=()):
    """Return a translator whose maker repeats pixels, and takes multiples of 4 from 8 on."""

    def make(state, key, n, given, label):
        return given['image'].repeat(factor, 1).repeat(factor, 2)

    def padded(height, width):
        if min(height, width) < 5:
            raise UserError(f'size {height}x{width}: too small')
        return -(-height // 4) * 4, -(-width // 4) * 4

    field = kinds.Field((8, 8, channels), 'float32', 'image', '[-1,1]')
    trained = types.SimpleNamespace(
        maker=Maker('image', make, ('image',), padded=padded), refined=None, field=field, deep=deep,
        kind=kinds.find('image'), spec=types.SimpleNamespace(fields={'image': field}), chosen=dict,
        final=lambda x: kinds.find('image').final(np.asarray(x), field),
    )  # fmt: skip
    return Translator(trained, 0, {})


@pytest.mark.parametrize('factor', [1, 2])
def test_images_of_any_size_are_padded_and_cut_back(factor):
    image = noise(10, 7, 1)
    made = translator(factor)('photo', image, 0)
    np.testing.assert_array_equal(made, image.repeat(factor, 0).repeat(factor, 1))
    with pytest.raises(UserError, match='photo: size 4x9: too small'):
        translator(1)('photo', noise(4, 9, 1), 0)


@pytest.mark.parametrize('channels', [1, 3, 5])
def test_16_bits_and_many_channels_come_back_exactly(channels, tmp_path):
    image = np.random.default_rng(0).integers(0, 65536, (8, 8, channels)).astype(np.uint16)
    found = translator(channels=channels)
    np.save(tmp_path / 'a.npy', image)
    names, read = opened(str(tmp_path / 'a.npy'))
    pixels = found.decode(read, names[0])
    np.testing.assert_array_equal(pixels, image)
    made = found('a', pixels, 0)
    assert made.dtype == np.uint16
    np.testing.assert_array_equal(made, image)
    path = tmp_path / f'made{found.kind.suffix}'
    found.kind.write(path, made, found.field)
    if channels == 5:
        np.testing.assert_array_equal(np.load(path), image)
    elif channels == 1:
        np.testing.assert_array_equal(found.decode(lambda _: path.read_bytes(), 'made.png'), image)
    else:
        # all that Pillow reads of colours of 16 bits
        np.testing.assert_array_equal(read_png(path), image >> 8)


def read_png(path):
    """Return the pixels of a PNG as Pillow reads them."""
    with PIL.Image.open(path) as image:
        return np.asarray(image)


def test_data_of_16_bits_makes_translations_of_16_bits_of_any_image():
    image = noise(8, 8, 1)
    made = translator(deep={'image'})('photo', image, 0)
    np.testing.assert_array_equal(made, image * np.uint16(257))


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (np.zeros((8, 8, 3), np.uint8), 'x.npy has 3 channels, which cannot become 5'),
        (np.zeros((2, 8, 8, 5), np.uint8), r'x.npy has shape \(2, 8, 8, 5\); an image is'),
        (np.full((8, 8, 5), 7.0), r'x.npy holds floats from 7 to 7; .* needs them from -1 to 1'),
        (np.array([{}]), 'x.npy cannot be read: .*allow_pickle=False'),
    ],
)
def test_arrays_that_are_no_image_of_the_network_are_refused(content, message, tmp_path):
    np.save(tmp_path / 'x.npy', content, allow_pickle=True)
    names, read = opened(str(tmp_path / 'x.npy'))
    with pytest.raises(UserError, match=message):
        translator(channels=5).decode(read, names[0])


def test_translations_of_one_stem_keep_the_suffix_of_theirs():
    assert list(outputs(['a.jpg', 'a.png', 'b/a.png'])) == ['a.jpg', 'a.png', 'b/a']


def test_one_image_may_be_called_as_no_image_is(photos):
    names, read = opened(str(photos))
    assert names == ['a.png', 'more/b.png', 'more/c.png']
    assert read('a.png') == (photos / 'a.png').read_bytes()
