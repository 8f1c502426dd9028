"""Speed has its invariants: what crosses to the device, what is dispatched, what is computed."""

import importlib.util
import json
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

import gan_jax
from gan_jax import config as configs
from gan_jax import config_file, models
from gan_jax.core.state import apply_averaged
from gan_jax.data import synthetic
from gan_jax.errors import UserError
from gan_jax.pictures import save_png
from gan_jax.runtime import parallel
from gan_jax.runtime import profiler as profile
from gan_jax.train import train
from gan_jax.training import measure
from gan_jax.training.run import open_run

ROOT = pathlib.Path(__file__).resolve().parent.parent


def load(name):
    """Import a benchmark."""
    spec = importlib.util.spec_from_file_location(name, ROOT / 'benchmarks' / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


overfitting = load('overfitting')
scaling = load('scaling')
layers = load('layers')


def config(**changes):
    """Return a small config without data."""
    found = configs.base()
    found.batch_size, found.devices, found.duration = 8, 1, '6st'
    found.model = models.node(
        'mlp', prior='normal', g={'z_dim': 4, 'hidden': (8,)}, d={'hidden': (8,)}
    )
    found.update_from_flattened_dict({'log.every': '3st', **changes})
    return found


def stepper(**changes):
    return measure.Stepper(open_run(config(**changes), synthetic.Source((4, 4, 1))))


@pytest.mark.parametrize(('backend', 'resident'), [('pmap', 64), ('shard_map', 0)])
def test_nothing_moves_to_the_device_but_what_is_placed(monkeypatch, backend, resident):
    found = stepper(parallel=backend, **{'data.device_cache_mb': resident})
    found.call(2)
    placed = parallel._Call.arguments

    def unplaced(self, *given):
        carry, constants, batches, n = placed(self, *given)
        return carry, constants, jax.tree.map(np.asarray, batches), n

    monkeypatch.setattr(parallel._Call, 'arguments', unplaced)
    with pytest.raises(Exception, match='Disallowed host-to-device transfer'):
        found.call()
    found.close()


def test_a_call_is_one_dispatch():
    found = stepper(steps_per_call=3)
    carry, constants, batches = found.arguments()
    found.call()
    jaxpr = jax.make_jaxpr(lambda c: found.runner.program(c, constants, batches))(carry)
    compiled = [e for e in jaxpr.eqns if e.primitive.name in ('jit', 'pjit', 'xla_pmap')]
    assert len(compiled) == 1
    assert {e.primitive.name for e in jaxpr.eqns} - {'device_put'} == {compiled[0].primitive.name}


def test_the_host_asks_for_results_at_log_steps_alone(monkeypatch, tmp_path):
    asked, get = [], jax.device_get
    monkeypatch.setattr(jax, 'device_get', lambda tree: asked.append(tree) or get(tree))
    counts = []
    for name, every in (('often', '1st'), ('once', '6st')):
        asked.clear()
        changes = {'log.every': every, 'checkpoint.every': '0st', 'sample.every': '0st'}
        train(config(**changes), tmp_path / name, synthetic.Source((4, 4, 1)))
        counts.append(len(asked))
    assert counts[0] - counts[1] == 5


def test_bfloat16_activations_keep_float32_state_and_losses():
    means = {}
    for precision in ('float32', 'bfloat16'):
        found = stepper(precision=precision)
        program = found.runner.program.lower(*found.arguments()).as_text()
        products = [line for line in program.splitlines() if 'dot_general' in line]
        assert products and all(('bf16' in p) == (precision == 'bfloat16') for p in products)
        found.call(10)
        state, metrics = jax.device_get(found.carry)
        assert {x.dtype for x in jax.tree.leaves(state)} <= {np.dtype('float32'), np.dtype('int32')}
        means[precision] = {k: m.total / m.count for k, m in metrics.items()}
    for name in ('d_loss', 'g_loss'):
        exact, rounded = (means[p][name] for p in ('float32', 'bfloat16'))
        assert exact == pytest.approx(rounded, rel=0.02) and exact != rounded


def test_a_profile_holds_the_steps_asked_for(tmp_path):
    train(config(), tmp_path, synthetic.Source((4, 4, 1)), profile='2:4')
    traces = list((tmp_path / 'profile').rglob('*.xplane.pb'))
    assert len(traces) == 1 and traces[0].stat().st_size > 0
    span = profile.Profile('2:4', tmp_path)
    assert [span.steps_left(n) for n in (0, 2, 3)] == [2, 2, 1]
    assert span.steps_left(4) == float('inf')


@pytest.mark.parametrize('span', ['3', '4:2', '2:2', 'a:b', '-1:2', '1:2:3'])
def test_a_bad_profile_is_refused_before_anything_is_done(span, tmp_path):
    with pytest.raises(UserError, match='write START:STOP in steps'):
        train(config(), tmp_path / 'run', synthetic.Source((4, 4, 1)), profile=span)
    assert not (tmp_path / 'run').exists()


def test_devices_do_the_same_work_and_agree_once_an_update():
    base = config(**{'model.d.norm': 'batch'})
    two, eight = (scaling.compiled(base, n, 4, '4x4x1') for n in (2, 8))
    assert two[0] == pytest.approx(eight[0], rel=0.002)
    for _, found in (two, eight):
        assert len(found.gradients) == 2 and found.statistics and not found.others
    alone = scaling.compiled(base, 1, 4, '4x4x1')
    assert alone[0] == pytest.approx(two[0], rel=0.05) and not alone[1].gradients


def test_collectives_are_read_from_hlo():
    hlo = (
        '%a = (f32[4,2]{1,0}, f32[]) all-reduce(%x, %y), to_apply=%add\n'
        '%b = bf16[3]{0} all-reduce-start(%z)\n'
        '%c = f32[8]{0} all-gather(%w)\n'
    )
    assert scaling.collectives(hlo, 30) == scaling.Collectives([36], [6], 1)


def test_a_walk_finds_the_convolutions_of_a_step():
    found = layers.walk(config_file.load(ROOT / 'configs' / 'dcgan_quickdraw.py'), '28x28x1')
    # the layer that once took a minute; D sees real and fake images as one batch, G's step fakes
    small = {str(c) for c in found if c.size == (4, 4)}
    assert small == {f'conv 5x5/1 SAME 256->512 at {batch}x4x4' for batch in (128, 256)}
    assert {(c.inputs, c.outputs) for c in found if c.batch == 128} > {(64, 32), (8, 1)}
    assert len(found) == 4 + 2 * 4
    assert not layers.walk(config_file.load(ROOT / 'configs' / 'mlp_mnist.py'), '28x28x1')


def test_transposed_convolutions_are_walked_and_counted():
    (stem, *_) = layers.walk(config_file.load(ROOT / 'configs' / 'dcgan_cifar10.py'), '32x32x3')
    assert str(stem) == 'transposed 4x4/2 SAME 128->64 at 128x4x4'
    # rows: pixels of the smaller image; columns and terms: features, taps of all channels
    assert stem.product() == (128 * 4 * 4, 64, 4 * 4 * 128)
    assert stem.cut(1.1 * stem.operations() / 64).batch == 2
    calls = layers.directions(stem.cut(1))
    assert [call().shape for call in calls] == [(1, 8, 8, 64), (1, 4, 4, 128), (4, 4, 128, 64)]


def test_throughput_prints_its_numbers_without_data():
    arguments = ['--config=configs/mlp_digits.py', '--synthetic', '--json', '--steps=4']
    command = [sys.executable, 'benchmarks/throughput.py', *arguments, '--config.steps_per_call=2']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert 'seconds_per_step' in done.stdout.splitlines()[4]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result['image'] == '8x8x1' and result['steps_per_call'] == 2
    names = ('import', 'compile', 'first_step')
    assert all(result[f'seconds_to_{name}'] >= 0 for name in names)
    rate = result['batch_size'] / result['seconds_per_step']
    assert result['images_per_second'] == pytest.approx(rate)


@pytest.mark.slow
def test_penalties_print_one_table():
    options = '--config=configs/mlp_digits.py --size=4 --batch=4 --steps=1 --draws=2 --repeats=1'
    done = subprocess.run(
        [sys.executable, 'benchmarks/penalties.py', *options.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    head, _, *rows = done.stdout.splitlines()
    assert head.startswith('| penalty | sigma | step |') and len(rows) == 8
    assert [row.split(' | ')[1] for row in rows[:4]] == ['exact', '0.1', '0.01', '0.001']


def test_overfitting_is_told_by_logits_on_held_out_images(tmp_path, monkeypatch, capsys):
    draw = np.random.default_rng(0)
    for split, low in (('train', 0), ('test', 128)):
        for i in range(3):
            image = draw.integers(low, low + 128, (4, 4, 1)).astype(np.uint8)
            save_png(tmp_path / 'data' / split / f'{i}.png', image)
    monkeypatch.setattr(overfitting, 'CHUNK', 2)
    given = {'data.name': 'folder', 'data.path': str(tmp_path / 'data'), 'data.split': 'train'}
    train(config(**given, batch_size=2), tmp_path / 'run')
    command = [
        'overfitting.py',
        f'--workdir={tmp_path / "run"}',
        '--split=test',
        '--num=4',
        '--json',
    ]
    monkeypatch.setattr(sys, 'argv', command)
    overfitting.main()
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    # three images are one chunk of two, and a rest
    assert [found[n]['images'] for n in ('training', 'held-out')] == [2, 2]
    trained = gan_jax.load(tmp_path / 'run')
    images = [np.asarray(PIL.Image.open(tmp_path / f'data/train/{i}.png')) for i in (0, 1)]
    batch = jnp.asarray(images)[..., None] / 127.5 - 1
    logits = apply_averaged(trained.algorithm.discriminator, trained.state.nets['d'], batch).logits
    assert found['training']['mean'] == pytest.approx(float(logits.mean()), rel=1e-4)
    assert found['gap'] == pytest.approx(found['training']['mean'] - found['held-out']['mean'])
