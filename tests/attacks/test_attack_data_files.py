"""Sets of every source, damaged or made to harm: one line, or the right data; nothing hangs."""

import contextlib
import gzip
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from test_data_sources import cifar_files, idx, png, write

from gan_jax import data
from gan_jax.data import reading
from gan_jax.errors import UserError

pytestmark = pytest.mark.slow

SECONDS = 60
MEMORY = 6 * 2**30


def listening(path):
    # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(path.parent):
        server.bind(path.name)


ODD = {
    'fifo': os.mkfifo,
    'socket': listening,
    'zero': lambda path: path.symlink_to('/dev/zero'),
    'urandom': lambda path: path.symlink_to('/dev/urandom'),
    'kmsg': lambda path: path.symlink_to('/proc/kmsg'),
    'dangling': lambda path: path.symlink_to('/nowhere'),
    'loop': lambda path: path.symlink_to(path),
    'sparse': lambda path: (path.touch(), os.truncate(path, 2**40)),
}
# (what is odd, the set that is asked for, further flags)
SETS = [
    ('set/x.png', 'set', ()),
    ('set/labels.csv', 'set', ()),
    ('set/dataset.json', 'set', ()),
    ('list.csv', 'set', ('--labels=list.csv',)),
    ('x.zip', 'x.zip', ()),
    ('x.tar', 'x.tar', ()),
    ('x.tar.gz', 'x.tar.gz', ()),
    ('x.npy', 'x.npy', ()),
    ('x.npz', 'x.npz', ()),
    ('arrays/x.npy', 'arrays', ()),
    ('idx/train-images-idx3-ubyte', 'idx', ()),
    ('idx/train-images-idx3-ubyte.gz', 'idx', ()),
    ('cifar/data_batch_1', 'cifar', ('--name=cifar',)),
    ('sound/x.wav', 'sound', ('--name=sound',)),
    ('pairs/A/x.png', 'pairs', ('--name=pairs',)),
    ('two/trainA/x.png', 'two', ('--name=unpaired',)),
    ('made/manifest.json', 'made', ('--name=prepared',)),
]


# Inspects one set after the other and prints (status, stdout, stderr) of each.
PROGRAM = """
import contextlib, io, json, os, signal, sys
from gan_jax.data import __main__ as command

for folder, src, *flags in json.load(sys.stdin):
    os.chdir(folder)
    out, err = io.StringIO(), io.StringIO()
    # what hangs is killed
    signal.alarm(SECONDS)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = command.main(['inspect', src, *flags])
    print(json.dumps([status, out.getvalue(), err.getvalue()]), flush=True)
""".replace('SECONDS', str(SECONDS))


def inspected(cases):
    """Inspect sets in a process of bounded memory; return (status, stdout, stderr) of each."""
    limited = f'ulimit -v {MEMORY // 1024}; exec "$@"'
    done = subprocess.run(
        ['bash', '-c', limited, '-', sys.executable, '-c', PROGRAM],
        input=json.dumps(cases), capture_output=True, text=True,
    )  # fmt: skip
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(cases), f'{cases[len(found)]} hangs or ends it: {done.stderr[-500:]}'
    return found


def made(folder, odd, name):
    """Make a folder of good files and an odd one; return it."""
    path = folder / name
    path.parent.mkdir(parents=True)
    write(folder, {f'{beside}/a.png': png(1) for beside in ('set', 'pairs/B', 'two/trainB')})
    ODD[odd](path)
    return str(folder)


def named(status, out, err):
    """Tell whether the odd file was named: in an error of one line, or as a bad example."""
    lines = [line for line in err.splitlines() if 'reading:' not in line]
    refused = status == 2 and len(lines) == 1 and lines[0].startswith('error: ')
    return refused or (status == 0 and 'bad        1' in out)


@pytest.mark.parametrize('odd', ODD)
def test_what_is_no_file_in_every_place(tmp_path, capsys, odd):
    cases = [
        (made(tmp_path / str(i), odd, name), src, *flags)
        for i, (name, src, flags) in enumerate(SETS)
    ]
    found = inspected(cases)
    wrong = [
        (case[0], *answer) for case, answer in zip(SETS, found, strict=True) if not named(*answer)
    ]
    with capsys.disabled():
        total = len(SETS)
        print(f'\n{total - len(wrong)} of {total} odd files ({odd}) named in one line, none hung')
    assert wrong == []


def changed(rng, content):
    """Flip, cut, zero, insert or repeat bytes of a file."""
    raw = bytearray(content)
    at = rng.randrange(len(raw))
    kind = rng.randrange(5)
    if kind == 0:
        for _ in range(rng.randint(1, 6)):
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del raw[at:]
    elif kind == 2:
        raw[at : at + 40] = bytes(len(raw[at : at + 40]))
    elif kind == 3:
        raw[at:at] = rng.randbytes(rng.randint(1, 16))
    else:
        # numbers of four bytes at their limits, where headers have sizes
        raw[at : at + 4] = rng.choice([b'\xff' * 4, b'\x7f\xff\xff\xff', b'\xff\xff\xff\x7f'])
    return bytes(raw)


def archive(kind):
    """Return a zip or tar of six labelled images, as bytes."""
    target = io.BytesIO()
    files = {f'{"ab"[i % 2]}/{i}.png': png(i) for i in range(6)}
    if kind == 'zip':
        with zipfile.ZipFile(target, 'w', zipfile.ZIP_DEFLATED) as packed:
            for name, content in files.items():
                packed.writestr(name, content)
        return target.getvalue()
    with tarfile.open(fileobj=target, mode=kind) as packed:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return target.getvalue()


def npz():
    target = io.BytesIO()
    images = np.arange(6 * 64, dtype=np.uint8).reshape(6, 8, 8)
    np.savez(target, images=images, labels=np.arange(6) % 3)
    return target.getvalue()


def npy():
    target = io.BytesIO()
    np.save(target, np.zeros((6, 8, 8), np.uint8))
    return target.getvalue()


IDX = idx(np.arange(6 * 64).reshape(6, 8, 8))
NUMBERS = idx(np.arange(6) % 3)
PARTS = {'set/0.png': png(0), 'set/1.png': png(1)}
CSV = b'0.png,1\n1.png,0\n'
JSON = b'{"labels": [["0.png", 0], ["1.png", 3]]}'
RAW = np.zeros((2, 3072), np.uint8)
WIDE = png(5, 8, 16)
# name: (the file that is changed, its content, the keys that read it, other files)
FILES = {
    'zip': ('x.zip', archive('zip'), {'name': 'folder', 'path': 'x.zip'}, {}),
    'tar': ('x.tar', archive('w:'), {'name': 'folder', 'path': 'x.tar'}, {}),
    'tar.gz': ('x.tar.gz', archive('w:gz'), {'name': 'folder', 'path': 'x.tar.gz'}, {}),
    'tar.xz': ('x.tar.xz', archive('w:xz'), {'name': 'folder', 'path': 'x.tar.xz'}, {}),
    'npz': ('x.npz', npz(), {'name': 'array', 'path': 'x.npz'}, {}),
    'npy': ('x.npy', npy(), {'name': 'array', 'path': 'x.npy'}, {}),
    'idx': ('train-images-idx3-ubyte', IDX, {'name': 'idx', 'path': '.'},
            {'train-labels-idx1-ubyte': NUMBERS}),
    'idx.gz': ('train-images-idx3-ubyte.gz', gzip.compress(IDX), {'name': 'idx', 'path': '.'}, {}),
    'idx labels': ('train-labels-idx1-ubyte', NUMBERS, {'name': 'idx', 'path': '.'},
                   {'train-images-idx3-ubyte': IDX}),
    'csv': ('set/labels.csv', CSV, {'name': 'folder', 'path': 'set'}, PARTS),
    'json': ('set/dataset.json', JSON, {'name': 'folder', 'path': 'set'}, PARTS),
    'cifar': ('c/data_batch_1.bin', cifar_files(RAW, [0, 1], 'binary')['c/data_batch_1.bin'],
              {'name': 'cifar', 'path': 'c'}, {'c/batches.meta.txt': b'plane\ncar\n'}),
    'cifar names': ('c/batches.meta', cifar_files(RAW, [0, 1], 'python')['c/batches.meta'],
                    {'name': 'cifar', 'path': 'c'}, cifar_files(RAW, [0, 1], 'python')),
    'pairs': ('p/0.png', WIDE, {'name': 'pairs', 'path': 'p'}, {'p/1.png': WIDE}),
    'pairs of folders': ('p/A/0.png', png(3), {'name': 'pairs', 'path': 'p'},
                         {'p/B/0.jpg': png(3), 'p/A/1.png': png(3), 'p/B/1.png': png(3)}),
    'unpaired': ('p/trainA/0.png', png(3), {'name': 'unpaired', 'path': 'p'},
                 {'p/trainA/1.png': png(3), 'p/trainB/1.png': png(3)}),
}  # fmt: skip


def tried(keys):
    """Open and read a whole set; return whether it can be used."""
    try:
        source = data.open_source(keys)
        found = reading.read(source, keys)
    except UserError as error:
        # the first line is for people, further ones list examples
        assert all(line.startswith('  ') for line in str(error).splitlines()[1:])
        return False
    for name, field in found.spec.fields.items():
        values = found.resident[name]
        assert values.shape[1:] == field.shape and str(values.dtype) == field.dtype
    label = found.resident.get('label')
    assert label is None or ((label >= -1) & (label < max(1, found.spec.num_classes))).all()
    return True


@pytest.mark.parametrize('kind', FILES)
def test_damage_of_every_kind(tmp_path, monkeypatch, capsys, kind):
    def wake(*_):
        raise AssertionError('hangs')

    monkeypatch.chdir(tmp_path)
    name, content, keys, others = FILES[kind]
    keys = {**data.defaults(), 'threads': 1, **keys}
    path = write(tmp_path, {**others, name: content}) / name
    assert tried(keys)
    rng, total, read = random.Random(kind), 400, 0
    before = signal.signal(signal.SIGALRM, wake)
    try:
        for _ in range(total):
            path.write_bytes(changed(rng, content))
            signal.alarm(60)
            read += tried(keys)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    with capsys.disabled():
        print(
            f'\n{total - read} of {total} damaged files ({kind}) refused in one line, {read} read'
        )


def parquet(folder, cells, labels):
    import pyarrow as pa
    import pyarrow.parquet as pq

    datasets = pytest.importorskip('datasets', reason='the extra hf is not installed')
    kinds = datasets.Features(
        {'picture': datasets.Image(), 'kind': datasets.ClassLabel(names=['x', 'y'])}
    )
    cell = pa.struct([('bytes', pa.binary()), ('path', pa.string())])
    table = pa.table({'picture': pa.array(cells, cell), 'kind': pa.array(labels, pa.int64())})
    folder.mkdir(exist_ok=True)
    pq.write_table(table.cast(kinds.arrow_schema), folder / 'train.parquet')
    return folder / 'train.parquet'


@pytest.mark.filterwarnings('ignore')
def test_damaged_and_made_parquet(tmp_path, monkeypatch, capsys):
    """Hugging Face: cells without an image, paths to anything, labels beyond the classes."""
    pytest.importorskip('datasets', reason='the extra hf is not installed')
    os.mkfifo(tmp_path / 'pipe')
    good = {'bytes': png(1), 'path': None}
    odd = [None, {'bytes': None, 'path': None}, {'bytes': b'', 'path': None},
           *({'bytes': None, 'path': path} for path in
             ('/dev/zero', str(tmp_path / 'pipe'), '/nowhere', '', '/', 'a\0b', 'x' * 5000))
           ]  # fmt: skip
    cases = [([good, cell], [0, 1]) for cell in odd]
    cases += [([good, good], [0, label]) for label in (2, -2, 10**12, 2**63 - 1)]
    for number, (cells, labels) in enumerate(cases):
        monkeypatch.setenv('HF_DATASETS_CACHE', str(tmp_path / 'cache'))
        folder = parquet(tmp_path / f'set{number}', cells, labels).parent
        assert not tried({**data.defaults(), 'name': 'hf', 'path': str(folder)}), cells[1]
    rng, total, read = random.Random(0), 60, 0
    path = parquet(tmp_path / 'set', [good] * 4, [0, 1, 0, 1])
    content = path.read_bytes()
    for i in range(total):
        path = write(tmp_path / f'damaged{i}', {'train.parquet': changed(rng, content)})
        read += tried({**data.defaults(), 'name': 'hf', 'path': str(path)})
    with capsys.disabled():
        print(f'\n{len(cases)} of {len(cases)} made, {total - read} of {total} damaged parquet '
              f'files refused in one line, {read} read')  # fmt: skip
