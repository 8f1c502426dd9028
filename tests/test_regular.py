"""What is no regular file is refused in one line, wherever it stands; nothing blocks, or grows."""

import contextlib
import gzip
import os
import signal
import socket
import struct

import numpy as np
import pytest
from PIL import Image

from gan_jax import data, regular
from gan_jax.core.pickles import torchfile
from gan_jax.data import labels, pipeline, stores
from gan_jax.errors import UserError
from gan_jax.metrics.inception import weights


@pytest.fixture(autouse=True)
def awake():
    """Wake a test that hangs."""

    def wake(*_):
        raise AssertionError('hangs')

    before = signal.signal(signal.SIGALRM, wake)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def fifo(path):
    os.mkfifo(path)


def listening(path):
    # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(path.parent):
        server.bind(path.name)


def link(target):
    return lambda path: path.symlink_to(target)


ODD = {
    'a FIFO': fifo,
    'a socket': listening,
    'a device': link('/dev/zero'),
    'a device ': link('/dev/urandom'),
    'a folder': lambda path: path.mkdir(),
}
odd = pytest.mark.parametrize('what', ODD)


def opened(**keys):
    return data.open_source({**data.defaults(), **keys})


def pictures(folder, n=3):
    """Write n images into a folder."""
    folder.mkdir()
    for i in range(n):
        Image.new('RGB', (8, 8), (i, i, i)).save(folder / f'{i}.png')
    return folder


@odd
def test_what_is_no_regular_file_is_not_opened(tmp_path, what):
    ODD[what](tmp_path / 'x')
    for read in (regular.open_regular, regular.read_bytes):
        with pytest.raises(OSError, match=f'it is {what.strip()}, not a regular file'):
            read(tmp_path / 'x')


def test_what_takes_the_place_of_a_file_is_not_read_either(tmp_path, monkeypatch):
    path = tmp_path / 'x'
    path.write_bytes(b'abc')
    look = os.stat

    def swap(*args):
        found = look(*args)
        path.unlink()
        os.mkfifo(path)
        monkeypatch.setattr(os, 'stat', look)
        return found

    monkeypatch.setattr(os, 'stat', swap)
    with pytest.raises(OSError, match='it is a FIFO'):
        regular.open_regular(path)


def test_reading_stops_at_a_bound_that_the_message_names(tmp_path):
    path = tmp_path / 'x'
    path.write_bytes(b'abc')
    (tmp_path / 'link').symlink_to(path)
    assert regular.read_bytes(path, 3) == regular.read_bytes(tmp_path / 'link', 3) == b'abc'
    with pytest.raises(OSError, match='it is larger than 2 bytes'):
        regular.read_bytes(path, 2)
    with path.open('wb') as file:
        file.truncate(2**29 + 1)
    with pytest.raises(OSError, match='it is larger than 512 MiB'):
        regular.read_bytes(path)


def test_a_file_of_proc_has_no_end_and_no_content():
    assert regular.read_bytes('/proc/self/mounts') == b''
    with pytest.raises(OSError, match='it is empty'):
        regular.open_regular('/proc/self/mounts')


@odd
def test_an_image_that_is_no_file_is_named(tmp_path, what):
    folder = pictures(tmp_path / 'set')
    if what != 'a folder':
        ODD[what](folder / 'x.png')
        source = opened(name='folder', path=str(folder), on_error='raise')
        with pytest.raises(UserError, match=f'x.png: cannot be read: it is {what.strip()}'):
            pipeline.make(source, data.defaults(), batch_size=1, seed=0)


@odd
@pytest.mark.parametrize('name', ['labels.csv', 'dataset.json'])
def test_labels_that_are_no_file_are_refused(tmp_path, what, name):
    folder = pictures(tmp_path / 'set')
    if what != 'a folder':
        ODD[what](folder / name)
        with pytest.raises(UserError, match=f'the labels cannot be read: it is {what.strip()}'):
            opened(name='folder', path=str(folder))
    beside = tmp_path / name
    ODD[what](beside)
    with pytest.raises(UserError, match=f'{name}.* cannot be read: it is {what.strip()}'):
        labels.read_table(stores.open_store(str(folder)), '', str(beside))


@odd
@pytest.mark.parametrize(
    ('source', 'file'),
    [
        ('folder', 'x.zip'),
        ('folder', 'x.tar'),
        ('folder', 'x.tar.gz'),
        ('pairs', 'x.zip'),
        ('unpaired', 'x.tar'),
        ('sound', 'x.zip'),
        ('cifar', 'cifar.tar.gz'),
        ('array', 'x.npy'),
        ('array', 'x.npz'),
        ('idx', 'train-images-idx3-ubyte'),
        ('idx', 'train-images-idx3-ubyte.gz'),
    ],
)
def test_a_set_that_is_no_file_is_refused(tmp_path, what, source, file):
    path = tmp_path / file
    ODD[what](path)
    if what == 'a folder':
        with pytest.raises(UserError, match=r'holds no|no folders|holds none'):
            opened(name=source, path=str(path))
    else:
        with pytest.raises(UserError, match=f'it is {what.strip()}, not a regular file'):
            opened(name=source, path=str(path if source != 'idx' else tmp_path))


@odd
def test_weights_that_are_no_file_are_refused(tmp_path, what):
    ODD[what](tmp_path / 'x.pth')
    with pytest.raises(UserError, match=f'it is {what.strip()}'):
        torchfile.read(tmp_path / 'x.pth')
    with pytest.raises(UserError, match='no weights file'):
        weights.load(tmp_path / 'x.pth')


def test_an_idx_file_that_unpacks_to_more_than_it_says_is_read_no_further(tmp_path):
    head = struct.pack('>HBB3I', 0, 8, 3, 2, 4, 4)
    path = tmp_path / 'train-images-idx3-ubyte.gz'
    path.write_bytes(gzip.compress(head + bytes(2**20)))
    with pytest.raises(UserError, match='its header says 32 bytes, but it has more'):
        opened(name='idx', path=str(tmp_path))
    path.write_bytes(gzip.compress(struct.pack('>HBB3I', 0, 8, 3, *3 * [2**32 - 1])))
    with pytest.raises(UserError, match='at most 8 GiB are held'):
        opened(name='idx', path=str(tmp_path))


def test_an_npz_that_unpacks_to_more_than_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(regular, 'MAX_SET_BYTES', 2**16)
    np.savez_compressed(tmp_path / 'x.npz', images=np.zeros((10, 100, 100), np.uint8))
    with pytest.raises(UserError, match='it has 97 KiB; at most 64 KiB are held'):
        opened(name='array', path=str(tmp_path / 'x.npz'))
