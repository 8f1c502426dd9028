"""Every row of docs/errors.md, through launch.py: one line, exit code 2, nothing lost."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from runs import call, lock

import gan_jax
from gan_jax.pictures import save_png

SMALL = '--config.model.g.hidden=8,8 --config.model.d.hidden=8,8 --config.devices=1'
DOC = (ROOT / 'docs' / 'errors.md').read_text()
TABLE = re.compile(r'^\| (?P<what>[^|]+) \| `(?P<command>[^`]+)` \| (?P<message>.+) \|$', re.M)
ROWS = [m.groupdict() for m in TABLE.finditer(DOC) if not m['what'].startswith('what is wrong')]


# Config files that are wrong, by their names.
OWN = {
    'syntax': 'def get_config(:\n',
    'empty': 'pass\n',
    'none': 'def get_config():\n    pass\n',
    'raises': 'def get_config():\n    return 1 / 0\n',
    'flat': 'from ml_collections import ConfigDict\n\n\ndef get_config():\n'
    "    return ConfigDict({'optim': 3})\n",
    'imports': 'import nowhere\n',
}


@contextlib.contextmanager
def full_disk(folder):
    """Put a disk of one megabyte at a folder, where this user may do so."""
    folder.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', str(folder)]
    mounted = os.geteuid() == 0 and not subprocess.run(mount, capture_output=True).returncode
    try:
        yield
    finally:
        if mounted:
            subprocess.run(['umount', str(folder)], check=True)


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """Make and enter a folder that holds everything that the rows speak of."""
    folder = tmp_path_factory.mktemp('place')
    (folder / 'configs').symlink_to(ROOT / 'configs')
    for name in ('empty', 'texts', 'broken', 'locked', 'pipes', 'labelled', 'escape'):
        (folder / name).mkdir()
    for name in ('own', 'runs'):
        (folder / name).mkdir()
    for name, code in OWN.items():
        (folder / 'own' / f'{name}.py').write_text(code)
    (folder / 'texts' / 'notes.txt').write_text('no image')
    (folder / 'broken' / 'image.png').write_bytes(b'\x89PNG, and no more')
    os.mkfifo(folder / 'pipes' / 'pipe.png')
    (folder / 'labelled' / 'a.png').write_bytes(b'')
    (folder / 'labelled' / 'labels.csv').write_text('a.png,1000000000000')
    (folder / 'escape' / '\x1b[31mred.png').write_bytes(b'')
    (folder / 'file.txt').write_text('no folder')
    for i in range(2):
        for name, number, channels in (('sets', i, 3), ('unmatched', i + 1, 1)):
            save_png(folder / name / f'trainA/{i}.png', np.zeros((32, 32, 1), np.uint8))
            image = np.zeros((32, 32, channels), np.uint8)
            save_png(folder / name / f'trainB/{number}.png', image)
    (folder / 'locked').chmod(0)
    with full_disk(folder / 'full'), contextlib.chdir(folder):
        status, out, _ = call(f'{SMALL} --config.duration=20st --config.sample.every=20st')
        assert status == 0 and 'digest' in out
        (folder / 'runs' / 'untrained').mkdir()
        shutil.copytree('runs/mlp_digits', 'runs/reshaped')
        held = shutil.copytree('runs/mlp_digits', 'runs/held')
        lock(folder / held, age=-3600)  # heard of until the tests are done
        for name in ('config.json', 'run.json'):
            shutil.copy(f'runs/mlp_digits/{name}', f'runs/untrained/{name}')
        config = json.loads(pathlib.Path('runs/mlp_digits/config.json').read_text())
        (folder / 'runs' / 'older').mkdir()
        pathlib.Path('runs/older/config.json').write_text(json.dumps(config))
        for name in ('described', 'damaged'):
            (folder / 'runs' / name).mkdir()
            pathlib.Path(f'runs/{name}/run.json').write_text('{"format": 2, "phases": 3}')
        pathlib.Path('runs/described/config.json').write_text(json.dumps(config))
        pathlib.Path('runs/damaged/config.json').write_text('[]')
        config['model']['g']['z_dim'] = 16
        pathlib.Path('runs/reshaped/config.json').write_text(json.dumps(config))
        yield folder
    (folder / 'locked').chmod(0o700)


def files():
    """Return the folders of the place, and the time of the last change of every file."""
    found = [p for p in pathlib.Path('runs').rglob('*') if not p.is_relative_to('runs/hot')]
    return {p: p.is_file() and p.stat().st_mtime_ns for p in found}


def possible(command):
    """Skip what this user cannot be refused, and what this machine cannot have."""
    if 'locked' in command and os.geteuid() == 0:
        pytest.skip('nothing is locked for root')
    if 'full/' in command and not os.path.ismount('full'):
        pytest.skip('no disk can be mounted here')


def test_the_table_is_read():
    headers = DOC.count('\n| what is wrong')
    assert len(ROWS) == DOC.count('\n| ') - headers > 35


@pytest.mark.parametrize('row', ROWS, ids=[row['what'].replace(' ', '_') for row in ROWS])
def test_one_line_exit_code_2_and_nothing_lost(place, row):
    possible(row['command'])
    before = files()
    # The run that there is, goes on from the config it was made with.
    own = SMALL if 'runs/' in row['command'] and '--mode' not in row['command'] else ''
    status, _, err = call(f'{own} {row["command"]}')
    pattern = '.*'.join(re.escape(part) for part in row['message'].split('...'))
    assert re.fullmatch(f'error: {pattern}\n', err), err
    assert status == 2
    assert files() == before


def test_a_real_process_says_the_same(place):
    command = [sys.executable, str(ROOT / 'launch.py'), '--config.batch_siz=32']
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown key 'batch_siz' (did you mean 'batch_size'?); ")
    assert done.stderr.count('\n') == 1
    assert done.stdout == ''


def test_keys_that_may_change_only_warn(place, caplog):
    command = f'{SMALL} --config.duration=20st --config.sample.every=20st --config.log.every=7st'
    status, out, err = call(command)
    assert status == 0 and 'finished' in out and err == ''
    assert "log.every ('500st' -> '7st')" in caplog.text


def test_help_names_every_flag(place):
    status, out, _ = call('--help')
    assert status == 0
    assert all(f'--{name}=' in out for name in ('config', 'workdir', 'mode', 'profile'))
    assert '--label=' in call('--help --mode=sample')[1] and '--label=' not in out


def test_help_says_what_a_key_means(place):
    status, out, _ = call('--help=optim.d')
    assert status == 0 and '--config.optim.d.lr=0.0002: a number' in out and 'rho' not in out
    assert '--config.optim.d.rho=0.9' in call('--help=optim.d --config.optim.d.name=rmsprop')[1]
    assert call('--help=optim.x')[2].startswith("error: unknown key 'optim.x'; available: optim.g")


def test_a_term_of_the_command_line_is_added(place):
    command = f'{SMALL} --config.duration=4st --workdir=runs/term --config.terms.r2.every=2'
    assert call(command)[0] == 0
    terms = json.loads(pathlib.Path('runs/term/config.json').read_text())['terms']
    assert terms['r2'] == {'weight': 1.0, 'every': 2}
    refused = call(f'{command} --config.terms.r2.wight=2')[2]
    assert refused.startswith(
        "error: unknown key 'terms.r2.wight' (did you mean 'terms.r2.weight'?)"
    )


def test_a_number_of_the_command_line_becomes_a_schedule(place):
    command = (
        f'{SMALL} --config.duration=4st --workdir=runs/fading '
        '--config.terms.instance_noise.sigma.final=0 --config.terms.instance_noise.sigma.stop=2st'
    )
    assert call(command)[0] == 0
    saved = json.loads(pathlib.Path('runs/fading/config.json').read_text())
    assert saved['terms']['instance_noise']['sigma'] == {
        'first': 0.1, 'final': 0.0, 'start': '0img', 'stop': '2st', 'shape': 'linear'
    }  # fmt: skip


def test_a_run_goes_on_with_its_own_data_alone(place, monkeypatch):
    monkeypatch.chdir(place)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 8, 8, 1), np.uint8)
    os.makedirs('sets/moved')
    command = (
        f'{SMALL} --workdir=runs/own --config.data.name=array --config.data.path=sets/a.npy '
        '--config.batch_size=8 --config.sample.every=5st'
    )

    def resumed(array, duration, *more):
        np.save('sets/a.npy', array)
        before = files()
        status, _, err = call(' '.join([command, f'--config.duration={duration}', *more]))
        assert status == 0 or files() == before
        return status, err

    assert resumed(images, '5st') == (0, '')
    start = "error: workdir='runs/own' holds a run on other data: "
    end = '; take another --workdir, or the data that it was begun with\n'
    other = np.where(images == images.max(), 0, images)
    said = 'the same number of examples, but other content'
    assert resumed(other, '10st') == (2, f'{start}{said}{end}')
    assert resumed(images[:32], '10st') == (2, f'{start}length (40 -> 32){end}')
    assert resumed(images[:, :4, :4], '10st')[1].startswith(f'{start}fields (')
    np.save('sets/moved/b.npy', images)
    assert resumed(other, '10st', '--config.data.path=sets/moved/b.npy') == (0, '')


def test_a_linear_last_layer_trains_and_its_samples_are_clipped(place, monkeypatch):
    monkeypatch.chdir(place)
    command = (
        f'{SMALL} --workdir=runs/linear --config.duration=4st --config.model.g.out_act=linear '
        '--config.model.g.weight_init=torch --config.optim.g.lr=5.0'
    )
    assert call(command)[0] == 0
    trained = gan_jax.load('runs/linear')
    images = trained.sample(16)
    assert images.dtype == np.uint8 and {0, 255} <= set(np.unique(images).tolist())
    made = trained.algorithm.generate(trained.state, np.full((2, 32), 1e3, np.float32))
    assert np.abs(made).max() > 1.5


def test_another_algorithm_brings_the_model_that_it_has(place):
    command = (
        '--config.algorithm=classifier --config.model.classes=10 --config.model.name=classifier '
        '--config.model.classifier.widths=4 --config.devices=1 --config.duration=2st '
        '--workdir=runs/algorithm'
    )
    assert call(command)[0] == 0
    saved = json.loads(pathlib.Path('runs/algorithm/config.json').read_text())
    assert 'loss' not in saved and saved['model']['classifier']['widths'] == [4]
    assert list(saved['optim']) == ['classifier'] and saved['data']['name'] == 'digits'
