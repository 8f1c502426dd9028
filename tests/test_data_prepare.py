"""Prepared shards hold what the source gives, however often their making is interrupted."""

import functools
import json
import operator
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

from gan_jax import data
from gan_jax.data import __main__ as command
from gan_jax.data import pipeline, protocol
from gan_jax.data.geometry import Geometry
from gan_jax.data.in_memory import InMemory
from gan_jax.data.preparation import shards, summary, write
from gan_jax.data.sources import prepared
from gan_jax.errors import UserError

MADE = {'source': 'here', 'resize': 'lanczos'}


def tiny(n=300, dtype=np.uint8, labels=True):
    """Return n random images in 3 classes."""
    top = np.iinfo(dtype).max
    images = np.random.default_rng(0).integers(0, top, (n, 6, 4, 3), dtype, endpoint=True)
    return InMemory(images, np.arange(n) % 3 if labels else None, Geometry(), 'tiny')


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Make a shard of about 100 examples."""
    monkeypatch.setattr(shards, 'SHARD_BYTES', 100 * 76)


@pytest.fixture
def pictures(tmp_path):
    """Return a folder of 12 images in two classes, of two sizes."""
    for i in range(12):
        path = tmp_path / 'pictures' / 'ab'[i % 2] / f'{i}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (20 + i % 2 * 4, 20, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    return tmp_path / 'pictures'


def run(*arguments) -> int:
    return command.main([str(a) for a in arguments])


def same(left, right):
    """Assert that two sources give the same examples."""
    assert len(left) == len(right)
    a, b = (protocol.load(s, np.arange(len(left))) for s in (left, right))
    assert a.keys() == b.keys()
    for key in a:
        assert a[key].dtype == b[key].dtype
        np.testing.assert_array_equal(a[key], b[key])


@pytest.mark.parametrize('keys', [{}, {'dtype': np.uint16}, {'labels': False}])
def test_a_prepared_set_is_its_source(tmp_path, keys):
    source = tiny(**keys)
    manifest = write.write_shards(source, tmp_path / 'set', MADE)
    again = prepared.Source(str(tmp_path / 'set'))
    assert again.spec == source.spec
    assert len(manifest['shards']) > 2
    same(source, again)
    scattered = np.asarray([299, 0, 150, 150, 7])
    np.testing.assert_array_equal(again.batch(scattered)['image'], source.images[scattered])
    np.testing.assert_array_equal(again[299]['image'], source.images[299])


def test_the_manifest_says_what_is_inside(tmp_path):
    source = tiny()
    manifest = write.write_shards(source, tmp_path / 'set', MADE)
    assert manifest == json.loads((tmp_path / 'set' / 'manifest.json').read_text())
    assert (manifest['count'], manifest['source'], manifest['resize']) == (300, 'here', 'lanczos')
    assert manifest['class_counts'] == {'0': 100, '1': 100, '2': 100}
    assert manifest['sizes'] == {'6x4': 300}
    flat = source.images.reshape(-1, 3)
    np.testing.assert_allclose(manifest['moments']['image']['mean'], flat.mean(axis=0))
    np.testing.assert_allclose(manifest['moments']['image']['std'], flat.std(axis=0))
    with Image.open(tmp_path / 'set' / 'preview.png') as preview:
        assert preview.width >= 32 and preview.height >= 32
    assert {p.name for p in (tmp_path / 'set').iterdir() if 'array_record' not in p.name} == {
        'manifest.json', 'preview.png', 'sizes.png'}  # fmt: skip
    source.images = source.images.copy()
    source.images[7, 0, 0, 0] ^= 1
    other = write.write_shards(source, tmp_path / 'other', MADE)
    assert other['digest'] != manifest['digest']


class Interrupted:
    """A source whose reading is interrupted once it comes to an example."""

    def __init__(self, source, at):
        self.source = source
        self.spec = source.spec
        self.at = at

    def __len__(self):
        return len(self.source)

    def __getitem__(self, index):
        if index == self.at:
            raise KeyboardInterrupt
        return self.source[index]

    def original(self, index):
        return self.source.original(index)


def test_an_interrupted_preparation_goes_on(tmp_path):
    straight = write.write_shards(tiny(), tmp_path / 'straight', MADE)
    with pytest.raises(KeyboardInterrupt):
        write.write_shards(Interrupted(tiny(), 250), tmp_path / 'set', MADE)
    with pytest.raises(UserError, match='holds no prepared set'):
        prepared.Source(str(tmp_path / 'set'))
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / 'set').glob('*.array_record')}
    assert len(kept) == 2
    with pytest.raises(UserError, match='prepared with another resize'):
        write.write_shards(tiny(), tmp_path / 'set', {**MADE, 'resize': 'box'})
    assert write.write_shards(tiny(), tmp_path / 'set', MADE) == straight
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    assert not list((tmp_path / 'set').glob('*.tmp'))
    same(tiny(), prepared.Source(str(tmp_path / 'set')))


def test_worker_processes_write_the_same(tmp_path):
    a = write.write_shards(tiny(), tmp_path / 'a', MADE)
    assert write.write_shards(tiny(), tmp_path / 'b', MADE, workers=1) == a


def test_bad_files_are_listed_or_left_out(tmp_path, pictures, capsys):
    (pictures / 'a' / '4.png').write_bytes(b'nothing')
    target = tmp_path / 'set'
    assert run('prepare', pictures, target, '--size=8') == 2
    error = capsys.readouterr().err
    assert 'error: 1 of 12 examples cannot be used' in error and 'a/4.png: is no image' in error
    assert run('prepare', pictures, target, '--size=8', '--on_error=skip') == 0
    assert 'skipped 1 of 12 examples: a/4.png' in capsys.readouterr().err
    manifest = json.loads((target / 'manifest.json').read_text())
    assert manifest['count'] == 11 and manifest['skipped'][0][0] == 'a/4.png'


def test_the_command_prepares_what_training_reads(tmp_path, pictures, capsys):
    target = tmp_path / 'set'
    assert run('prepare', pictures, target, '--size=8x6', '--resize=box') == 0
    assert '--config.data.name=prepared --config.data.path=' in capsys.readouterr().out
    keys = {**data.defaults(), 'size': '8x6', 'resize': 'box'}
    raw = data.open_source({**keys, 'name': 'folder', 'path': str(pictures)})
    done = data.open_source({**data.defaults(), 'name': 'prepared', 'path': str(target)})
    assert done.spec == raw.spec and done.spec.classes == ('a', 'b')
    same(raw, done)
    batches = [
        next(
            pipeline.make(
                s, {**data.defaults(), 'device_cache_mb': 0}, batch_size=8, seed=1
            ).batches(0)
        )
        for s in (raw, done)
    ]
    np.testing.assert_array_equal(batches[0]['image'], batches[1]['image'])
    assert run('prepare', pictures, target, '--size=8x6', '--resize=box') == 0


def test_unpaired_and_pairs_are_prepared(tmp_path, pictures):
    (pictures / 'a').rename(pictures / 'trainA')
    (pictures / 'b').rename(pictures / 'trainB')
    assert run('prepare', pictures, tmp_path / 'two', '--size=8', '--name=unpaired') == 0
    source = data.open_source(
        {**data.defaults(), 'name': 'prepared', 'path': str(tmp_path / 'two')}
    )
    assert source.spec.images == {'a': (8, 8, 3), 'b': (8, 8, 3)}
    assert {k: len(s) for k, s in source.streams.items()} == {'a': 6, 'b': 6}
    for side in ('trainA', 'trainB'):
        for i, path in enumerate(sorted((pictures / side).iterdir())):
            path.rename(path.with_name(f'pair{i}.png'))
    pair = ('--size=8', '--name=pairs', '--split=train')
    assert run('prepare', pictures, tmp_path / 'pairs', *pair) == 0
    keys = {'name': 'pairs', 'path': str(pictures), 'split': 'train', 'size': '8'}
    raw = data.open_source({**data.defaults(), **keys})
    same(raw, prepared.Source(str(tmp_path / 'pairs')))


def test_inspect_prints_the_facts_and_names_what_is_bad(pictures, capsys):
    (pictures / 'b' / '5.png').write_bytes(b'')
    assert run('inspect', pictures, '--size=16', '--channels=1') == 0
    out = capsys.readouterr().out
    for line in ('examples   11 of 12', 'shape      16x16, 1 channels, uint8',
                 'sizes seen 20x20 (6), 24x20 (5)', 'classes    2: a (6), b (5)',
                 'b/5.png: is empty'):  # fmt: skip
        assert line in out
    assert run('inspect', pictures / 'nope') == 2
    assert capsys.readouterr().err.startswith('error: ')


def test_a_look_suggests_size_and_channels(tmp_path):
    def looked(name, sizes, mode):
        for i, (h, w) in enumerate(sizes):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.new(mode, (w, h)).save(tmp_path / name / f'{i}.png')
        return summary.summary(str(tmp_path / name))

    assert looked('gray', [(256, 256)] * 3, 'L')[2:4] == ('64x64', 1)
    assert looked('tall', [(300, 200)] * 3, 'RGB')[2:4] == ('96x64', 3)
    assert looked('odd', [(50, 50)] * 2, 'L').size == '48x48'
    assert looked('wild', [(300, 200), (100, 400), (90, 90)], 'RGBA')[2:4] == ('64x64', 3)
    assert looked('small', [(28, 28)] * 2, 'L')[2:4] == ('28x28', 1)


def test_damaged_sets_are_named(tmp_path):
    folder = tmp_path / 'set'
    write.write_shards(tiny(), folder, MADE)
    manifest = folder / 'manifest.json'
    shard = sorted(folder.glob('*.array_record'))[1]
    whole = shard.read_bytes()
    # the right length, but other bytes
    shard.write_bytes(bytes(len(whole)))
    source = prepared.Source(str(folder))
    with pytest.raises(UserError, match='cannot be read'):
        pipeline.make(source, data.defaults(), batch_size=1, seed=0)
    shard.write_bytes(whole[:-1])
    with pytest.raises(UserError, match=f'{shard} is absent or damaged'):
        prepared.Source(str(folder))
    manifest.write_text('{')
    with pytest.raises(UserError, match=r'manifest.json cannot be read: Expecting'):
        prepared.Source(str(folder))


LIES = [
    ('[]', 'it is a list, and should be an object'),
    ({'version': 'two'}, "version is 'two', and should be an int"),
    ({'count': 200}, 'its count is 200, that of its shards 300'),
    ({'count': None}, 'count is null or absent, and should be an int'),
    ({'shards': {}}, 'shards is an object, and should be a list'),
    ({'shards.0': 3}, 'shards[0] is 3, and should be an object'),
    ({'shards.0.name': '../../../a'}, "'../../../a' is no name of a shard in this folder"),
    ({'shards.0.name': '/etc/passwd'}, "'/etc/passwd' is no name of a shard in this folder"),
    ({'shards.0.name': '..'}, "'..' is no name of a shard"),
    ({'shards.0.count': -1, 'count': 199}, 'has a count of -1'),
    ({'shards.0.count': 10**9, 'count': 10**9 + 200}, 'but its examples take 76000000000'),
    ({'shards.0.count': 50, 'count': 250}, 'holds 100 examples, but manifest.json says 50'),
    ({'spec.fields': []}, 'spec.fields is a list, and should be an object'),
    ({'spec.fields.image.shape': [6, 4]}, "image' has the shape [6, 4]"),
    ({'spec.fields.image.shape': [6, 4, -3]}, "field 'image' has the shape [6, 4, -3]"),
    ({'spec.fields.image.dtype': 'object'}, "field 'image' has the dtype 'object'"),
    ({'spec.fields.image.dtype': 'nonsense'}, "field 'image' has the dtype 'nonsense'"),
    ({'spec.fields.image.kind': '../x'}, "the kind '../x', which is none of audio, image"),
    ({'spec.main': 'picture'}, "main is 'picture', which is none of ['image', 'label']"),
]


@pytest.fixture(scope='module')
def three_shards(tmp_path_factory):
    """Prepare 300 examples, about 100 a shard."""
    folder = tmp_path_factory.mktemp('lies') / 'set'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, 'SHARD_BYTES', 100 * 76)
        write.write_shards(tiny(), folder, MADE)
    return folder


@pytest.mark.parametrize(('changes', 'message'), LIES, ids=[m[:40] for _, m in LIES])
def test_a_manifest_that_lies_is_refused_in_one_line(three_shards, tmp_path, changes, message):
    folder = shutil.copytree(three_shards, tmp_path / 'set')
    manifest = folder / 'manifest.json'
    text = changes
    if not isinstance(changes, str):
        whole = json.loads(manifest.read_text())
        for dotted, value in changes.items():
            *parents, leaf = (int(k) if k.isdigit() else k for k in dotted.split('.'))
            functools.reduce(operator.getitem, parents, whole)[leaf] = value
        text = json.dumps(whole)
    manifest.write_text(text)
    with pytest.raises(UserError) as raised:
        prepared.Source(str(folder))
    assert message in str(raised.value) and '\n' not in str(raised.value)


def test_damaged_notes_of_an_interrupted_preparation_are_passed_over(tmp_path, caplog):
    straight = write.write_shards(tiny(), tmp_path / 'straight', MADE)
    with pytest.raises(KeyboardInterrupt):
        write.write_shards(Interrupted(tiny(), 250), tmp_path / 'set', MADE)
    first, second = sorted((tmp_path / 'set').glob('images-*.json'))
    first.write_text('[1]')
    second.write_text('{"bytes": ' + second.with_suffix('.array_record').name + '}')
    assert write.write_shards(tiny(), tmp_path / 'set', MADE) == straight
    assert f'{first} cannot be read: it is a list' in caplog.text and str(second) in caplog.text


class Killed(BaseException):
    """Stand for a kill: nothing handles it."""


def killed_in(folder, function, drafts):
    """Return a function that ends as a kill would, right after it has done its work."""

    def killed(*args, **keys):
        function(*args, **keys)
        for name in drafts:
            (folder / name).write_bytes(b'half')
        raise Killed

    return killed


def test_what_a_kill_left_at_any_point_is_gone_in_the_end(tmp_path, monkeypatch):
    whole = tmp_path / 'whole'
    write.write_shards(tiny(), whole, MADE)
    contents = {p.name: p.read_bytes() for p in whole.iterdir()}
    drafts = ('.unfinished.7.tmp.json', '.images-00001-of-00003.7.tmp.array_record',
              '.images-00001-of-00003.7.tmp.json', '.manifest.7.tmp.json')  # fmt: skip
    for last in ('write_rest', 'join', 'preview'):
        folder = tmp_path / last
        place = write.showing if last == 'preview' else write
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(place, last, killed_in(folder, getattr(place, last), drafts))
            write.write_shards(tiny(), folder, MADE)
        write.write_shards(tiny(), folder, MADE)
        assert {p.name: p.read_bytes() for p in folder.iterdir()} == contents


def test_foreign_folders_are_left_alone(tmp_path):
    (tmp_path / 'mine.txt').write_text('x')
    with pytest.raises(UserError, match='is not empty'):
        write.write_shards(tiny(), tmp_path, MADE)
    blocked = tmp_path / 'mine.txt' / 'set'
    with pytest.raises(UserError, match='cannot write'):
        write.write_shards(tiny(), pathlib.Path(blocked), MADE)
