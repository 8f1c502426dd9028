"""launch.py as a user runs it: processes that are stopped and killed, and the use of a run."""

import contextlib
import io
import json
import pathlib
import random
import shutil
import signal

import numpy as np
import PIL.Image
import pytest
import runs
from conftest import ROOT

import gan_jax
import launch
from gan_jax.errors import UserError


def start(workdir):
    """Start a process that trains on digits."""
    return runs.start(workdir, *runs.QUICK)


@pytest.fixture(scope='module')
def straight(tmp_path_factory):
    """Return the folder of a run that nothing stopped, and its digest."""
    folder = tmp_path_factory.mktemp('launch') / 'straight'
    status, out, err = runs.finish(start(folder))
    assert (status, err) == (0, '')
    name, digest = out.splitlines()[-1].split(' ')
    assert name == 'digest' and len(digest) == 64 and int(digest, 16)
    return folder, digest


def test_lines_for_where_there_is_no_terminal(straight):
    folder, digest = straight
    assert runs.result(folder)['digest'] == digest
    assert [line['step'] for line in runs.metrics(folder)] == list(range(25, 1501, 25))


# one that is caught and one that is not; SIGTERM is caught by the same handler (test_loop.py)
@pytest.mark.parametrize('signum', [signal.SIGINT, signal.SIGKILL])
def test_a_process_that_is_stopped_at_a_random_step_goes_on(straight, tmp_path, signum):
    step = random.randrange(100, 1000)
    process = start(tmp_path)
    runs.wait_for(process, tmp_path, step)
    process.send_signal(signum)
    status, _, err = runs.finish(process)
    if signum == signal.SIGKILL:
        assert status == -signum
    else:
        assert status == 128 + signum
        reached = runs.steps(tmp_path)[-1]
        assert err == (
            f'stopped at step {reached}, saved in {tmp_path}; the same command goes on from there\n'
        )
        assert (tmp_path / 'losses.png').exists() and (tmp_path / 'progress.gif').exists()
    assert not (tmp_path / 'result.json').exists()

    status, out, err = runs.finish(start(tmp_path))
    assert (status, err) == (0, ''), f'stopped after step {step}'
    assert out.splitlines()[-1] == f'digest {straight[1]}', f'stopped after step {step}'
    assert runs.metrics(tmp_path) == runs.metrics(straight[0])


def test_a_fresh_process_names_damage_and_ends_in_the_same_digest(straight, tmp_path):
    folder = shutil.copytree(straight[0], tmp_path / 'run')
    step = runs.damage(folder)
    status, out, err = runs.finish(start(folder))
    assert status == 0
    assert out.splitlines()[-1] == f'digest {straight[1]}'
    assert err.startswith(f'WARNING: damaged checkpoint {folder}/checkpoints/{step}: ')
    assert err.count('\n') == 1


def test_a_finished_run_says_so(straight):
    before = (straight[0] / 'result.json').stat().st_mtime_ns
    status, out, err = runs.finish(start(straight[0]))
    said, last = out.splitlines()
    assert (status, err) == (0, '')
    assert 'finished' in said and last == f'digest {straight[1]}'
    assert (straight[0] / 'result.json').stat().st_mtime_ns == before


def call(*argv):
    """Run launch.py in this process; return its stdout."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = launch.launch(['launch.py', *map(str, argv)])
    assert (status, err.getvalue()) == (0, '')
    return out.getvalue()


def test_samples_are_single_pictures_and_a_grid(straight, tmp_path):
    out = call(
        '--mode=sample', f'--workdir={straight[0]}', '--num=5', '--seed=3', f'--out={tmp_path}'
    )
    assert '5 images of step 1500' in out
    files = sorted(p.name for p in tmp_path.iterdir())
    assert files == [*(f'{i:05d}.png' for i in range(5)), 'grid.png']
    images = gan_jax.load(straight[0]).sample(5, seed=3)
    for i in range(5):
        with PIL.Image.open(tmp_path / f'{i:05d}.png') as picture:
            np.testing.assert_array_equal(np.asarray(picture), images[i, :, :, 0])


def test_an_interpolation_is_an_endless_walk(straight, tmp_path):
    call('--mode=interpolate', f'--workdir={straight[0]}', '--num=6', f'--out={tmp_path}')
    with PIL.Image.open(tmp_path / 'interpolation.gif') as movie:
        assert movie.n_frames == 6 and movie.info['loop'] == 0


def test_a_run_is_used_from_python(straight):
    trained = gan_jax.load(straight[0])
    assert trained.step == 1500 and trained.config.batch_size == 64
    images = trained.sample(4, seed=1)
    assert images.shape == (4, 8, 8, 1) and images.dtype == np.uint8
    np.testing.assert_array_equal(trained.sample(9, seed=1)[:4], images)
    assert (trained.sample(4, seed=2) != images).any()
    assert gan_jax.load(straight[0], runs.steps(straight[0])[0]).step < 1500
    with pytest.raises(UserError, match='label=3 is not allowed: the model has no classes'):
        trained.sample(4, label=3)


def test_a_conditional_run_draws_the_class_that_is_asked_for(tmp_path):
    config = runs.small(duration='4st', **{'sample.columns': 10})
    config.model = gan_jax.models.node(
        'cgan',
        prior='normal',
        classes=10,
        g={'z_dim': 4, 'widths': (4,), 'norm': 'none', 'embed': 2},
        d={'widths': (4,), 'norm': 'none', 'embed': 2},
    )
    runs.trained(config, tmp_path)
    with PIL.Image.open(tmp_path / 'samples' / '4.png') as grid:
        assert grid.size == (10 * 66 + 2, 2 * 66 + 2)
    trained = gan_jax.load(tmp_path)
    three = trained.sample(4, seed=0, label=3)
    assert (three != trained.sample(4, seed=0, label=4)).any()
    assert trained.sample(4, seed=0).shape == (4, 8, 8, 1)
    with pytest.raises(UserError, match='label=10 is not allowed: the model has classes 0 to 9'):
        trained.sample(1, label=10)


def test_the_default_workdir_is_named_after_the_config(tmp_path, monkeypatch):
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    monkeypatch.chdir(tmp_path)
    call('--config.duration=1st', '--config.devices=1', '--config=configs/mlp_digits.py')
    there = json.loads(pathlib.Path('runs/mlp_digits/config.json').read_text())
    assert there['duration'] == '1st' and there['data']['name'] == 'digits'
    assert sorted(p.name for p in tmp_path.iterdir()) == ['configs', 'runs']
