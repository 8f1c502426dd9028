"""The race to a stated quality: what counts as reached, and who judges."""

import pathlib
import sys

import numpy as np
import pytest

from gan_jax import config_file
from gan_jax.train import train

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'benchmarks'))

import speedrun  # noqa: E402

REAL = speedrun.Quality(0.2, 0.95)


@pytest.mark.parametrize(
    ('frechet', 'coverage', 'reached'),
    [(0.6, 0.76, True), (0.61, 0.9, False), (0.3, 0.75, False), (np.nan, 0.9, False)],
)
def test_both_distance_and_coverage_are_asked_for(frechet, coverage, reached):
    assert speedrun.Quality(frechet, coverage).reaches(speedrun.TASKS['mnist'], REAL) == reached


def test_of_faces_the_distance_alone_counts():
    task = speedrun.TASKS['celeba']
    limit = task.at_most * REAL.frechet
    assert speedrun.Quality(limit - 0.01, 0.0).reaches(task, REAL)
    assert not speedrun.Quality(limit + 0.01, 1.0).reaches(task, REAL)


@pytest.mark.parametrize('name', speedrun.TASKS)
def test_every_task_has_a_recipe(name):
    config = config_file.load(speedrun.CONFIGS / f'speedrun_{name}.py')
    assert config.data.split != speedrun.TASKS[name].held_out


def test_real_images_are_judged_better_than_noisy_ones(data_file, optimised, tmp_path):
    config = config_file.load(ROOT / 'configs' / 'classifier_mnist.py')
    config.data.path = str(data_file('tfds'))
    with config.ignore_type():
        config.update({'duration': '20st', 'sample': {'every': '0st'}})
        config.optim.classifier.lr = 1e-3
    train(config, tmp_path)
    task = speedrun.TASKS['mnist']._replace(held_out='train[5000:5400]', num=400)
    judge = speedrun.Judge(task, config.data, str(tmp_path))
    real = speedrun.images(config.data, 'train[:400]')
    assert real.shape == (400, 28, 28, 1) and real.dtype == np.uint8
    noise = np.random.default_rng(0).integers(0, 120, real.shape)
    good, bad = judge(real), judge(np.clip(real + noise, 0, 255).astype(np.uint8))
    assert 2 * good.frechet < bad.frechet and good.coverage > bad.coverage
    assert judge(judge.held_out).frechet == pytest.approx(0, abs=1e-3)


def test_a_row_of_the_table_says_whether_it_was_reached():
    row = speedrun.Row('ours', 2, 61.26, 64000, speedrun.Quality(0.5, 0.8), True)
    assert len(speedrun.HEADER) == len(speedrun.line(row).rsplit('  ', 1)[0])
    assert speedrun.line(row).split() == ['ours', '2', '61.3', '64000', '0.500', '0.800', 'reached']
