"""The benchmark of modes: its data, its configs, its table."""

import json
import math
import sys

import numpy as np
import PIL.Image
import pytest

from benchmarks import modes
from gan_jax import config as configs
from gan_jax.errors import UserError
from gan_jax.metrics.mixture import Mixture


@pytest.mark.parametrize(('task', 'n'), [('ring', 8), ('grid', 25)])
def test_real_points_have_the_scores_of_theory(task, n):
    config = modes.configured(task, 'R3GAN', 1)
    found = [modes.score(config, modes.drawn(config, seed)) for seed in range(8)]
    assert {m.modes for m in found} == {n}
    # of a Gaussian in the plane, exp(-9 / 2) lies beyond three deviations
    quality = np.mean([m.high_quality for m in found])
    assert quality == pytest.approx(1 - math.exp(-4.5), abs=3e-3)
    # (n - 1) / 2N for N draws
    kl = np.mean([m.reverse_kl for m in found])
    assert kl == pytest.approx((n - 1) / (2 * modes.SAMPLES), rel=0.5)


def test_every_method_is_a_config_of_its_own():
    found = set()
    for method in modes.METHODS:
        config = modes.configured('grid', method, 3)
        configs.validate(configs.settled(config))
        assert config.seeds == 3
        found.add((config.loss.name, config.model.d.weight_norm, *sorted(config.terms)))
    assert len(found) == len(modes.METHODS)


def test_the_table_has_means_and_standard_errors():
    found = [Mixture(24, 0.9, 0.1), Mixture(25, 0.95, 0.3), Mixture(25, 1.0, 0.2)]
    said = modes.line('grid', 'GAN', found)
    assert '| 24.7 +- 0.3 | 95.0 +- 2.9 | 0.200 +- 0.058 | 17.3 ' in said
    assert '| 25.0 | 95.0 | 0.300 |  |' in modes.line('grid', 'R3GAN', found[1:2])
    assert modes.among('ring,GAN') == [('ring', 'GAN')]
    assert len(modes.among('')) == 2 * len(modes.METHODS)
    with pytest.raises(UserError, match=r"'R3GNA' .did you mean 'R3GAN'"):
        modes.among('R3GNA')


def test_runs_are_trained_once_and_counted(tmp_path, monkeypatch, capsys):
    whole = modes.configured

    def short(*given):
        config = whole(*given)
        small = {'model.g.hidden': (4,), 'model.d.hidden': (4,), 'data.examples': 200}
        config.update_from_flattened_dict({**small, 'duration': '4st', 'steps_per_call': 2})
        config.update_from_flattened_dict({'batch_size': 8, 'devices': 1})
        return config

    monkeypatch.setattr(modes, 'configured', short)
    flags = {'workdir': tmp_path, 'json': tmp_path / 'x.json', 'picture': tmp_path / 'x.png'}
    argv = ['modes.py', '--only=ring,LSGAN', '--seeds=2', *(f'--{k}={v}' for k, v in flags.items())]
    monkeypatch.setattr(sys, 'argv', argv)
    modes.main()
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith('|')]
    names = [row.split('|')[2].strip() for row in table]
    assert names == ['method', '---', 'real points', 'LSGAN']
    real, trained = json.loads((tmp_path / 'x.json').read_text())
    assert real['seeds'][0]['modes'] == 8 and trained['method'] == 'LSGAN'
    assert len({seed['reverse_kl'] for seed in trained['seeds']}) == 2
    with PIL.Image.open(tmp_path / 'x.png') as picture:
        assert len(np.unique(np.asarray(picture))) > 50
    before = (tmp_path / 'ring/LSGAN/metrics.jsonl').read_text()
    modes.main()
    assert capsys.readouterr().out.splitlines()[-4:] == table
    assert (tmp_path / 'ring/LSGAN/metrics.jsonl').read_text() == before
