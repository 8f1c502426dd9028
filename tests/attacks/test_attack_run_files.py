"""Every file of a run and of a prepared set, damaged in many ways: one line, or the right end.

`python -m pytest -m slow -s tests/attacks` prints how many attacks ended how.
"""

import copy
import json
import random
import shutil

import numpy as np
import pytest
import runs

import gan_jax
from gan_jax.data.geometry import Geometry
from gan_jax.data.in_memory import InMemory
from gan_jax.data.preparation import shards, write
from gan_jax.data.protocol import BadExample, load
from gan_jax.data.sources import prepared
from gan_jax.errors import UserError
from gan_jax.metrics import certificate

pytestmark = pytest.mark.slow

SMALL = (
    '--config.model.g.hidden=8,8 --config.model.d.hidden=8,8 --config.devices=1 '
    '--config.duration=20st --config.log.every=5st --config.sample.every=10st '
    '--config.checkpoint.every=10st'
)
# What takes the place of a value in JSON: text as it is written there.
ODD = ('null', 'true', '0', '-1', '3.5', '1e999', 'NaN', '9' * 50, '9' * 5000, '""', '"x"',
       '"\\u0000"', '"../../../x"', '"\\ud800"', '[]', '{}', '[null]', '[[[]]]', '{"": null}',
       '{"a.b": {"c": 1}}', '[' * 200 + ']' * 200, '{"a":' * 200 + '1' + '}' * 200, '')  # fmt: skip
HOLE = 'a hole to fill'


def places(value, path=()):
    """Yield the path to every value in a document."""
    yield path
    if isinstance(value, dict | list):
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in inside:
            yield from places(one, (*path, key))


def mutated(text, draw):
    """Return JSON with one of its values replaced by something odd, or taken away."""
    whole = copy.deepcopy(json.loads(text))
    path = draw.choice(list(places(whole)))
    if not path:
        return draw.choice(ODD)
    parent = whole
    for key in path[:-1]:
        parent = parent[key]
    if draw.random() < 0.2:
        del parent[path[-1]]
        return json.dumps(whole)
    parent[path[-1]] = HOLE
    return json.dumps(whole).replace(f'"{HOLE}"', draw.choice(ODD), 1)


def mutated_json(path, draw):
    """Change one value of a document, or of one of the documents in its lines."""
    lines = [path.read_text()] if path.suffix == '.json' else path.read_text().splitlines()
    at = draw.randrange(len(lines))
    lines[at] = mutated(lines[at], draw)
    path.write_text('\n'.join(lines) + '\n')


def damaged_bytes(path, draw):
    """Damage a file as disks, power cuts, and people do."""
    content = bytearray(path.read_bytes())
    at = draw.randrange(len(content) or 1)
    harm = draw.choice(
        ('empty', 'cut', 'flip', 'zeros', 'noise', 'longer', 'twice', 'none', 'folder')
    )
    if harm in ('none', 'folder'):
        path.unlink()
        if harm == 'folder':
            path.mkdir()
        return
    if harm == 'flip' and content:
        content[at] ^= 1 << draw.randrange(8)
    changed = {
        'empty': b'',
        'cut': content[:at],
        'flip': content,
        'zeros': bytes(len(content)),
        'noise': draw.randbytes(len(content)),
        'longer': content + draw.randbytes(100),
        'twice': content + content,
    }
    path.write_bytes(changed[harm])


class Tally:
    """Count how attacks ended, and keep those that ended badly."""

    def __init__(self, what):
        self.what, self.refused, self.right, self.bad = what, 0, 0, []

    def end(self, attack, ends):
        """Run what `ends` does: it returns '' where all is right, or raises one line."""
        try:
            wrong = ends()
        except (UserError, BadExample) as error:
            self.refused += 1
            wrong = f'more than a line: {error}' if '\n' in str(error) else ''
        except Exception as error:
            wrong = f'{type(error).__name__}: {error}'
        else:
            self.right += not wrong
        if wrong:
            self.bad.append(f'{attack}: {wrong[:300]}')

    def report(self):
        """Print the counts; fail where an attack ended badly."""
        total = self.refused + self.right + len(self.bad)
        print(
            f'\n{self.what}: {self.refused} of {total} refused in one line, {self.right} went on '
            f'to the right end, {len(self.bad)} ended badly'
        )
        assert not self.bad, '\n'.join(self.bad)
        assert total


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Return the folder of a run that ended, and its digest."""
    folder = tmp_path_factory.mktemp('whole') / 'run'
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(runs.TESTS.parent)
        status, out, _ = runs.call(f'{SMALL} --workdir={folder}')
    assert status == 0
    return folder, out.splitlines()[-1]


def again(folder, digest):
    """Give the command of a run again, and sample from it; return what is wrong with the end."""
    status, out, err = runs.call(f'{SMALL} --workdir={folder}')
    if status == 0:
        return '' if out.splitlines()[-1] == digest else f'another end: {out[-200:]}'
    if status != 2 or not err.startswith('error: ') or err.count('\n') != 1:
        return f'{status}: {err}'
    raise UserError(err.strip())


def attacked(whole, tmp_path, names, harm, draw):
    """Yield (what was done, folder) of each attack: a harm to one file of a copy of a run."""
    for name in names:
        folder = tmp_path / 'run'
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        harm(folder / name, draw)
        yield f'{harm.__name__} {name}', folder


def both(folder, digest):
    """Load a run, then go on with it: both end in one line or well."""
    try:
        gan_jax.load(folder)
    except UserError as error:
        if '\n' in str(error):
            return f'more than a line: {error}'
    return again(folder, digest)


@pytest.mark.parametrize(
    ('name', 'times'),
    [('config.json', 60), ('run.json', 40), ('result.json', 25)],
)
def test_documents_of_a_run(whole, tmp_path, monkeypatch, name, times):
    monkeypatch.chdir(runs.TESTS.parent)
    draw, tally = random.Random(name), Tally(name)
    for harm, n in ((mutated_json, times), (damaged_bytes, times // 3)):
        for attack, folder in attacked(whole[0], tmp_path, [name] * n, harm, draw):
            tally.end(f'{attack} {(folder / name)}', lambda f=folder: both(f, whole[1]))
    tally.report()


def test_what_a_run_reports_to(whole, tmp_path, monkeypatch):
    monkeypatch.chdir(runs.TESTS.parent)
    draw, tally = random.Random(0), Tally('metrics, pictures and events')
    files = [
        p.relative_to(whole[0])
        for p in sorted(whole[0].rglob('*'))
        if p.suffix in ('.png', '.gif') or 'tfevents' in p.name
    ]
    assert len(files) > 4
    lines = ['metrics.jsonl'] * 15
    for harm, names in ((damaged_bytes, files * 3 + lines), (mutated_json, lines)):
        for attack, folder in attacked(whole[0], tmp_path, names, harm, draw):
            # the run ends anew: it goes on with the lines, and draws its summary
            shutil.rmtree(folder / 'checkpoints' / '20')
            (folder / 'result.json').unlink()
            tally.end(attack, lambda f=folder: again(f, whole[1]))
    tally.report()


def test_checkpoints(whole, tmp_path, monkeypatch):
    monkeypatch.chdir(runs.TESTS.parent)
    draw, tally = random.Random(1), Tally('checkpoints')
    newest = sorted(p for p in (whole[0] / 'checkpoints' / '20').rglob('*') if p.is_file())
    files = [p.relative_to(whole[0]) for p in newest] * 4
    for attack, folder in attacked(whole[0], tmp_path, files, damaged_bytes, draw):
        tally.end(attack, lambda f=folder: both(f, whole[1]))
    for attack, folder in attacked(
        whole[0], tmp_path, ['checkpoints/20/meta/metadata'] * 30, mutated_meta, draw
    ):
        tally.end(attack, lambda f=folder: both(f, whole[1]))
    tally.report()


def mutated_meta(path, draw):
    """Change one value of what a checkpoint says beside its arrays."""
    path.write_text(mutated(path.read_text(), draw))


def test_checkpoints_under_other_names(whole, tmp_path, monkeypatch):
    monkeypatch.chdir(runs.TESTS.parent)
    tally = Tally('copied checkpoints')
    for source, target in ((10, 20), (20, 10), (10, 30), (20, 30), (10, 999999), (20, 15), (10, 1)):
        folder = shutil.copytree(whole[0], tmp_path / f'{source}-{target}')
        place = folder / 'checkpoints' / str(target)
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(folder / 'checkpoints' / str(source), place)
        tally.end(f'{source} as {target}', lambda f=folder: both(f, whole[1]))
    tally.report()


def test_manifests_of_prepared_sets(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, 'SHARD_BYTES', 100 * 76)
    images = np.random.default_rng(0).integers(0, 256, (300, 6, 4, 3), np.uint8)
    straight = tmp_path / 'straight'
    write.write_shards(InMemory(images, np.arange(300) % 3, Geometry(), 'it'), straight, {})
    draw, tally = random.Random(2), Tally('manifests')

    def same(folder):
        source = prepared.Source(str(folder))
        found = load(source, np.arange(len(source)))['image']
        return '' if np.array_equal(found, images) else f'{found.shape} {found.dtype}'

    names = ['manifest.json'] * 200
    for harm in (mutated_json, damaged_bytes):
        for attack, folder in attacked(straight, tmp_path, names, harm, draw):
            tally.end(attack, lambda f=folder: same(f))
    tally.report()


def test_certificates(tmp_path):
    draw, tally = random.Random(3), Tally('certificates')
    one = {'metric': 'fid', 'value': 3.5, 'standard_error': 0.1, 'version': 1, 'real': {'count': 9}}
    path = tmp_path / 'it.json'
    sound = {'fid': one}

    def compared():
        found = certificate.read(path)
        for name in sorted(found.keys() & sound.keys()):
            certificate.compare(sound[name], found[name])
        return ''

    for harm in (mutated_json, damaged_bytes):
        for _ in range(200):
            if path.is_dir():
                path.rmdir()
            path.write_text(certificate.encode([one]))
            harm(path, draw)
            tally.end(harm.__name__, compared)
    tally.report()
