"""Archives, labels and names that are made to mislead are refused, or shown as what they are."""

import gzip
import io
import json
import logging
import os
import pickle
import signal
import struct
import tarfile
import tempfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from gan_jax import cli, data, errors, files
from gan_jax.data import __main__ as command
from gan_jax.data import pipeline, stores
from gan_jax.data.images import BadImage
from gan_jax.data.stores import entries, unpacked
from gan_jax.errors import UserError


def png(value=0):
    """Return a PNG of one gray."""
    buffer = io.BytesIO()
    Image.new('L', (24, 24), value).save(buffer, 'PNG')
    return buffer.getvalue() + bytes(400)


def opened(path, **keys):
    return data.open_source({**data.defaults(), 'name': 'folder', 'path': str(path), **keys})


def read(source):
    return pipeline.make(source, data.defaults(), batch_size=1, seed=0)


def zipped(path, names, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, 'w', compression) as archive:
        for i, name in enumerate(names):
            archive.writestr(name, png(i))
    return path


def tarred(path, members, mode='w'):
    """Write a tar of {name: bytes, or (kind, target)}."""
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                archive.addfile(info)
    return path


class TestZip:
    def test_an_entry_that_swallows_the_next_is_noticed(self, tmp_path):
        path = zipped(tmp_path / 'x.zip', [f'{i}.png' for i in range(6)])
        raw = bytearray(path.read_bytes())
        third = [i for i in range(len(raw)) if raw[i : i + 4] == b'PK\1\2'][2]
        # the comment of an entry, grown over the next three
        raw[third + 32 : third + 34] = struct.pack('<H', 3 * (46 + 5))
        path.write_bytes(bytes(raw))
        with pytest.raises(UserError, match='its directory promises 6 entries, and has 3'):
            opened(path)

    def test_files_that_the_directory_leaves_out_are_noticed(self, tmp_path):
        whole = zipped(tmp_path / 'x.zip', [f'{i}.png' for i in range(6)]).read_bytes()
        places = [i for i in range(len(whole)) if whole[i : i + 4] == b'PK\1\2']
        end = whole.index(b'PK\5\6')
        for left_out in range(6):
            start, stop = places[left_out], (*places, end)[left_out + 1]
            cut = stop - start
            raw = bytearray(whole[:start] + whole[stop:])
            at = end - cut
            raw[at + 8 : at + 16] = struct.pack('<HHI', 5, 5, end - places[0] - cut)
            path = tmp_path / 'y.zip'
            path.write_bytes(bytes(raw))
            with pytest.raises(UserError, match='leaves out files that are there'):
                opened(path)

    @pytest.mark.parametrize('compression', [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_what_programs_write_is_read(self, tmp_path, compression):
        class Pipe(io.RawIOBase):
            """What cannot go back: sizes follow the content then."""

            def writable(self):
                return True

            def write(self, part):
                written.extend(part)
                return len(part)

        written = bytearray()
        with zipfile.ZipFile(Pipe(), 'w', compression) as archive:
            for i in range(5):
                archive.writestr(f'ünï/{i}.png', png(i))
        path = tmp_path / 'x.zip'
        # behind a program that unpacks it
        path.write_bytes(b'#!/bin/sh\n' + bytes(5000) + written)
        assert len(opened(path)) == 5
        with zipfile.ZipFile(path, 'a') as archive:
            archive.comment = b'PK and more' * 100
        read(opened(path, labels='none'))

    def test_more_entries_than_16_bits_count(self, tmp_path):
        path = tmp_path / 'x.zip'
        with zipfile.ZipFile(path, 'w') as archive:
            for i in range(65540):
                archive.writestr(f'{i}.txt', b'')
            archive.writestr('x.png', png())
        assert len(opened(path)) == 1

    @pytest.mark.filterwarnings('ignore:Duplicate name')
    def test_two_entries_of_one_name_are_named(self, tmp_path):
        path = zipped(tmp_path / 'x.zip', ['a.png', 'b.png', './a.png', 'b.png'])
        with pytest.raises(UserError, match=r'no readable image; a.png is in the archive twice'):
            opened(path)

    def test_an_entry_that_promises_more_than_memory_is_named(self, tmp_path):
        path = zipped(tmp_path / 'x.zip', ['a.png', 'b.png'])
        raw = bytearray(path.read_bytes())
        at = raw.rindex(b'PK\1\2')
        raw[at + 20 : at + 24] = struct.pack('<I', 2**32 - 2)
        path.write_bytes(bytes(raw))
        with pytest.raises(UserError, match=r'b.png: is larger than 512 MiB'):
            read(opened(path))

    def test_too_many_entries_are_not_indexed(self, tmp_path, monkeypatch):
        monkeypatch.setattr(entries, 'MOST', 3)
        paths = [
            zipped(tmp_path / 'x.zip', [f'{i}.png' for i in range(5)]),
            tarred(tmp_path / 'x.tar', [(f'{i}.png', png()) for i in range(5)]),
        ]
        for path in paths:
            with pytest.raises(UserError, match='has more than 3 entries'):
                opened(path)


class TestTar:
    def test_links_within_the_archive_are_followed_and_others_named(self, tmp_path):
        members = [
            ('d/a.png', png(7)),
            ('hard.png', (tarfile.LNKTYPE, 'd/a.png')),
            ('d/soft.png', (tarfile.SYMTYPE, '../hard.png')),
            ('out.png', (tarfile.SYMTYPE, '/etc/passwd')),
            ('loop.png', (tarfile.SYMTYPE, 'loop.png')),
            ('pipe.png', (tarfile.FIFOTYPE, '')),
            ('device.png', (tarfile.CHRTYPE, '')),
        ]
        store = stores.open_store(str(tarred(tmp_path / 'x.tar', members)))
        assert store.read('hard.png') == store.read('d/soft.png') == png(7)
        for name in ('out.png', 'loop.png'):
            with pytest.raises(BadImage, match='is a link to no file of the archive'):
                store.read(name)
        for name in ('pipe.png', 'device.png'):
            with pytest.raises(BadImage, match='is no regular file'):
                store.read(name)

    def test_the_last_of_one_name_counts(self, tmp_path):
        path = tarred(tmp_path / 'x.tar', [('a.png', png(1)), ('b.png', png(2)), ('a.png', png(3))])
        assert stores.open_store(str(path)).read('a.png') == png(3)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Let temporary files lie in a folder of the test's own."""
    folder = tmp_path / 'temporary'
    folder.mkdir()
    monkeypatch.setattr(tempfile, 'tempdir', str(folder))
    return folder


class TestUnpacked:
    def bomb(self, tmp_path):
        path = tmp_path / 'bomb.tar.gz'
        path.write_bytes(gzip.compress(bytes(2**24)))
        return path

    def test_a_bomb_ends_at_half_of_the_free_space(self, tmp_path, temporary, monkeypatch):
        free = type('Usage', (), {'free': 2**23})
        monkeypatch.setattr(unpacked.shutil, 'disk_usage', lambda path: free)
        with pytest.raises(UserError, match='unpacks to more than 4 MiB, half of what is free in'):
            opened(self.bomb(tmp_path))
        assert not list(temporary.iterdir())

    @pytest.mark.parametrize('signum', [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_leaves_nothing(self, tmp_path, temporary, monkeypatch, signum, capsys):
        class Reader(io.BytesIO):
            def read(self, *args):
                assert list(temporary.iterdir())
                signal.raise_signal(signum)

        monkeypatch.setattr(gzip, 'open', lambda file: Reader())
        # a process in the background of a script ignores SIGINT
        handlers = {signal.SIGTERM: command.terminated, signal.SIGINT: signal.default_int_handler}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            assert command.main(['inspect', str(self.bomb(tmp_path))]) == 128 + signum
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        assert not list(temporary.iterdir())
        assert capsys.readouterr().err.startswith('interrupted; the same command')

    def test_what_a_killed_process_left_is_cleared_away(self, tmp_path, temporary):
        path = tarred(tmp_path / 'x.tar.gz', [('a.png', png())], 'w:gz')
        left, young = (temporary / f'gan_jax_{name}.tar' for name in ('left', 'young'))
        for file in (left, young):
            file.write_bytes(b'x')
        os.utime(left, (0, 0))
        store = stores.open_store(str(path))
        os.utime(store.data, (0, 0))
        other = stores.open_store(str(path))
        assert set(temporary.iterdir()) == {young, store.data, other.data}
        assert pickle.loads(pickle.dumps(store)).read('a.png') == png()
        assert store.data.exists()


LARGE = f'1{"0" * 12}'


class TestLabels:
    @pytest.fixture
    def folder(self, tmp_path):
        for i in range(3):
            Image.new('L', (8, 8)).save(tmp_path / f'{i}.png')
        return tmp_path

    @pytest.mark.parametrize(
        ('name', 'text', 'message'),
        [
            ('dataset.json', f'{{"labels": [["0.png", {LARGE}]]}}', f'the label {LARGE} is too'),
            ('dataset.json', f'{{"labels": [["0.png", {"9" * 30}]]}}', '999... is too large'),
            ('dataset.json', f'{{"labels": [["0.png", {"9" * 5000}]]}}', 'more than 40 digits'),
            ('dataset.json', f'{"[" * 10**5}{"]" * 10**5}', 'nested more than 64 deep'),
            ('dataset.json', '{"labels": [["0.png", true]]}', 'is True, not a class number'),
            ('dataset.json', '{"labels": [["0.png", -2]]}', 'is -2, not a class number'),
            ('dataset.json', '{"labels": [["0.png", 0, 1]]}', 'is not {"labels"'),
            ('dataset.json', '{"labels": [["0.png", 0], ["0.png", 1]]}', 'two labels, 0 and 1'),
            ('dataset.json', '[]', 'dataset.json cannot be read'),
            ('dataset.json', '{"label": []}', 'is not {"labels"'),
            ('labels.csv', f'0.png,{LARGE}', f'the label {LARGE} is too large'),
            ('labels.csv', f'0.png,{"9" * 5000}', '999... is too large'),
            ('labels.csv', '0.png,65536', 'labels of 1 examples are from 0 to 65535'),
            ('labels.csv', '0.png,1\n0.png,2', '0.png has two labels, 1 and 2'),
        ],
    )
    def test_what_is_no_label_of_this_set_is_refused(self, folder, name, text, message):
        (folder / name).write_text(text)
        with pytest.raises(UserError, match=message) as raised:
            opened(folder)
        assert len(str(raised.value)) < 300

    def test_large_labels_that_a_set_can_have_are_kept(self, folder):
        text = ''.join(f'{i}.png,{label}\n' for i, label in enumerate(('00021840', '-1', '7')))
        (folder / 'labels.csv').write_text(text)
        source = opened(folder)
        assert [int(source[i]['label']) for i in range(3)] == [21840, -1, 7]
        assert source.spec.num_classes == 21841

    @pytest.mark.parametrize('label', [10**12, 2**31, 2**63, 65536])
    def test_of_an_array(self, tmp_path, label):
        images = np.zeros((2, 8, 8), np.uint8)
        np.savez(tmp_path / 'x.npz', images=images, labels=np.asarray([0, label], np.uint64))
        with pytest.raises(UserError, match=f'the label {label} is too large'):
            opened(tmp_path / 'x.npz', name='array')

    def test_of_an_array_whose_header_is_damaged(self, tmp_path):
        images = np.zeros((2, 8, 8), np.uint8)
        np.save(tmp_path / 'x.npy', images)
        np.savez(tmp_path / 'x.npz', images=images)
        for name, at, message in (
            ('x.npy', b"{'descr", 'null bytes'),
            ('x.npz', b'PK\1\2', 'version'),
        ):
            raw = bytearray((tmp_path / name).read_bytes())
            place = raw.index(at)
            raw[place + 6] = 0 if name == 'x.npy' else 255
            (tmp_path / name).write_bytes(raw)
            with pytest.raises(UserError, match=f'cannot read .*{name}: .*{message}'):
                opened(tmp_path / name, name='array')

    def test_of_an_archive_with_names_of_classes(self, tmp_path):
        record = bytes([7]) + bytes(3072)
        (tmp_path / 'data_batch_1.bin').write_bytes(record)
        (tmp_path / 'batches.meta.txt').write_text('plane\ncar\n')
        with pytest.raises(UserError, match='the label 7 is none of the 2 classes'):
            opened(tmp_path, name='cifar')

    def test_of_any_source_is_none_but_those_of_its_classes(self):
        source = opened('', name='digits')
        source.beside['label'] = np.where(np.arange(1797) == 4, 10, source.beside['label'])
        with pytest.raises(UserError, match='example 4: has the label 10, but there are 10 class'):
            read(source)


NASTY = 'a\x1b[31m\r\n\x9b2J\u202eb'


class TestNames:
    def nasty(self, folder):
        """Write files of names that a terminal would obey, one of them not UTF-8."""
        (folder / f'{NASTY}.png').write_bytes(b'no image')
        (folder / os.fsdecode(b'\xff\xfe.png')).write_bytes(b'')
        Image.new('L', (8, 8)).save(folder / 'a.png')
        return folder

    def test_of_files_reach_the_terminal_escaped(self, tmp_path, capsys, monkeypatch):
        path = str(self.nasty(tmp_path))
        out = tmp_path / NASTY
        for argv in (['inspect', path], ['inspect', f'{path}/{NASTY}'],
                     ['prepare', path, str(tmp_path / 'set'), '--on_error=skip'],
                     ['prepare', path, str(tmp_path / 'set2')],
                     ['prepare', path, str(out), '--on_error=skip']):  # fmt: skip
            command.main(argv)
        captured = capsys.readouterr()
        text = captured.out + captured.err
        assert r'a\x1b[31m\r\n\x9b2J\u202eb.png' in text and r'\udcff\udcfe.png' in text
        assert all(c.isprintable() or c == '\n' for c in text)

    def test_in_errors_and_warnings(self, caplog):
        text = str(UserError(NASTY, f'  {NASTY}', 'end'))
        assert text == '\n'.join([r'a\x1b[31m\r\n\x9b2J\u202eb', r'  a\x1b[31m\r\n\x9b2J\u202eb',
                                  'end'])  # fmt: skip
        assert errors.printable('ü: 数 "\\" 100 %') == 'ü: 数 "\\" 100 %'
        record = logging.LogRecord('x', logging.WARNING, '', 0, '%s', (NASTY,), None)
        assert cli.OneLine('%(message)s').format(record) == r'a\x1b[31m\r\n\x9b2J\u202eb'

    def test_the_bad_examples_of_a_set_keep_a_line_each(self, tmp_path):
        with pytest.raises(UserError) as raised:
            read(opened(self.nasty(tmp_path)))
        assert len(str(raised.value).splitlines()) == 3


def test_names_of_thousands_of_digits_are_in_order():
    long = '9' * 5000
    names = [f'a{long}.png', 'a10.png', f'a{long[:-1]}8.png', 'a9.png', 'a09.png']
    wanted = ['a09.png', 'a9.png', 'a10.png', f'a{long[:-1]}8.png', f'a{long}.png']
    assert sorted(names, key=files.natural) == wanted


def test_json_of_labels_may_be_null(tmp_path):
    Image.new('L', (8, 8)).save(tmp_path / 'a.png')
    (tmp_path / 'dataset.json').write_text(json.dumps({'labels': None}))
    assert opened(tmp_path).spec.num_classes == 0
