"""Metrics in the loop and of a finished run: a classifier of the digits measures a GAN on them."""

import json

import pytest
import runs

from gan_jax import cli, models, train
from gan_jax import config as configs
from gan_jax.core import optim
from gan_jax.errors import UserError
from gan_jax.modes import evaluation
from gan_jax.training.checkpoint import Checkpoints
from gan_jax.training.writers import read_lines


@pytest.fixture(scope='module')
def classifier(tmp_path_factory):
    """Return the folder of a classifier of digits, trained for some epochs."""
    config = configs.base()
    config.algorithm = 'classifier'
    config.model = models.node(
        'classifier', classes=10, classifier={'widths': (8, 16), 'hidden': 32}
    )
    config.optim = {'classifier': {**optim.defaults(), 'lr': 2e-3, 'b1': 0.9}}
    config.update({'batch_size': 128, 'duration': '8ep', 'devices': 1})
    folder = tmp_path_factory.mktemp('classifier')
    train.train(config, folder)
    assert read_lines(folder / 'metrics.jsonl')[-1]['accuracy'] > 0.95
    return folder


@pytest.fixture(scope='module')
def measured(classifier, tmp_path_factory):
    """Return the folder of a GAN that was measured each 20 of its 60 steps."""
    config = runs.small(**evaluations(classifier))
    config.checkpoint.update({'keep': 1, 'best': 'classifier-frechet'})
    folder = tmp_path_factory.mktemp('gan')
    train.train(config, folder)
    return folder


def evaluations(classifier):
    """Return the keys of config.eval for a quick measurement."""
    keys = {'every': '20st', 'metrics': ('fid', 'class-coverage'), 'features': 'classifier'}
    keys |= {'weights': str(classifier), 'num': 200, 'num_real': 400, 'batch_size': 100}
    return {f'eval.{key}': value for key, value in keys.items()}


def test_values_are_logged_and_certified(measured):
    lines = [x for x in read_lines(measured / 'metrics.jsonl') if 'classifier-frechet' in x]
    assert [line['step'] for line in lines] == [20, 40, 60]
    for line in lines:
        found = json.loads((measured / 'evaluations' / f'{line["step"]}.json').read_text())
        assert found[0]['value'] == pytest.approx(line['classifier-frechet'])
        assert line['classifier-frechet'] > 0
    assert json.loads((measured / 'result.json').read_text())['metrics']['classifier-frechet'] > 0


def test_the_best_checkpoint_is_kept(measured):
    lines = [x for x in read_lines(measured / 'metrics.jsonl') if 'classifier-frechet' in x]
    best = min(lines, key=lambda line: line['classifier-frechet'])['step']
    with Checkpoints(measured / 'checkpoints', read_only=True) as checkpoints:
        assert checkpoints.steps() == sorted({best, 60})


def test_a_finished_run_measures_the_same(measured):
    during = json.loads((measured / 'evaluations' / '60.json').read_text())
    out = measured / 'again.json'
    after = evaluation.evaluate_run(measured, None, {}, out)
    assert json.loads(out.read_text()) == after
    for a, b in zip(during, after, strict=True):
        assert {k: v for k, v in a.items() if k != 'seconds'} == {
            k: v for k, v in b.items() if k != 'seconds'
        }


def test_a_finished_run_can_be_measured_otherwise(measured, capsys):
    values = cli.define()
    values(['launch.py', '--mode=eval', '--metrics=class-coverage', '--num=100', '--repeats=2'])
    cli.MODES['eval'](None, measured, values)
    assert capsys.readouterr().out.startswith('classifier-class-coverage ')
    (found,) = json.loads((measured / 'evaluations' / '60.json').read_text())
    assert found['fake']['count'] == 100


def test_nothing_to_evaluate_is_refused(classifier):
    with pytest.raises(UserError, match='no metrics to evaluate'):
        evaluation.evaluate_run(classifier, None, {}, None)


def test_an_unknown_metric_is_refused_before_training(classifier, tmp_path):
    config = runs.small(**{**evaluations(classifier), 'eval.metrics': ('fdi',)})
    with pytest.raises(UserError, match=r"no metric 'fdi' \(did you mean 'fid'"):
        train.train(config, tmp_path / 'run')
