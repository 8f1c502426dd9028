"""The files of a run: whatever happened to one of them, a run says so in a line and goes on."""

import json
import os
import pathlib
import shutil

import pytest
import runs
from conftest import ROOT

import gan_jax
from gan_jax import files, train
from gan_jax.algorithms.two_player import GAN
from gan_jax.errors import UserError
from gan_jax.training import ending, workdir


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """Return the folder and the digest of a run that ended."""
    folder = tmp_path_factory.mktemp('finished') / 'run'
    return folder, runs.trained(runs.small(), folder)


@pytest.fixture
def run(finished, tmp_path):
    """Return a copy of a run that ended."""
    return shutil.copytree(finished[0], tmp_path / 'run')


@pytest.fixture
def unfinished(run):
    """Return a copy of a run that has a checkpoint of step 40 and the lines of 60."""
    shutil.rmtree(run / 'checkpoints' / '60')
    (run / 'result.json').unlink()
    return run


CONFIGS = [
    ('[]', 'it is a list, and should be an object'),
    ('3', 'it is 3, and should be an object'),
    ('{}', 'algorithm is null or absent, and should be text'),
    ('', 'it is empty'),
    ('{"a":' * 100 + '1' + '}' * 100, 'it is nested more than 64 deep'),
    ({'algorithm': 3}, 'algorithm is 3, and should be text'),
    ({'algorithm': 'gann'}, "unknown algorithm 'gann'"),
    ({'model': 3}, 'model=3 is not allowed: it holds keys'),
    ({'model': {'name': 'mlp', 'g': []}}, 'model.g=[] is not allowed: it holds keys'),
    ({'model': {'name': 3}}, "unknown model.name '3'"),
    ({'terms': {'r1': 3}}, 'terms.r1=3 is not allowed: it holds keys'),
    ({'data': {}}, 'data.name is null or absent, and should be text'),
    ({'batch_size': 'many'}, "batch_size is 'many', and should be an int"),
    ({'log': {'every': []}}, 'log.every=[] is not allowed'),
    ({'items': 3}, "unknown key 'items'"),
    ({'a.b': 3}, 'does not accept dots'),
]  # fmt: skip


def changed(path, changes):
    """Change some keys of a JSON file, or all its text."""
    if not isinstance(changes, str):
        changes = json.dumps({**json.loads(path.read_text()), **changes})
    path.write_text(changes)


@pytest.mark.parametrize(('changes', 'message'), CONFIGS, ids=[said[:40] for _, said in CONFIGS])
def test_a_damaged_config_is_refused_in_one_line(run, changes, message):
    changed(run / 'config.json', changes)
    for use in (gan_jax.load, lambda folder: train.train(runs.small(), folder)):
        with pytest.raises(UserError) as raised:
            use(run)
        said = str(raised.value)
        assert said.startswith(f'{run}/config.json cannot be read: ') and '\n' not in said
        assert message in said


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ('[]', 'run.json cannot be read: it is a list'),
        ('', 'run.json cannot be read: it is empty'),
        ({'format': '2'}, "run.json cannot be read: format is '2', and should be an int"),
        ({'format': 1}, 'holds a run of another version'),
        ({'data': []}, 'run.json cannot be read: data is a list'),
        ({'phases': [[]]}, 'run.json cannot be read: phases[0] is a list'),
        ({'phases': [{'name': 'x'}]}, 'run.json cannot be read: phases[0].images is null'),
    ],
)
def test_a_damaged_description_is_refused_in_one_line(run, changes, message):
    changed(run / 'run.json', changes)
    with pytest.raises(UserError) as raised:
        train.train(runs.small(), run)
    assert message in str(raised.value) and '\n' not in str(raised.value)


def test_lines_of_metrics_that_are_damaged_are_left_out(finished, unfinished, caplog):
    path = unfinished / 'metrics.jsonl'
    first, *rest = path.read_text().splitlines()
    odd = ['{"step": null}', '[1]', '', '{"step": 1e999}', '{"step": 20, "images": "many"}',
           '{"step": 20, "images": 320, "d_$loss": "low", "g_loss": [1]}']  # fmt: skip
    path.write_text('\n'.join([first, *odd, *rest]) + '\n{"step": 6')
    assert runs.trained(runs.small(), unfinished) == finished[1]
    assert 'metrics.jsonl: 5 of 12 lines cannot be read and are left out' in caplog.text
    assert runs.metrics(unfinished)[-4:] == runs.metrics(finished[0])[-4:]
    assert (unfinished / 'losses.png').stat().st_size > 1000


def test_a_run_goes_on_that_was_begun_before_a_key_came(run, capsys):
    config = json.loads((run / 'config.json').read_text())
    del config['init'], config['optim']['g']['freeze']
    (run / 'config.json').write_text(json.dumps(config))
    train.train(runs.small(), run)
    assert capsys.readouterr().out.startswith('finished: ')
    with pytest.raises(UserError, match=r"another config: init \('' -> 'other'\); take another"):
        train.train(runs.small(init='other'), run)


@pytest.mark.parametrize('text', ['[1]', '', '{"digest": 3}', '{"digest": "other"}'])
def test_a_damaged_result_is_written_anew(finished, run, text):
    (run / 'result.json').write_text(text)
    assert runs.trained(runs.small(), run) == finished[1]
    assert runs.result(run)['digest'] == finished[1]


def test_the_result_comes_first_and_pictures_that_cannot_be_read_are_left_out(
    finished, unfinished, caplog, capsys
):
    samples = unfinished / 'samples'
    (samples / '0.png').write_bytes(b'')
    whole = (samples / '30.png').read_bytes()
    (samples / '1.png').write_bytes(whole[: len(whole) // 2])
    os.mkfifo(samples / '2.png')
    (unfinished / 'progress.gif').unlink()
    assert runs.trained(runs.small(), unfinished) == finished[1]
    assert f'{samples}/0.png is left out: it cannot be read' in caplog.text
    assert f'{samples}/1.png is left out: it cannot be read' in caplog.text
    assert runs.result(unfinished)['digest'] == finished[1]
    assert capsys.readouterr().out.splitlines()[-1] == f'digest {finished[1]}'
    assert (unfinished / 'progress.gif').stat().st_size > 100


def test_without_any_picture_a_run_finishes_and_draws_when_it_can(run, caplog, monkeypatch):
    for name in ('losses.png', 'progress.gif'):
        (run / name).unlink()
    with monkeypatch.context() as patch:
        patch.setattr(ending.pictures, 'files', lambda folder: [])
        runs.trained(runs.small(), run)
    assert 'the summary of the run is not whole: no pictures to make' in caplog.text
    assert (run / 'losses.png').exists() and not (run / 'progress.gif').exists()
    runs.trained(runs.small(), run)
    assert (run / 'progress.gif').exists()


def test_a_file_is_on_the_disk_before_it_takes_the_place_of_another(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace

    def synced(opened):
        done.append(pathlib.Path(os.readlink(f'/proc/self/fd/{opened}')))
        fsync(opened)

    def replaced(old, new):
        done.append((old, new))
        replace(old, new)

    monkeypatch.setattr(os, 'fsync', synced)
    monkeypatch.setattr(os, 'replace', replaced)
    with files.replacing(tmp_path / 'it') as draft:
        draft.write_text('new')
    assert done == [draft, (draft, tmp_path / 'it'), tmp_path]
    done.clear()
    with files.replacing(tmp_path / 'it', durable=False) as draft:
        draft.write_text('newer')
    assert done == [(draft, tmp_path / 'it')]


SMALL = (
    '--config.model.g.hidden=8,8 --config.model.d.hidden=8,8 --config.devices=1 '
    '--config.duration=4st --config.sample.every=4st --config.log.every=4st --workdir=run'
)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Enter a folder that has the configs, and no run."""
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        ('--config.model.g.z_dim=-3', 'model.g.z_dim=-3 is not allowed'),
        ('--config.eval.metrics=nonsense', "unknown metric 'nonsense'"),
        ('--config.eval.split=tset', "config.data.split='tset' means nothing"),
        ('--config.model.g.name=cgan.Generator', 'a conditional model needs labels'),
        (
            '--config.batch_size.x=3',
            "unknown key 'batch_size.x': batch_size holds no such key: it m",
        ),
        ('--config.data.transforms=crop:9', "transforms='crop:9' is larger than images"),
        ('--config.sample.every=x', "sample.every='x' is not allowed"),
        ('--profile=8:2', "profile='8:2' is not allowed"),
    ],
)
def test_what_is_refused_leaves_no_folder_behind(place, wrong, message):
    status, _, err = runs.call(f'{SMALL} {wrong}')
    assert status == 2 and err.startswith('error: ') and message in err
    assert not os.path.exists('run')


def test_the_corrected_command_runs(place):
    assert runs.call(f'{SMALL} --config.eval.metrics=fdi')[0] == 2
    status, out, err = runs.call(SMALL)
    assert (status, err) == (0, '') and 'digest' in out


def test_what_cannot_be_traced_leaves_no_folder_behind(tmp_path, monkeypatch):
    folder = tmp_path / 'run'
    for name in ('init', 'train_step', 'grid'):
        with monkeypatch.context() as patch:

            def fail(*arguments):
                raise UserError('not this one')

            patch.setattr(GAN, name, fail)
            with pytest.raises(UserError, match='not this one'):
                train.train(runs.small(), folder)
        assert not folder.exists()


def test_a_full_disk_is_seen_before_a_folder_is_made(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(workdir.shutil, 'disk_usage', lambda _: usage._replace(free=2**20))
    with pytest.raises(UserError, match='on a full disk: 1 MiB are free'):
        train.train(runs.small(), tmp_path / 'deep' / 'run')
    assert not (tmp_path / 'deep').exists()


def test_threads_and_other_means_of_reading_may_change(finished, unfinished, caplog):
    changes = {'data.threads': 1, 'data.device_cache_mb': 0}
    assert runs.trained(runs.small(**changes), unfinished) == finished[1]
    assert 'data.threads (0 -> 1)' in caplog.text and 'other devices' not in caplog.text


def test_another_number_of_devices_is_warned_of(unfinished, caplog):
    runs.trained(runs.small(devices=2), unfinished)
    assert 'going on with other devices (1 -> 2): the same up to rounding' in caplog.text
    caplog.clear()
    runs.trained(runs.small(devices=2), unfinished)
    assert 'other devices' not in caplog.text


def test_fast_math_that_a_run_was_begun_without_is_warned_of(unfinished, caplog, monkeypatch):
    flag = '--xla_cpu_enable_fast_math=true'
    monkeypatch.setenv('XLA_FLAGS', f'--xla_dump_to=/nowhere {flag}')
    runs.trained(runs.small(), unfinished)
    assert f"other flags of XLA for fast math ([] -> ['{flag}'])" in caplog.text
    assert 'digest will be another' in caplog.text
    caplog.clear()
    runs.trained(runs.small(), unfinished)
    assert 'fast math' not in caplog.text
