"""Several members of a run in one program: each is as a run of its own."""

import re

import jax
import numpy as np
import pytest
import runs

import gan_jax
from gan_jax import train
from gan_jax.errors import UserError
from gan_jax.pictures import save_png
from gan_jax.runtime import group as runtime_group
from gan_jax.training import members

TINY = {
    'duration': '20st',
    'log.every': '5st',
    'sample.every': '20st',
    'checkpoint.every': '10st',
    'model.g.hidden': (4,),
    'model.d.hidden': (4,),
    'terms': {'r1': {'weight': 1.0, 'every': 2}},
}


def tiny(**changes):
    """Return the config of the smallest run."""
    return runs.small(**TINY | changes)


@pytest.fixture(scope='module')
def group(tmp_path_factory):
    """Train two seeds in one program; return the folder."""
    folder = tmp_path_factory.mktemp('members') / 'group'
    train.train(tiny(seeds=2, seed=3), folder)
    return folder


def test_a_member_is_a_run_of_its_own(group, tmp_path):
    train.train(tiny(seed=4), tmp_path)
    alone, member = gan_jax.load(tmp_path), gan_jax.load(group, member=1)
    np.testing.assert_array_equal(alone.sample(4), member.sample(4))
    # One reduction of a bias rounds otherwise inside the loop over members.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7),
        alone.state,
        member.state,
    )
    ours, own = runs.metrics(group)[-1], runs.metrics(tmp_path)[-1]
    losses = {k: v for k, v in own.items() if 'loss' in k}
    assert {k: ours[f'member_1/{k}'] for k in losses} == pytest.approx(losses, rel=1e-5)
    each = [ours[f'member_{at}/d_loss'] for at in (0, 1)]
    assert ours['d_loss'] == pytest.approx(np.mean(each), rel=1e-6)
    assert ours['error/d_loss'] == pytest.approx(abs(each[0] - each[1]) / 2, rel=1e-4)


def test_a_group_goes_on_as_if_it_was_never_stopped(group, tmp_path, monkeypatch):
    config = tiny(seeds=2, seed=3)
    runs.interrupted(monkeypatch, config, tmp_path, 8)
    assert runs.trained(config, tmp_path) == runs.result(group)['digest']
    assert runs.metrics(tmp_path) == runs.metrics(group)


def test_members_that_are_computed_at_once_are_the_same(tmp_path, monkeypatch):
    config = tiny(sweep='optim.d.lr=[1e-4, 1e-3]')
    one_by_one = train.train(config, tmp_path / 'one')
    monkeypatch.setattr(runtime_group, 'one_by_one', lambda: False)
    at_once = train.train(config, tmp_path / 'both')
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), one_by_one, at_once
    )


@pytest.mark.parametrize('backend', ['pmap', pytest.param('shard_map', marks=pytest.mark.slow)])
def test_devices_that_share_the_members_change_no_bit(tmp_path, backend):
    config = tiny(sweep='optim.d.lr=[1e-4, 1e-3]', seeds=2, parallel=backend, steps_per_call=5)
    digests = []
    for devices in (1, 2):
        config.devices = devices
        digests.append(runs.trained(config, tmp_path / str(devices)))
    assert digests[0] == digests[1]
    assert runs.metrics(tmp_path / '1') == runs.metrics(tmp_path / '2')


def test_more_devices_than_members_share_the_rows(group, tmp_path):
    train.train(tiny(seeds=2, seed=3, devices=4), tmp_path)
    ours, one = runs.metrics(tmp_path)[-1], runs.metrics(group)[-1]
    losses = {k: v for k, v in one.items() if 'loss' in k}
    assert {k: ours[k] for k in losses} == pytest.approx(losses, rel=1e-3)


def test_a_held_out_split_is_measured_of_each_member(tmp_path):
    draw = np.random.default_rng(0)
    for at in range(40):
        image = draw.integers(0, 256, (8, 8, 1)).astype(np.uint8)
        save_png(tmp_path / 'data' / ('test' if at % 2 else 'train') / f'{at}.png', image)
    where = {'name': 'folder', 'path': str(tmp_path / 'data'), 'split': 'train', 'range': '[0,1]'}
    configs = {'group': {'seeds': 2, 'seed': 3}, 'alone': {'seed': 4}}
    for name, changes in configs.items():
        config = runs.small('autoencoder', duration='4st', **changes)
        config.data.update(where)
        config.eval.update({'split': 'test', 'every': '4st'})
        train.train(config, tmp_path / name)
    ours, own = (runs.metrics(tmp_path / name)[-1] for name in configs)
    assert ours['member_1/val_loss'] == pytest.approx(own['val_loss'], rel=1e-5)
    assert ours['member_1/val_loss'] != ours['member_0/val_loss']


def test_one_member_diverges_and_the_others_go_on(tmp_path, caplog):
    config = tiny(sweep='optim.d.lr=[1e-3, 1e30]')
    config.checkpoint.best = 'd_loss'
    state = train.train(config, tmp_path)
    assert state.aux['diverged'].tolist()[0] == -1 < state.aux['diverged'].tolist()[1]
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(state))
    assert 'member 1 (optim.d.lr=1e+30) diverged at step' in caplog.text
    last = runs.metrics(tmp_path)[-1]
    assert 'member_0/d_loss' in last and 'member_1/d_loss' not in last
    assert (tmp_path / 'sweep.png').exists()
    assert 'diverged' in (tmp_path / 'members.txt').read_text()
    best = gan_jax.load(tmp_path)
    assert best.config.optim.d.lr == 1e-3 and best.config.seeds == 1


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'seeds': 0}, 'seeds=0 is not allowed: it must be an int, at least 1'),
        ({'sweep': 'optim.g.lr'}, 'write KEY=[A, B, ...]'),
        ({'sweep': 'optim.g.lr=[1e-3]'}, 'two or more different values'),
        ({'sweep': 'optim.g.rate=[1, 2]'}, "'optim.g.rate'"),
        ({'sweep': 'batch_size=[8, 16]'}, 'batch_size cannot be swept'),
        ({'sweep': 'optim.g.lr=[0.1, -1.5]'}, 'optim.g.lr=-1.5 is not allowed'),
        ({'sweep': 'optim.g.clip=[0.1, 1.0]'}, 'optim.g.clip cannot be swept in one program'),
        ({'seeds': 2, 'seed': 2**32 - 1}, f'seed={2**32} is not allowed'),
        ({'seeds': 2, 'on_collapse': 'stop'}, 'on_collapse'),
        ({'seeds': 2, 'sample.walk': 4}, 'sample.walk'),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, changes, words):
    with pytest.raises(UserError, match=re.escape(words)):
        train.train(tiny(**changes), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_what_a_group_lacks_is_named(group):
    with pytest.raises(UserError, match='members 0 to 1'):
        gan_jax.load(group, member=2)
    with pytest.raises(UserError, match=re.escape('seeds (2 -> 3)')):
        train.train(tiny(seeds=3, seed=3), group)
    config = tiny(seeds=2)
    config.checkpoint.best = 'fid'
    with pytest.raises(UserError, match="'fid' was measured of no member"):
        members.choose(config, None, {'member_0/d_loss': 1.0})


def test_phases_of_their_own_programs_are_refused(tmp_path):
    with pytest.raises(UserError, match="seeds=2 is not for algorithm='progressive'"):
        train.train(runs.small('progressive', seeds=2, duration='2000kimg'), tmp_path / 'run')
