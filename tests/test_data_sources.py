"""Each source reads what it says it reads, real files among them."""

import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from gan_jax import data
from gan_jax.data import config, labels, pipeline, stores
from gan_jax.data.sources import edges
from gan_jax.errors import UserError
from gan_jax.pictures import save_png


def opened(**keys):
    return data.open_source({**data.defaults(), **keys})


def png(value: int, h: int = 8, w: int = 8) -> bytes:
    """Return a PNG of one colour."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((h, w, 3), value, np.uint8)).save(buffer, 'PNG')
    return buffer.getvalue()


def write(folder, files: dict[str, bytes]):
    """Write files below a folder and return it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def values(source) -> list[int]:
    """Return the first pixel of every example."""
    return [int(source[i]['image'].flat[0]) for i in range(len(source))]


def pack(folder, kind: str, path):
    """Pack a folder's files, in reverse order, into an archive."""
    files = sorted((p for p in folder.rglob('*') if p.is_file()), reverse=True)
    if kind == 'zip':
        with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(file, file.relative_to(folder))
    else:
        with tarfile.open(path, 'w' + kind) as archive:
            for file in files:
                archive.add(file, './' + str(file.relative_to(folder)))
    return path


NUMBERED = {f'{"ab"[i % 2]}/img{i}.png': png(i) for i in (1, 2, 10, 11)}


@pytest.mark.parametrize('kind', ['folder', 'zip', ':', ':gz', ':xz'])
def test_folders_and_archives_read_alike_in_natural_order(tmp_path, kind):
    folder = write(tmp_path / 'set', NUMBERED | {'.DS_Store': b'x', 'notes.txt': b'x'})
    name = {'zip': 'set.zip', ':': 'set.tar', ':gz': 'set.tar.gz', ':xz': 'set.tar.xz'}
    path = folder if kind == 'folder' else pack(folder, kind, tmp_path / name[kind])
    source = opened(name='folder', path=str(path))
    assert source.names == ['a/img2.png', 'a/img10.png', 'b/img1.png', 'b/img11.png']
    assert values(source) == [2, 10, 1, 11]
    assert source.spec.classes == ('a', 'b')
    assert [int(source[i]['label']) for i in range(4)] == [0, 0, 1, 1]
    again = pickle.loads(pickle.dumps(source))
    assert values(again) == [2, 10, 1, 11]
    assert opened(name='folder', path=str(path), labels='none').spec.num_classes == 0


def test_the_temporary_file_of_a_packed_tar_goes_with_its_source(tmp_path):
    path = pack(write(tmp_path / 'set', NUMBERED), ':gz', tmp_path / 'set.tar.gz')
    store = stores.open_store(str(path))
    unpacked = store.data
    assert unpacked.exists()
    del store
    assert not unpacked.exists()


def test_a_split_is_a_folder_and_train_may_be_everything(tmp_path):
    parted = write(tmp_path / 'parted', {f'top/{p}/x{i}.png': png(i) for p in ('train', 'test')
                                         for i in range(2)})  # fmt: skip
    assert len(opened(name='folder', path=str(parted))) == 4
    assert opened(name='folder', path=str(parted)).spec.num_classes == 0
    assert len(opened(name='folder', path=str(parted), split='test')) == 2
    with pytest.raises(UserError, match=r"split='tset' is no folder.*did you mean 'test'"):
        opened(name='folder', path=str(parted), split='tset')
    whole = write(tmp_path / 'whole', {'x.png': png(0)})
    assert len(opened(name='folder', path=str(whole), split='train')) == 1
    with pytest.raises(UserError, match="split='test' is no folder"):
        opened(name='folder', path=str(whole), split='test')


def test_links_are_followed_and_loops_end(tmp_path):
    write(tmp_path / 'real', {'x.png': png(3)})
    (tmp_path / 'set').mkdir()
    (tmp_path / 'set' / 'link').symlink_to(tmp_path / 'real')
    (tmp_path / 'real' / 'loop').symlink_to(tmp_path / 'real')
    assert values(opened(name='folder', path=str(tmp_path / 'set'))) == [3]


def test_labels_from_dataset_json(tmp_path):
    entries = [[name, 5 - i] for i, name in enumerate(NUMBERED)]
    text = json.dumps({'labels': entries}).encode()
    folder = write(tmp_path / 'set', NUMBERED | {'dataset.json': text})
    source = opened(name='folder', path=str(folder))
    assert source.spec.num_classes == 6
    assert {source.names[i]: int(source[i]['label']) for i in range(4)} == dict(entries)
    (folder / 'dataset.json').write_text('{"labels": null}')
    assert opened(name='folder', path=str(folder)).spec.num_classes == 0
    (folder / 'dataset.json').write_text('{"labels": [["a.png", [0.5]]]}')
    with pytest.raises(UserError, match=r'is .* not a class number'):
        opened(name='folder', path=str(folder))


@pytest.mark.parametrize('title', [b'', b'file,class\n'])
def test_labels_from_csv(tmp_path, title):
    text = title + b'img1.png,dog\nimg2.png,cat\nimg10.png,dog\nimg11.png,eel\n'
    folder = write(tmp_path / 'set', NUMBERED | {'labels.csv': text})
    source = opened(name='folder', path=str(folder))
    assert source.spec.classes == ('cat', 'dog', 'eel')
    assert [int(source[i]['label']) for i in range(4)] == [0, 1, 1, 2]
    outside = tmp_path / 'other.csv'
    outside.write_text('a/img2.png,3\na/img10.png,0\nb/img1.png,1\n')
    with pytest.raises(UserError, match=r'b/img11.png: has no label'):
        bad = opened(name='folder', path=str(folder), labels=str(outside))
        pipeline.make(bad, data.defaults(), batch_size=1, seed=0)
    with pytest.raises(UserError, match=r"labels='nope.csv' is neither"):
        opened(name='folder', path=str(folder), labels='nope.csv')


def test_class_folders_need_two_and_pass_over_splits():
    assert labels.from_folders(['train/a/1.png', 'train/b/1.png']).classes == ('a', 'b')
    assert labels.from_folders(['a/1.png', 'a/2.png']) is None
    assert labels.from_folders(['a/1.png', '2.png']) is None
    assert labels.from_folders(['c10/1.png', 'c9/1.png']).classes == ('c9', 'c10')


def test_mixed_sizes_and_channels_name_two_files_and_the_remedy(tmp_path):
    folder = write(tmp_path / 'set', {'a.png': png(0, 8, 8), 'b.png': png(0, 6, 10)})
    with pytest.raises(UserError, match=r'a.png is 8x8, b.png is 6x10; --config.data.size=8'):
        opened(name='folder', path=str(folder))
    assert opened(name='folder', path=str(folder), size='4x6').spec.shape == (4, 6, 3)
    Image.new('L', (8, 8)).save(folder / 'b.png')
    with pytest.raises(UserError, match=r'a.png has 3, b.png has 1; --config.data.channels=3'):
        opened(name='folder', path=str(folder))
    assert opened(name='folder', path=str(folder), channels=1).spec.shape == (8, 8, 1)


def test_pairs_side_by_side_in_both_directions(tmp_path):
    both = np.concatenate([np.full((6, 8, 3), 1), np.full((6, 8, 3), 9)], axis=1)
    (tmp_path / 'train').mkdir()
    for i in range(3):
        Image.fromarray(both.astype(np.uint8)).save(tmp_path / 'train' / f'{i}.png')
    for direction, want in (('AtoB', (1, 9)), ('BtoA', (9, 1))):
        source = opened(name='pairs', path=str(tmp_path), split='train', direction=direction)
        assert source.spec.images == {'input': (6, 8, 3), 'target': (6, 8, 3)}
        assert (source[2]['input'] == want[0]).all() and (source[2]['target'] == want[1]).all()
    small = opened(name='pairs', path=str(tmp_path), size='4')
    assert small[0]['target'].shape == (4, 4, 3)


def test_pairs_in_two_folders_match_by_name(tmp_path):
    files = {f'A/train/{n}.png': png(i) for i, n in enumerate('xyz')}
    buffer = io.BytesIO()
    Image.new('L', (8, 8), 7).save(buffer, 'BMP')
    files |= {f'B/train/{n}.bmp': buffer.getvalue() for n in 'xyz'}
    folder = write(tmp_path, files)
    source = opened(name='pairs', path=str(folder), split='train')
    assert source.spec.images == {'input': (8, 8, 3), 'target': (8, 8, 1)}
    assert [int(source[i]['input'][0, 0, 0]) for i in range(3)] == [0, 1, 2]
    assert source[1]['target'].shape == (8, 8, 1)
    for n in 'xyz':
        Image.new('I;16', (8, 8), 300).save(folder / f'B/train/{n}.png')
        (folder / f'B/train/{n}.bmp').unlink()
    deep = opened(name='pairs', path=str(folder), split='train')
    assert [deep[0][name].dtype for name in ('input', 'target')] == [np.uint8, np.uint16]
    assert {name: field.dtype for name, field in deep.spec.fields.items()} == {
        'input': 'uint8',
        'target': 'uint16',
    }
    (folder / 'B/train/z.png').unlink()
    with pytest.raises(UserError, match=r"1 images of A/train and B/train have no partner.*'z'"):
        opened(name='pairs', path=str(folder), split='train')


def test_edges_are_drawn_of_any_images(tmp_path):
    image = np.full((12, 16, 3), 40, np.uint8)
    image[:, 8:] = 200
    save_png(tmp_path / 'a.png', image)
    save_png(tmp_path / 'b.png', np.full((12, 16, 3), 90, np.uint8))
    source = opened(name='edges', path=str(tmp_path))
    assert source.spec.images == {'input': (12, 16, 1), 'target': (12, 16, 3)}
    found = [source[i] for i in (0, 1, 0)]
    np.testing.assert_array_equal(found[0]['target'], image)
    dark = np.full((12, 16, 1), 255, np.uint8)
    np.testing.assert_array_equal(found[1]['input'], dark)
    dark[:, 7] = 0
    np.testing.assert_array_equal(found[0]['input'], dark)
    np.testing.assert_array_equal(found[2]['input'], found[0]['input'])
    packed = pack(tmp_path, 'zip', tmp_path.parent / 'edges.zip')
    np.testing.assert_array_equal(opened(name='edges', path=str(packed))[0]['input'], dark)
    deep = np.full((12, 16, 1), 10000, np.uint16)
    deep[:, 8:] = 51400
    for name in 'ab':
        save_png(tmp_path / f'{name}.png', deep)
    np.testing.assert_array_equal(opened(name='edges', path=str(tmp_path))[0]['input'], dark)
    with pytest.raises(UserError, match=r'low=0\.5 is not allowed: .* at most .*high=0\.04'):
        opened(name='edges', path=str(tmp_path), low=0.5)


def test_a_weak_edge_is_a_line_where_it_hangs_together_with_a_strong_one():
    def step(height):
        return np.repeat(np.where(np.arange(24) < 12, 0.0, height)[None], 24, axis=0)

    # of a step a Gaussian makes a slope of height / (sigma sqrt(2 pi)), less by Sobel's own width
    slope = {height: edges.canny(step(height), 1.5, 0.02, 0.04) for height in (0.08, 0.12, 0.2)}
    assert not slope[0.08].any() and not slope[0.12].any()
    one = np.zeros((24, 24), bool)
    one[:, 11] = True
    np.testing.assert_array_equal(slope[0.2], one)
    np.testing.assert_array_equal(edges.canny(step(0.12), 1.5, 0.02, 0.02), one)
    both = np.concatenate([step(0.2), step(0.12)])
    assert edges.canny(both, 1.5, 0.02, 0.04).sum(axis=1).tolist() == [1] * 48
    apart = np.concatenate([step(0.2), step(0.0), step(0.12)])
    assert not edges.canny(apart, 1.5, 0.02, 0.04)[53:].any()


def test_edges_turn_with_the_image_and_there_are_some_of_any_size():
    image = np.random.default_rng(0).uniform(size=(30, 21))
    found = edges.canny(image, 1.5, 0.02, 0.04)
    assert 0.02 < found.mean() < 0.3
    np.testing.assert_array_equal(edges.canny(image.T, 1.5, 0.02, 0.04), found.T)
    np.testing.assert_array_equal(edges.canny(image[::-1], 1.5, 0.02, 0.04), found[::-1])
    assert edges.canny(np.zeros((1, 1)), 1.5, 0.02, 0.04).tolist() == [[False]]


def test_unpaired_sets_are_two_streams(tmp_path):
    files = {f'trainA/{i}.png': png(i) for i in range(3)}
    folder = write(tmp_path, files | {f'trainB/{i}.png': png(100 + i, 8, 6) for i in range(5)})
    source = opened(name='unpaired', path=str(folder))
    assert len(source) == 5 and {k: len(s) for k, s in source.streams.items()} == {'a': 3, 'b': 5}
    assert source.spec.images == {'a': (8, 8, 3), 'b': (8, 6, 3)}
    p = pipeline.make(source, {**data.defaults(), 'device_cache_mb': 0}, batch_size=4, seed=0)
    batches = p.batches(0)
    batch = next(batches)
    batches.close()
    assert batch['a'].shape == (4, 8, 8, 3) and (batch['a'] < 3).all() and (batch['b'] > 99).all()
    with pytest.raises(UserError, match='no folders testA and testB; available: trainA, trainB'):
        opened(name='unpaired', path=str(folder), split='test')


def test_arrays_of_every_layout(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    cases = {
        'nhwc': (pixels, (8, 8, 3)),
        'nchw': (pixels.transpose(0, 3, 1, 2), (8, 8, 3)),
        'nhw': (pixels[..., 0], (8, 8, 1)),
        'quickdraw': (pixels[..., 0].reshape(5, 1, 64), (8, 8, 1)),
        'flat': (pixels[..., 0].reshape(5, 64), (8, 8, 1)),
        'many': (np.repeat(pixels, 3, axis=3), (8, 8, 9)),
        'wide': (pixels[..., 0].astype(np.int64), (8, 8, 1)),
        'deep': (pixels[..., 0].astype(np.int32) * 257, (8, 8, 1)),
        'float': ((pixels / 127.5 - 1).astype(np.float64), (8, 8, 3)),
    }
    for name, (array, shape) in cases.items():
        np.save(tmp_path / f'{name}.npy', array)
        source = opened(name='array', path=str(tmp_path / f'{name}.npy'))
        assert source.spec.shape == shape, name
        assert source[3]['image'].shape == shape
        assert source.spec.dtype == {'deep': 'uint16', 'float': 'float32'}.get(name, 'uint8')
    copy = pickle.dumps(opened(name='array', path=str(tmp_path / 'nhwc.npy')))
    assert len(copy) < 1000
    np.testing.assert_array_equal(pickle.loads(copy)[2]['image'], pixels[2])


def test_npz_and_a_folder_of_npy(tmp_path):
    pixels = np.zeros((4, 8, 8), np.uint8)
    np.savez(tmp_path / 'set.npz', images=pixels, labels=np.asarray([0, 2, 1, 1]))
    source = opened(name='array', path=str(tmp_path / 'set.npz'))
    assert source.spec.num_classes == 3 and int(source[1]['label']) == 2
    with pytest.raises(UserError, match="no array 'pictures'; available: images, labels"):
        opened(name='array', path=str(tmp_path / 'set.npz'), column='pictures')
    (tmp_path / 'set.npz').unlink()
    np.save(tmp_path / 'cat.npy', pixels)
    np.save(tmp_path / 'apple.npy', pixels + 1)
    source = opened(name='array', path=str(tmp_path))
    assert source.spec.classes == ('apple', 'cat') and values(source) == [1] * 4 + [0] * 4


def test_arrays_that_cannot_be_images_are_refused(tmp_path):
    path = tmp_path / 'x.npy'
    np.save(path, np.asarray([{'a': 1}], object), allow_pickle=True)
    with pytest.raises(UserError, match=r'cannot read .*x.npy'):
        opened(name='array', path=str(path))
    for array, message in (
        (np.full((2, 4, 4), 3.5, np.float32), r'holds floats from 3.5 to 3.5'),
        (np.full((2, 4, 4), -1), 'holds integers from -1'),
        (np.zeros((0, 4, 4), np.uint8), 'holds'),
        (np.zeros((3, 7), np.uint8), r'has shape \(3, 7\)'),
        (np.full((2, 4, 4), np.nan, np.float32), 'holds floats from nan'),
    ):
        np.save(path, array)
        with pytest.raises(UserError, match=message):
            opened(name='array', path=str(path))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match='cannot read'):
        opened(name='array', path=str(path))


def idx(array: np.ndarray) -> bytes:
    """Return an idx file of uint8."""
    head = struct.pack(f'>HBB{array.ndim}I', 0, 8, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


def test_idx_plain_and_packed(tmp_path):
    images = np.arange(3 * 4 * 5).reshape(3, 4, 5)
    files = {'train-images-idx3-ubyte': idx(images), 'train-labels-idx1-ubyte': idx(np.arange(3)),
             't10k-images-idx3-ubyte.gz': gzip.compress(idx(images[:2]))}  # fmt: skip
    folder = write(tmp_path, files)
    source = opened(name='idx', path=str(folder))
    assert source.spec.shape == (4, 5, 1) and source.spec.num_classes == 3
    np.testing.assert_array_equal(source[2]['image'][:, :, 0], images[2])
    assert len(opened(name='idx', path=str(folder), split='test')) == 2
    broken = folder / 't10k-images-idx3-ubyte.gz'
    broken.write_bytes(broken.read_bytes()[:-9])
    with pytest.raises(UserError, match=r'cannot read .*t10k'):
        opened(name='idx', path=str(folder), split='test')
    short = folder / 'train-images-idx3-ubyte'
    short.write_bytes(short.read_bytes()[:-1])
    with pytest.raises(UserError, match='header says 60 bytes, but it has 59'):
        opened(name='idx', path=str(folder))


def test_digits_of_mnist_are_labelled_by_their_thickness(tmp_path):
    images = np.zeros((40, 28, 28), np.uint8)
    for i, width in enumerate(np.repeat([1, 2, 3, 4], [2, 18, 18, 2])):
        images[i, 4:24, 8 : 8 + width] = 255
    files = {'train-images-idx3-ubyte': idx(images), 'train-labels-idx1-ubyte': idx(np.zeros(40)),
             't10k-images-idx3-ubyte': idx(images[[39, 25, 5, 0]]),
             't10k-labels-idx1-ubyte': idx(np.zeros(4))}  # fmt: skip
    keys = {'name': 'mnist_thickness', 'path': str(write(tmp_path, files)), 'ages': 4}
    train, test = opened(**keys), opened(split='test', **keys)
    labels = [int(train[i]['label']) for i in (0, 5, 25, 39)]
    assert labels == sorted(labels) and (labels[0], labels[-1]) == (0, 3)
    assert train.spec.num_classes == 4 and test.spec.classes == train.spec.classes
    assert [int(test[i]['label']) for i in range(4)] == labels[::-1]


def test_ages_are_in_the_names_of_faces(tmp_path):
    for name in ('5_0_2_2017.png', '6_1_0_2017.png', '26_1_0_2017.png', '116_0_1_2017.png'):
        save_png(tmp_path / 'faces' / name, np.zeros((4, 4, 3), np.uint8))
    source = opened(name='utkface', path=str(tmp_path / 'faces'))
    assert [int(source[i]['label']) for i in range(4)] == [0, 1, 4, 9]
    assert source.spec.classes[4] == '21-30' and not source.spec.unknown
    save_png(tmp_path / 'faces' / 'me.png', np.zeros((4, 4, 3), np.uint8))
    assert opened(name='utkface', path=str(tmp_path / 'faces')).spec.unknown == 1


def test_stacked_mnist_is_three_digits_and_their_number(tmp_path):
    images = np.arange(4 * 2 * 3).reshape(4, 2, 3)
    digits = np.asarray([7, 0, 2, 9])
    files = {'train-images-idx3-ubyte': idx(images), 'train-labels-idx1-ubyte': idx(digits)}
    keys = {'name': 'stacked_mnist', 'path': str(write(tmp_path, files)), 'stacks': 50}
    source = opened(**keys)
    assert len(source) == 50 and source.spec.shape == (2, 3, 3) and source.spec.num_classes == 1000
    batch = source.batch(np.arange(50))
    which = batch['image'][:, 0, 0] // 6
    np.testing.assert_array_equal(batch['image'].transpose(0, 3, 1, 2), images[which])
    np.testing.assert_array_equal(batch['label'], digits[which] @ [100, 10, 1])
    assert len(set(batch['label'].tolist())) > 25
    np.testing.assert_array_equal(opened(**keys)[7]['image'], source[7]['image'])
    assert opened(**keys, labels='none').spec.num_classes == 0


def cifar_files(raw: np.ndarray, numbers: list[int], kind: str) -> dict[str, bytes]:
    """Return the files of CIFAR-10's python or binary version."""
    if kind == 'binary':
        rows = np.concatenate([np.asarray(numbers, np.uint8)[:, None], raw], axis=1)
        return {'c/data_batch_1.bin': rows.tobytes(), 'c/batches.meta.txt': b'plane\ncar\n\n'}
    batch = {'batch_label': 'x', 'labels': numbers, 'data': raw, 'filenames': ['a.png'] * len(raw)}
    meta = {'num_cases_per_batch': 9, 'label_names': ['plane', 'car'], 'num_vis': 3072}
    return {'c/data_batch_1': pickle.dumps(batch, 2), 'c/batches.meta': pickle.dumps(meta, 2)}


@pytest.mark.parametrize('kind', ['binary', 'python'])
def test_cifar_archives_are_read_and_never_unpickled(tmp_path, kind, monkeypatch):
    raw = np.random.default_rng(0).integers(0, 256, (5, 3072), np.uint8)
    numbers = [0, 1, 1, 0, 1]
    folder = write(tmp_path / 'set', cifar_files(raw, numbers, kind))
    path = pack(folder, ':gz', tmp_path / 'cifar-10.tar.gz')
    monkeypatch.setattr(pickle, 'loads', None)
    monkeypatch.setattr(pickle, 'Unpickler', None)
    source = opened(name='cifar', path=str(path))
    assert source.spec.shape == (32, 32, 3) and source.spec.classes == ('plane', 'car')
    assert [int(source[i]['label']) for i in range(5)] == numbers
    np.testing.assert_array_equal(source[3]['image'], raw[3].reshape(3, 32, 32).transpose(1, 2, 0))
    with pytest.raises(UserError, match="holds none of CIFAR's files test, test_batch"):
        opened(name='cifar', path=str(path), split='test')


@pytest.mark.parametrize(
    ('batch', 'message'),
    [
        (b'cos\nsystem\n.', 'os.system'),
        (pickle.dumps([1]), 'something else than a dictionary'),
        (pickle.dumps({'labels': [1]}), 'no whole number of images under data'),
        (pickle.dumps({'data': np.zeros((1, 3072), np.uint8)}), 'no list of numbers under labels'),
    ],
)
def test_cifar_pickles_of_anything_else_are_refused(tmp_path, batch, message):
    write(tmp_path / 'set', {'c/data_batch_1': batch})
    with pytest.raises(UserError, match=rf'cannot read c/data_batch_1 of .*{message}'):
        opened(name='cifar', path=str(tmp_path / 'set'))


@pytest.mark.filterwarnings('ignore')
def test_hugging_face_parquet(tmp_path):
    datasets = pytest.importorskip('datasets', reason='the extra hf is not installed')
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = datasets.Features(
        {'picture': datasets.Image(), 'kind': datasets.ClassLabel(names=['x', 'y'])}
    )
    cells = [{'bytes': png(i), 'path': None} for i in range(6)]
    cell = pa.struct([('bytes', pa.binary()), ('path', pa.string())])
    table = pa.table({'picture': pa.array(cells, cell), 'kind': pa.array([0, 1] * 3)})
    (tmp_path / 'set').mkdir()
    pq.write_table(table.cast(kinds.arrow_schema), tmp_path / 'set' / 'train.parquet')
    source = opened(name='hf', path=str(tmp_path / 'set'))
    assert values(source) == list(range(6)) and source.spec.classes == ('x', 'y')
    assert int(source[1]['label']) == 1
    with pytest.raises(UserError, match="column='kind' is no column of images"):
        opened(name='hf', path=str(tmp_path / 'set'), column='kind')


def test_hugging_face_absent_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'datasets', None)
    with pytest.raises(UserError, match=r"pip install 'gan_jax\[hf\]'"):
        opened(name='hf', dataset='mnist')


def test_digits_need_no_file():
    source = opened(name='digits')
    assert (len(source), source.spec.shape, source.spec.num_classes) == (1797, (8, 8, 1), 10)
    assert source.images.max() == 255 and int(source[0]['label']) == 0
    assert opened(name='digits', size='16', labels='none')[0]['image'].shape == (16, 16, 1)


def test_tfds_mnist_is_the_original(data_file):
    folder = str(data_file('tfds/mnist').parent)
    source = opened(name='tfds', dataset='mnist', path=folder, split='train[:10%]')
    assert (len(source), source.spec.shape, source.spec.num_classes) == (6000, (28, 28, 1), 10)
    batch = source.batch(np.asarray([5, 2]))
    np.testing.assert_array_equal(batch['image'][0], source[5]['image'])
    assert batch['label'].tolist() == [int(source[5]['label']), int(source[2]['label'])]
    with pytest.raises(UserError, match=r"config.data.split='valid'"):
        opened(name='tfds', dataset='mnist', path=folder, split='valid')
    with pytest.raises(UserError, match=r"config.data.dataset='mnits'.*did you mean 'mnist'"):
        opened(name='tfds', dataset='mnits', path=folder)


def test_tfds_that_needs_tensorflow_names_the_extra(tmp_path, monkeypatch):
    from gan_jax.data.preparation.download import download

    class Builder:
        url_infos = ()

        def download_and_prepare(self, **keys):
            raise ImportError('no', name='tensorflow')

    with pytest.raises(UserError, match=r"tensorflow: pip install 'gan_jax\[prepare\]'"):
        download(Builder(), 'celeb_a')


REAL = [
    ('celeba64_5k.zip', {'name': 'folder'}, 5000, (64, 64, 3), 0),
    ('flowers102_80.zip', {'name': 'folder'}, 8189, (80, 80, 3), 102),
    ('logograms_256.zip', {'name': 'folder'}, 38, (256, 256, 1), 0),
    ('facades.zip', {'name': 'pairs', 'split': 'train'}, 400, (256, 256, 3), 0),
    ('summer2winter_128.zip', {'name': 'unpaired'}, 1231, (128, 128, 3), 0),
    ('quickdraw', {'name': 'array'}, 9000, (28, 28, 1), 3),
    ('quickdraw/cat.npy', {'name': 'array'}, 3000, (28, 28, 1), 0),
    ('fashion_mnist', {'name': 'idx', 'split': 'test'}, 10000, (28, 28, 1), 10),
    ('cifar10_train_first4000_lossless.npz', {'name': 'array'}, 4000, (32, 32, 3), 10),
    ('cifar10_jpeg_60000.tar.gz', {'name': 'folder', 'split': 'test'}, 10000, (32, 32, 3), 10),
]


@pytest.mark.parametrize(('file', 'keys', 'count', 'shape', 'classes'), REAL)
def test_real_sets(data_file, file, keys, count, shape, classes):
    source = opened(path=str(data_file(file)), **keys)
    assert (len(source), source.spec.shape, source.spec.num_classes) == (count, shape, classes)
    for index in (0, count // 2, count - 1):
        example = source[index]
        for name, wanted in source.spec.images.items():
            assert example[name].shape == wanted and example[name].std() > 5


def test_unknown_names_and_useless_keys():
    with pytest.raises(UserError, match=r"unknown data.name 'folde' .*'folder'"):
        opened(name='folde')
    assert set(config.names()) == {'array', 'cifar', 'digits', 'edges', 'folder', 'hf', 'idx',
                                   'mnist_thickness', 'pairs', 'points', 'prepared', 'sound',
                                   'stacked_mnist', 'tfds', 'unpaired', 'utkface'}  # fmt: skip
    with pytest.raises(UserError, match=r"config.data.split='test' means nothing to.*'digits'"):
        opened(name='digits', split='test')
    with pytest.raises(UserError, match=r"config.data.path='nope' does not exist"):
        opened(name='folder', path='nope')


def test_empty_places_are_refused(tmp_path):
    with pytest.raises(UserError, match='holds no images: 0 files'):
        opened(name='folder', path=str(tmp_path))
    write(tmp_path, {'a.txt': b'x', 'b.csv': b'x'})
    with pytest.raises(UserError, match='holds no images: 2 files'):
        opened(name='folder', path=str(tmp_path))
    with pytest.raises(UserError, match='is neither a folder nor'):
        opened(name='folder', path=str(tmp_path / 'a.txt'))
