"""Metrics in the loop and of a finished run: a classifier of the digits measures a GAN on them."""

import json
import shutil
import signal

import numpy as np
import pytest
import runs
from PIL import Image
from sklearn.datasets import load_digits

from gan_jax import cli, data, models, modes, train
from gan_jax import config as configs
from gan_jax.algorithms.protocol import Maker, Procedure
from gan_jax.algorithms.two_player import GAN
from gan_jax.core import nodes, optim
from gan_jax.core.state import TrainState
from gan_jax.errors import UserError
from gan_jax.metrics import __main__ as program
from gan_jax.metrics import command, options
from gan_jax.runtime import signals
from gan_jax.runtime.signals import AtOnce
from gan_jax.training import evaluation
from gan_jax.training.checkpoint import Checkpoints
from gan_jax.training.loop import Loop
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
    generator = {'maker': 'g', 'options': None, 'ema': True}
    for line in lines:
        found = json.loads((measured / 'evaluations' / f'{line["step"]}.json').read_text())
        assert found[0]['value'] == pytest.approx(line['classifier-frechet'])
        assert line['classifier-frechet'] > 0
        assert {k: found[0]['generator'][k] for k in generator} == generator
    assert json.loads((measured / 'result.json').read_text())['metrics']['classifier-frechet'] > 0


def test_the_best_checkpoint_is_kept(measured):
    lines = [x for x in read_lines(measured / 'metrics.jsonl') if 'classifier-frechet' in x]
    best = min(lines, key=lambda line: line['classifier-frechet'])['step']
    with Checkpoints(measured / 'checkpoints', read_only=True) as checkpoints:
        assert checkpoints.steps() == sorted({best, 60})


@pytest.mark.parametrize('steps', [(20,), (40, 40), (60,)])
def test_an_evaluation_that_a_signal_left_out_is_made_up_for(
    classifier, measured, tmp_path, monkeypatch, steps
):
    config = runs.small(**evaluations(classifier))
    config.checkpoint.update({'keep': 1, 'best': 'classifier-frechet'})
    certificates = evaluation.Evaluation.certificates
    left = list(steps)

    def stopped(self, state, step, refined):
        found = certificates(self, state, step, refined)
        if left and step == left[0]:
            left.pop()
            signal.raise_signal(signal.SIGTERM)
        return found

    monkeypatch.setattr(evaluation.Evaluation, 'certificates', stopped)
    for step in steps:
        with pytest.raises(signals.Interrupted, match=f'stopped at step {step}, saved'):
            train.train(config, tmp_path)
        assert not (tmp_path / 'evaluations' / f'{step}.json').exists()
        assert not (tmp_path / 'result.json').exists()
    train.train(config, tmp_path)
    assert runs.metrics(tmp_path) == runs.metrics(measured)
    assert runs.steps(tmp_path) == runs.steps(measured)
    there, whole = runs.result(tmp_path), runs.result(measured)
    assert (there['digest'], there['metrics']) == (whole['digest'], whole['metrics'])
    names = [sorted(p.name for p in (f / 'evaluations').iterdir()) for f in (tmp_path, measured)]
    assert names[0] == names[1]


def test_a_stop_between_evaluations_keeps_the_best_checkpoint(
    classifier, measured, tmp_path, monkeypatch
):
    config = runs.small(**evaluations(classifier))
    config.checkpoint.update({'keep': 1, 'best': 'classifier-frechet'})
    runs.interrupted(monkeypatch, config, tmp_path, 30)
    assert runs.steps(tmp_path) == [20, 30]
    train.train(config, tmp_path)
    assert runs.steps(tmp_path) == runs.steps(measured) == [20, 60]


def test_a_kill_while_a_checkpoint_is_replaced_or_after_its_line_costs_nothing(
    classifier, measured, tmp_path, monkeypatch
):
    config = runs.small(**evaluations(classifier))
    config.checkpoint.update({'keep': 1, 'best': 'classifier-frechet'})

    def killed(*args, **kwargs):
        raise AtOnce

    with monkeypatch.context() as patch:
        patch.setattr(evaluation.Evaluation, 'certificates', killed)
        patch.setattr(Loop, '_signum', lambda self, _: signal.SIGTERM * (self.at.step == 20))
        with pytest.raises(signals.Interrupted, match='stopped at step 20'):
            train.train(config, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, 'save', killed)
        with pytest.raises(AtOnce):
            train.train(config, tmp_path)
    assert runs.steps(tmp_path) == []
    train.train(config, tmp_path)
    assert runs.metrics(tmp_path) == runs.metrics(measured)
    assert runs.result(tmp_path)['digest'] == runs.result(measured)['digest']
    assert runs.steps(tmp_path) == runs.steps(measured)
    assert not list((tmp_path / 'checkpoints').glob('replaced-*'))


def test_a_finished_run_measures_the_same(measured):
    during = json.loads((measured / 'evaluations' / '60.json').read_text())
    out = measured / 'again.json'
    after = evaluation.evaluate_run(measured, None, {}, out)
    assert json.loads(out.read_text()) == after
    for a, b in zip(during, after, strict=True):
        assert {k: v for k, v in a.items() if k != 'seconds'} == {
            k: v for k, v in b.items() if k != 'seconds'
        }


def test_a_finished_run_is_refined_on_batches_of_training_as_in_the_loop(measured, monkeypatch):
    seen = []

    def refine(self, state, batches):
        seen.append(next(batches))
        return state

    monkeypatch.setattr(GAN, 'refine', refine)
    changes = {'metrics': 'class-coverage', 'num': 10}
    evaluation.evaluate_run(measured, None, changes, measured / 'refined.json')
    assert seen[0]['image'].shape == (16, 8, 8, 1)


def test_a_finished_run_can_be_measured_otherwise(measured, capsys):
    flags = ['--mode=eval', '--metrics=class-coverage', '--num=100', '--repeats=2']
    mode, config, workdir, values = cli.parse(['launch.py', f'--workdir={measured}', *flags])
    mode.run(config, workdir, values)
    assert capsys.readouterr().out.startswith('classifier-class-coverage ')
    (found,) = json.loads((measured / 'evaluations' / '60.json').read_text())
    assert found['fake']['count'] == 100


def test_the_run_of_an_older_version_is_refused_in_one_line(measured, tmp_path):
    older = shutil.copytree(measured, tmp_path / 'older')
    (older / 'run.json').unlink()  # the first runs had none
    with pytest.raises(UserError, match='holds a run of another version of gan_jax'):
        evaluation.evaluate_run(older, None, {}, None)


def test_nothing_to_evaluate_is_refused(classifier):
    with pytest.raises(UserError, match='no metrics to evaluate'):
        evaluation.evaluate_run(classifier, None, {}, None)


def test_an_unknown_metric_is_refused_before_training(classifier, tmp_path):
    config = runs.small(**{**evaluations(classifier), 'eval.metrics': ('fdi',)})
    with pytest.raises(UserError, match=r"unknown metric 'fdi' \(did you mean 'fid'"):
        train.train(config, tmp_path / 'run')


class Translation(Procedure):
    """Make b of b, darkened by psi, and b of a."""

    def makers(self):
        """Return both."""

        def same(state, key, n, given, label, psi):
            return (given['b'] + 1) * psi - 1

        def other(state, key, n, given, label):
            return given['a']

        return {
            'same': Maker('b', same, given=('b',), options={'psi': 1.0}),
            'ab': Maker('b', other, given=('a',)),
        }


@pytest.fixture
def two_sets(classifier, tmp_path):
    """Return the config of an evaluation on two folders of digits, which have a split for tests."""
    digits = (load_digits().images * (255 / 16)).round().astype(np.uint8)
    for i, name in enumerate(('trainA', 'trainB', 'testA', 'testB')):
        (tmp_path / name).mkdir()
        for j in range(20 + 10 * i):
            Image.fromarray(digits[100 * i + j]).save(tmp_path / name / f'{j}.png')
    config = runs.small(**evaluations(classifier))
    config.data.update({'name': 'unpaired', 'path': str(tmp_path)})
    config.eval.update({'metrics': ('swd',), 'num': 50, 'num_real': 0, 'split': 'test'})
    return config


def measure(config):
    """Return the certificates of `Translation`, by metric."""
    source = data.open_source(config.data)
    opened = evaluation.open_evaluation(config, source, Translation())
    return {c['metric']: c for c in opened.certificates(TrainState.create({}), 7)}


def test_every_maker_is_measured_against_its_field_on_the_held_out_split(two_sets):
    found = measure(two_sets)
    assert set(found) == {'same/classifier-swd', 'ab/classifier-swd'}
    same, other = found['same/classifier-swd'], found['ab/classifier-swd']
    # 50 images are in testB, 30 in trainB
    assert (same['real']['count'], same['real']['split']) == (50, 'test')
    assert same['value'] == pytest.approx(0, abs=1e-4)
    assert other['value'] > 0.1
    assert (other['generator']['maker'], other['generator']['options']) == ('ab', None)


def test_options_of_a_maker_reach_it_and_the_certificate(two_sets):
    two_sets.eval.options = ('psi=0.5',)
    same = measure(two_sets)['same/classifier-swd']
    assert same['generator']['options'] == {'psi': 0.5}
    assert same['value'] > 0.1
    two_sets.eval.options = ('phi=0.5',)
    with pytest.raises(UserError, match=r"unknown option in eval\.options 'phi'.*; available: psi"):
        measure(two_sets)
    two_sets.eval.options = ('psi',)
    with pytest.raises(UserError, match='write NAME=VALUE'):
        measure(two_sets)


def test_without_a_split_the_reference_is_what_is_trained_on(two_sets):
    two_sets.eval.split = ''
    assert measure(two_sets)['ab/classifier-swd']['real']['count'] == 30


def test_the_loop_the_mode_and_the_command_have_one_set_of_options():
    declared = dict(nodes.flat(options.declared()))
    assert {'metrics', 'num', 'kid.subset_size', 'prdc.k'} <= set(declared)
    config, flags = configs.base().eval, modes.find('eval').FLAGS
    parser = vars(command.parser().parse_args(['a', 'b', *(f'--{name}=1' for name in declared)]))
    for name, key in declared.items():
        assert configs.node(config, name) == key.default
        assert name in flags
        assert parser[name] == '1'


def test_options_are_checked_alike_everywhere(classifier, measured, capsys):
    said = 'subset_size=1 is not allowed: it must be an int, at least 2'
    config = runs.small(**{**evaluations(classifier), 'eval.kid.subset_size': 1})
    source = data.open_source(config.data)
    with pytest.raises(UserError, match=rf'eval\.kid\.{said}'):
        evaluation.open_evaluation(config, source, Translation())
    with pytest.raises(UserError, match=rf'--kid\.{said}'):
        evaluation.evaluate_run(measured, None, {'kid.subset_size': '1'}, None)
    assert program.main(['digits', 'digits', '--kid.subset_size=1']) == 2
    assert f'--kid.{said}' in capsys.readouterr().err
