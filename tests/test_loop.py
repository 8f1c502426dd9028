"""The loop: any algorithm of the protocol, stopped anywhere, ends in the same bits."""

import json
import shutil

import chex
import numpy as np
import PIL.Image
import pytest
import runs

import gan_jax
from gan_jax import algorithms, train
from gan_jax.core import optim
from gan_jax.core.state import digest
from gan_jax.data import Spec, geometry
from gan_jax.data.in_memory import InMemory
from gan_jax.errors import UserError
from gan_jax.pictures import save_png
from gan_jax.training import measure, run, workdir


class Unpaired:
    """Two sets of other lengths, each shuffled alone."""

    def __init__(self):
        draw = np.random.default_rng(0)
        self.streams = {
            name: InMemory(
                draw.integers(0, 256, (n, 8, 8, 1)).astype(np.uint8), None, geometry.make(), name
            )
            for name, n in (('a', 50), ('b', 70))
        }
        self.spec = Spec({name: s.spec.fields['image'] for name, s in self.streams.items()}, 'b')

    def __len__(self):
        return 70


@pytest.fixture
def toys(monkeypatch):
    """Let the toys be found by name, as every algorithm is."""
    folder = str(runs.TESTS / 'algorithms')
    monkeypatch.setattr(algorithms, '__path__', [*algorithms.__path__, folder])


@pytest.fixture(scope='module')
def straight(tmp_path_factory):
    """Return the folder and the digest of a GAN that was never stopped."""
    folder = tmp_path_factory.mktemp('straight') / 'run'
    return folder, runs.trained(runs.small(), folder)


def path(first, final):
    """Return a schedule over the middle of a run."""
    return {'first': first, 'final': final, 'start': '20st', 'stop': '640img', 'shape': 'cosine'}


ADA = {'target': 0.6, 'p': 0.5, 'speed': '3000img'}
# Five steps a call, and whatever is done is done after a multiple of that: one program to compile.
ALIKE = {'steps_per_call': 5, 'duration': '20st'}
AUTOENCODED = {'data.range': '[0,1]', **ALIKE}
KINDS = {
    'gan': ({}, None, (17,)),
    'terms': (
        {
            'terms': {
                'lecam': {'every': 2},
                'ada': ADA,
                'r1': {},
            }
        },
        None,
        (21,),
    ),
    'schedules': (
        {
            'optim.g.lr': path(2e-4, 1e-3),
            'ema.half_life': path('50img', '200img'),
            'terms': {'r1': {'weight': path(1.0, 0.0)}},
        },
        None,
        (22,),
    ),
    # spectral norm and standing statistics; 10 classes
    'biggan': ({'sample.standing': 2, 'loss.name': 'hinge', **ALIKE}, None, (13,)),
    # StyleGAN: 10 steps of 32 images at 4x4; at 8x8, of 16, 20 in which a stage fades in, and 10
    'progressive': (
        {
            'algorithm': 'progressive',
            'loss.name': 'hinge',
            'growth.batch': (2, 1),
            'growth.fade': '320img',
            'growth.stable': '320img',
            **ALIKE,
            'duration': '800img',
            'checkpoint.every': '320img',
        },
        None,
        (10, 18),
    ),
    # the mean of w, that of path lengths, and the noise of layers; lazy updates; 10 classes
    'stylegan2': (
        {
            'terms': {'path_length': {'every': 2, 'shrink': 2}, 'r1': {'every': 3}},
            'loss.lazy_updates': True,
            **ALIKE,
        },
        None,
        (13,),
    ),
    'autoencoder': ({'algorithm': 'autoencoder'}, None, (20,)),
    'vae': ({'algorithm': 'vae', **AUTOENCODED}, None, (13,)),
    'caae': ({'algorithm': 'caae', 'noise': 0.1, **AUTOENCODED}, None, (13,)),
    'unpaired': ({'algorithm': 'two_domains'}, Unpaired, (33,)),
    # a pool of images made before
    'cyclegan': ({'algorithm': 'cyclegan', 'pool': 20, **ALIKE}, Unpaired, (13,)),
    'streamed': ({'algorithm': 'two_domains', 'data.device_cache_mb': 0}, Unpaired, (9,)),
    # 15 steps of 32 images, then 30 of 16
    'phases': ({'algorithm': 'growing', 'checkpoint.keep': 9}, None, (7, 15, 31)),
}

MODELS = {
    'biggan': {
        'g': {'z_dim': 4, 'width': 2, 'shared': 3, 'attention': (8,)},
        'd': {'width': 4, 'attention': (4,)},
    },
    'vae': {'classes': 0, 'encoder': {'hidden': (8,)}, 'decoder': {'hidden': (8,)}},
    'caae': {
        'encoder': {'hidden': (8,), 'z_dim': 4},
        'decoder': {'hidden': (8,)},
        'd_z': {'hidden': (8,)},
        'd': {'hidden': (8,)},
    },
    'stylegan2': {
        'g': {'z_dim': 4, 'w_dim': 4, 'layers': 2, 'width': 4},
        'd': {'layers': 2, 'width': 4},
    },
}


def config_of(kind):
    changes, source, _ = KINDS[kind]
    changes = dict(changes)
    wanted = changes.pop('terms', {})
    config = runs.small(**changes)
    config.terms = wanted
    if kind in MODELS:
        config.model = gan_jax.models.node(kind, **{'classes': 10, **MODELS[kind]})
    if kind == 'progressive':
        config.model = gan_jax.models.node(
            'stylegan',
            g={'z_dim': 4, 'w_dim': 4, 'layers': 1, 'widths': (4, 3)},
            d={'widths': (4, 3)},
        )
    if kind == 'cyclegan':
        config.model = gan_jax.models.node(
            'cyclegan',
            g={'width': 2, 'blocks': 1, 'halvings': 1, 'edge': 3},
            d={'width': 2, 'layers': 1},
        )
    if kind == 'autoencoder':
        config.model = gan_jax.models.node(
            'autoencoder', encoder={'hidden': (8, 2)}, decoder={'hidden': (8,)}
        )
        config.data.range = '[0,1]'
    return config, source and source()


def distilled(folder):
    """Return the config of a student of a run in a folder, on images in it."""
    config = runs.small(algorithm='distil')
    config.data.update({'name': 'folder', 'path': str(folder / 'data'), 'split': 'train'})
    config.eval.update({'every': '20st', 'split': 'test', 'batch_size': 8})
    config.checkpoint.update({'keep': 1, 'best': 'val_distance'})
    with config.unlocked():
        config.optim.student = {**optim.defaults(), 'lr': 5e-3}
        config.teacher = str(folder / 'teacher')
    return config


# Minutes of compiling; what they keep beside networks, phases and StyleGAN2 keep too.
LARGE = ('progressive', 'biggan')


def marked(kinds, *more):
    """Return all kinds of runs, with more arguments, some of them with the slow proofs."""
    return [pytest.param(kind, *more, marks=[pytest.mark.slow] * (kind in kinds)) for kind in KINDS]


@pytest.mark.parametrize('kind', marked(LARGE))
def test_a_run_that_is_stopped_ends_as_one_that_is_not(toys, kind, tmp_path, monkeypatch, capsys):
    config, source = config_of(kind)
    digest = runs.trained(config, tmp_path / 'straight', source)
    for step in KINDS[kind][2]:
        folder = tmp_path / f'stopped_{step}'
        message = runs.interrupted(monkeypatch, config, folder, step, source)
        reached = int(message.split()[3].strip(','))
        assert step <= reached < step + config.steps_per_call
        assert runs.steps(folder)[-1] == reached
        assert not (folder / 'result.json').exists()
        assert runs.trained(config, folder, source) == digest
        assert runs.metrics(folder) == runs.metrics(tmp_path / 'straight')
        assert capsys.readouterr().out.splitlines()[-1] == f'digest {digest}'


# Both ways give the same bits (test_steps.py): the second is tried with those that keep most beside
# networks.
@pytest.mark.parametrize(
    ('kind', 'parallel'),
    [
        *marked((*LARGE, 'cyclegan', 'stylegan2'), 'pmap'),
        *((kind, 'shard_map') for kind in ('gan', 'terms', 'phases')),
    ],
)
def test_the_state_is_the_same_on_all_devices(toys, kind, parallel):
    config, source = config_of(kind)
    config.update({'devices': 2, 'parallel': parallel})
    stepper = measure.Stepper(run.open_run(config, source))
    stepper.call(2)
    stepper.close()
    state = stepper.carry[0]
    assert state.step == 2 * config.steps_per_call
    assert runs.differing(state) == []


def test_phases_have_their_own_resolution_batch_size_and_optimiser(toys, tmp_path):
    config, _ = config_of('phases')
    state = train.train(config, tmp_path)
    assert state.images == 960 and state.step == 45
    assert state.aux['steps'].tolist() == [15, 30]
    assert state.aux['entered'].tolist() == [1, 1]
    assert state.nets['g'].opt_state[0].count == 30
    assert [line['step'] for line in runs.metrics(tmp_path)] == [10, 15, 20, 30, 40, 45]
    assert runs.steps(tmp_path) == [15, 20, 40, 45]


def test_unpaired_images_fill_the_pools(toys, tmp_path):
    config, source = config_of('unpaired')
    state = train.train(config, tmp_path, source)
    assert set(state.nets) == {'ab', 'ba', 'd_a', 'd_b'}
    for pool in state.aux['pool'].values():
        assert np.abs(pool).max(axis=(1, 2, 3)).min() > 0
    assert {'cycle_loss', 'd_a_loss', 'd_b_loss'} <= set(runs.metrics(tmp_path)[-1])


def test_terms_adapt_and_keep_what_they_need(toys, tmp_path):
    config, _ = config_of('terms')
    state = train.train(config, tmp_path)
    assert state.aux['lecam']['updates'] == 30
    lines = runs.metrics(tmp_path)
    moves = (float(state.aux['ada']['p']) - 0.5) / (64 / 3000)
    assert state.aux['ada']['updates'] == 60 and moves == pytest.approx(round(moves), abs=1e-3)
    assert round(moves) % 2  # 15 of them, up or down
    assert all({'lecam', 'ada_p', 'r1'} <= set(line) for line in lines)


def test_a_procedure_with_makers_a_validation_split_and_a_network_of_another_run(
    toys, tmp_path, monkeypatch
):
    teacher, source = config_of('unpaired')
    runs.trained(teacher, tmp_path / 'teacher', source)
    draw = np.random.default_rng(0)
    for split, n in (('train', 40), ('test', 21)):
        for i in range(n):
            image = draw.integers(0, 256, (8, 8, 1)).astype(np.uint8)
            save_png(tmp_path / 'data' / split / f'{i}.png', image)
    config = distilled(tmp_path)
    state = train.train(config, tmp_path / 'straight')
    found = gan_jax.load(tmp_path / 'teacher').state.nets['ab'].averaged
    chex.assert_trees_all_equal(state.nets['teacher'].variables, dict(found))

    lines = [line for line in runs.metrics(tmp_path / 'straight') if 'val_distance' in line]
    distances = [line['val_distance'] for line in lines]
    assert [line['step'] for line in lines] == [20, 40, 60] and distances[-1] < distances[0]
    assert runs.steps(tmp_path / 'straight') == [60]  # the best is the newest, and one is kept

    pair = config.copy_and_resolve_references()
    pair.devices = 2
    both = train.train(pair, tmp_path / 'two_devices')
    chex.assert_trees_all_equal(both.nets['teacher'].variables, dict(found))
    chex.assert_trees_all_close(
        both.nets['student'].params, state.nets['student'].params, atol=1e-3
    )

    runs.interrupted(monkeypatch, config, tmp_path / 'stopped', 30)
    shutil.rmtree(tmp_path / 'teacher')  # a run keeps what it took
    assert runs.trained(config, tmp_path / 'stopped') == digest(state)
    assert runs.metrics(tmp_path / 'stopped') == runs.metrics(tmp_path / 'straight')

    trained = gan_jax.load(tmp_path / 'stopped', maker='dream')
    assert set(trained.algorithm.makers()) == {'translate', 'dream'}
    assert trained.sample(3).shape == (3, 8, 8, 1)
    with pytest.raises(UserError, match='no run in'):
        train.train(config, tmp_path / 'new')


def test_what_is_measured_can_be_refined_and_the_run_goes_on_as_it_is(toys, tmp_path, monkeypatch):
    teacher, source = config_of('unpaired')
    teacher.duration = '4st'
    runs.trained(teacher, tmp_path / 'teacher', source)
    for i in range(8):
        for split in ('train', 'test'):
            save_png(tmp_path / 'data' / split / f'{i}.png', np.full((8, 8, 1), 30 * i, np.uint8))
    config = distilled(tmp_path)
    config.update({'duration': '4st', 'batch_size': 4})
    plain = runs.trained(config, tmp_path / 'plain')

    def refine(self, state, batches):
        assert next(batches)['image'].shape == (4, 8, 8, 1)
        nets = {**state.nets, 'student': state.nets['teacher']}
        return state.replace(nets=nets)

    from gan_jax.algorithms.distil import Distil

    monkeypatch.setattr(Distil, 'refine', refine)
    assert runs.trained(config, tmp_path / 'refined') == plain
    assert runs.result(tmp_path / 'refined')['metrics']['val_distance'] == 0
    assert runs.result(tmp_path / 'plain')['metrics']['val_distance'] > 0


def test_a_toy_is_loaded_like_any_other_run(toys, tmp_path):
    config, source = config_of('unpaired')
    config.duration = '4st'
    train.train(config, tmp_path, source)
    trained = gan_jax.load(tmp_path)
    makers = trained.algorithm.makers()
    assert {name: (m.given, m.field) for name, m in makers.items()} == {
        'ab': (('a',), 'b'),
        'ba': (('b',), 'a'),
    }
    given = np.zeros((3, 8, 8, 1), np.float32)
    made = makers['ab'].make(trained.state, trained.state.step, 3, {'a': given}, None)
    assert made.shape == given.shape
    with pytest.raises(UserError, match='several makers: name one of ab, ba'):
        trained.sample(3)
    with pytest.raises(UserError, match=r'of given ones \(a\) alone'):
        gan_jax.load(tmp_path, maker='ab').sample(3)


def test_two_runs_are_equal(straight, tmp_path):
    assert runs.trained(runs.small(), tmp_path) == straight[1]
    assert runs.trained(runs.small(seed=1), tmp_path / 'other') != straight[1]


def test_a_run_can_end_with_a_walk_through_its_latents(tmp_path):
    changes = {'duration': '4st', 'sample.walk': 5}
    runs.trained(runs.small(**changes), tmp_path)
    with PIL.Image.open(tmp_path / 'walk.gif') as movie:
        assert 1 < movie.n_frames <= 5 and movie.info['loop'] == 0  # equal ones become one
    first = (tmp_path / 'walk.gif').stat().st_mtime_ns
    runs.trained(runs.small(**changes | {'duration': '8st'}), tmp_path)
    assert (tmp_path / 'walk.gif').stat().st_mtime_ns > first
    (tmp_path / 'walk.gif').unlink()
    runs.trained(runs.small(**changes | {'duration': '8st'}), tmp_path)
    assert (tmp_path / 'walk.gif').exists()


def test_the_folder_holds_what_was_promised(straight):
    folder, digest = straight
    names = {p.name for p in folder.iterdir()} - {'progress.mp4'}  # where there is an encoder
    assert names == {'config.json', 'run.json', 'metrics.jsonl', 'tensorboard', 'samples',
                     'progress.gif', 'losses.png', 'checkpoints', 'result.json'}  # fmt: skip
    assert {p.name for p in (folder / 'samples').iterdir()} == {'0.png', '30.png', '60.png'}
    lines = [json.loads(line) for line in (folder / 'metrics.jsonl').read_text().splitlines()]
    assert [line['step'] for line in lines] == [10, 20, 30, 40, 50, 60]
    assert {'step', 'images', 'seconds', 'images_per_second', 'd_loss', 'g_loss', 'd_grad_norm',
            'g_grad_norm', 'd_real_accuracy', 'd_fake_accuracy', 'd_real_q10', 'd_real_q50',
            'd_real_q90', 'd_fake_q10', 'd_fake_q50', 'd_fake_q90', 'g_std', 'real_std',
            'd_weight_norm', 'g_weight_norm'} == set(lines[0])  # fmt: skip
    assert list((folder / 'tensorboard').glob('events.*'))
    found = runs.result(folder)
    assert (found['digest'], found['step'], found['images']) == (digest, 60, 960)
    assert found['seconds'] > 0
    assert found['metrics'] == pytest.approx(
        {k: v for k, v in lines[-1].items() if k in found['metrics']}, rel=1e-6
    )


def test_a_finished_run_says_so_and_changes_nothing(straight, capsys):
    folder, digest = straight
    before = {p: p.stat().st_mtime_ns for p in folder.rglob('*.*') if p.name != 'config.json'}
    assert runs.trained(runs.small(), folder) == digest
    said, last = capsys.readouterr().out.splitlines()
    assert said.startswith('finished:') and last == f'digest {digest}'
    assert before == {p: p.stat().st_mtime_ns for p in before}


def test_a_finished_run_can_be_made_longer(straight, tmp_path, caplog):
    folder = shutil.copytree(straight[0], tmp_path / 'run')
    longer = runs.small(duration='70st')
    digest = runs.trained(longer, folder)
    assert "duration ('60st' -> '70st')" in caplog.text
    assert digest == runs.trained(longer, tmp_path / 'straight')
    assert (runs.result(folder)['digest'], runs.result(folder)['step']) == (digest, 70)


def test_a_run_from_before_a_key_was_there_is_loaded(straight, tmp_path):
    shutil.copytree(straight[0], tmp_path / 'run')
    path = tmp_path / 'run' / 'config.json'
    config = json.loads(path.read_text())
    del config['seeds'], config['sweep']
    path.write_text(json.dumps(config))
    loaded = gan_jax.load(tmp_path / 'run')
    assert loaded.config.seeds == 1 and digest(loaded.state) == straight[1]


def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_used(straight, tmp_path, caplog):
    folder, digest = straight
    folder = shutil.copytree(folder, tmp_path / 'run')
    assert runs.steps(folder) == [40, 60]
    runs.damage(folder)
    assert gan_jax.load(folder).step == 40
    caplog.clear()
    assert runs.trained(runs.small(), folder) == digest
    assert f'damaged checkpoint {folder}/checkpoints/60' in caplog.text
    assert runs.metrics(folder) == runs.metrics(straight[0])
    assert runs.steps(folder) == [40, 60]
    assert (folder / 'checkpoints' / 'damaged-60').is_dir()
    caplog.clear()
    assert runs.trained(runs.small(), folder) == digest
    assert 'damaged' not in caplog.text


def test_a_run_goes_on_from_a_checkpoint_that_is_not_the_newest(straight, tmp_path):
    folder, digest = straight
    folder = shutil.copytree(folder, tmp_path / 'run')
    shutil.rmtree(folder / 'checkpoints' / '60')
    assert runs.trained(runs.small(), folder) == digest
    assert runs.metrics(folder) == runs.metrics(straight[0])


def test_nothing_is_lost_where_no_checkpoint_is_sound(straight, tmp_path):
    folder = shutil.copytree(straight[0], tmp_path / 'run')
    for step in runs.steps(folder):
        runs.damage(folder, step)
    with pytest.raises(UserError, match=r'no checkpoint in .* can be read; available: \[40, 60\]'):
        train.train(runs.small(), folder)
    assert runs.steps(folder) == [40, 60]
    assert runs.result(folder)['digest'] == straight[1]


def test_a_loss_that_is_not_finite_ends_the_run_and_is_not_saved(straight, tmp_path):
    folder = tmp_path / 'run'
    runs.trained(runs.small(), folder)
    last = runs.metrics(folder)[-1]
    config = json.loads((folder / 'config.json').read_text())
    config['optim']['d']['lr'] = 1e38
    (folder / 'config.json').write_text(json.dumps(config))
    worse = runs.small(duration='90st', **{'optim.d.lr': 1e38})
    message = rf'not finite at step 7\d; last values: .*d_loss {last["d_loss"]:.4g}.*of step 60'
    with pytest.raises(UserError, match=message):
        train.train(worse, folder)
    assert runs.steps(folder) == [40, 60]
    assert runs.metrics(folder)[-1] == last
    assert runs.result(folder)['digest'] == straight[1]


def test_parameters_that_are_not_finite_are_not_saved(tmp_path):
    # At so high a rate the losses of the first step are finite, and the weights after it are not.
    config = runs.small(
        **{'optim.d.name': 'rmsprop', 'optim.d.lr': 3e38, 'checkpoint.every': '1st'}
    )
    with pytest.raises(UserError, match=r'parameters of d not finite at step 1; .*none was saved'):
        train.train(config, tmp_path)
    assert runs.steps(tmp_path) == []


def test_a_full_disk_ends_the_run_and_what_was_saved_is_kept(straight, tmp_path, monkeypatch):
    free = iter([2**30, 2**30, 5 * 2**20])
    with monkeypatch.context() as patch:
        usage = shutil.disk_usage(tmp_path)
        patch.setattr(workdir.shutil, 'disk_usage', lambda _: usage._replace(free=next(free)))
        with pytest.raises(UserError, match='on a full disk: 5 MiB are free'):
            train.train(runs.small(), tmp_path / 'run')
    assert runs.steps(tmp_path / 'run') == [20]
    assert runs.trained(runs.small(), tmp_path / 'run') == straight[1]


def test_another_duration_is_refused_where_phases_depend_on_it(toys, tmp_path):
    config, _ = config_of('phases')
    runs.trained(config, tmp_path)
    config.duration = '90st'
    with pytest.raises(UserError, match=r'which may not change: phase .* at 720 images, not 480'):
        train.train(config, tmp_path)
