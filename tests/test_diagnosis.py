"""Diagnosis: runs that are broken on purpose are named, and a run that goes back is exact."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import runs
import test_translation

from gan_jax import models
from gan_jax.algorithms.protocol import Symptom
from gan_jax.algorithms.two_player import GAN
from gan_jax.errors import UserError
from gan_jax.pictures import save_png
from gan_jax.training import diagnosis

QUICK = {
    'log.every': '10st',
    'duration': '60st',
    'checkpoint.every': '60st',
    'model.d.dropout': 0.0,
}


def words(caplog):
    """Return the warnings of a run."""
    return [record.getMessage() for record in caplog.records]


def test_a_healthy_run_is_not_spoken_of(tmp_path, caplog):
    runs.trained(runs.small(), tmp_path)
    assert words(caplog) == []
    first, *_, last = runs.metrics(tmp_path)
    assert last['d_real_q10'] < last['d_real_q50'] < last['d_real_q90']
    assert 0.2 < last['real_std'] < 1 and last['real_std'] == first['real_std']


def test_networks_that_learn_nothing_are_named(tmp_path, caplog):
    still = {f'{key}.{name}': value for key in ('g', 'd') for name, value in STILL.items()}
    changes = {f'{"optim" if "lr" in k else "model"}.{k}': v for k, v in still.items()}
    runs.trained(runs.small(**QUICK, **changes), tmp_path)
    d, g = words(caplog)
    assert d.startswith('step 50: D has learnt nothing: its loss is 1.38')
    assert g.startswith('step 50: G collapses: over z its images vary by')


def test_every_player_of_an_adversarial_autoencoder_is_watched(tmp_path, caplog):
    model = {'encoder': {'hidden': (4,), 'z_dim': 2}, 'decoder': {'hidden': (4,)}}
    model |= {'d_z': {'hidden': (4,)}, 'd': {'hidden': (4,)}}
    nets = {name: {**keys, 'weight_init': 'normal'} for name, keys in model.items()}
    changes = {f'optim.{name}.lr': 1e-9 for name in model} | {'data.range': '[0,1]'}
    config = runs.small('caae', **{**QUICK, **changes})
    config.model = models.node('caae', classes=10, **nets)
    runs.trained(config, tmp_path)
    said = ' '.join(words(caplog))
    for name in ('D_z has learnt nothing', 'D has learnt nothing', 'the decoder collapses'):
        assert f'step 50: {name}' in said
    assert runs.metrics(tmp_path)[-1].keys() >= {'d_z_fake_q50', 'image_std', 'encoder_weight_norm'}


def test_images_of_images_are_watched_by_what_they_are_made_of():
    algorithm, data = test_translation.built('cyclegan'), test_translation.batches('cyclegan')
    data = test_translation.first(data)
    state, key = algorithm.init(jax.random.key(0)), jax.random.key(1)
    seen = jax.device_get(jax.jit(algorithm.observe)(state, data, data, key))
    for name in ('d_a', 'd_b'):
        np.testing.assert_allclose(seen[f'{name}_heldout_q50'], seen[f'{name}_real_q50'], rtol=1e-6)
        assert seen[f'{name}_fake_q10'] < seen[f'{name}_fake_q90']
    constant = {**data, 'a': jnp.ones_like(data['a'])}
    still = jax.device_get(jax.jit(algorithm.observe)(state, constant, None, key))
    assert still['a_std'] == 0 and still['ab_std'] < 1e-5 < still['ba_std']
    losses = {'ab_loss': 0.5, 'ba_loss': 0.5, 'd_a_loss': 0.5, 'd_b_loss': 1e-4}
    found = algorithm.symptoms({**seen, **losses, 'ab_std': 0.01})
    assert found.keys() == {'d_b_wins', 'ab_collapses'}
    assert found['d_b_wins'].words.startswith(
        'D_b wins: its loss is 0.0001, and teaches ab nothing'
    )


# Small weights at first, and then the same ones.
STILL = {'weight_init': 'normal', 'lr': 1e-9}


def test_a_loss_that_diverges_is_named(tmp_path, caplog):
    changes = {'loss.name': 'wasserstein', 'optim.d.lr': 1.0}
    runs.trained(runs.small(**QUICK, **changes), tmp_path)
    assert [text for text in words(caplog) if 'the loss diverges: a loss or a median' in text]


def test_a_discriminator_that_memorises_and_wins_is_named(tmp_path, caplog):
    draw = np.random.default_rng(0)
    for split in ('train', 'test'):
        for i in range(16):
            image = draw.integers(0, 256, (8, 8, 1)).astype(np.uint8)
            save_png(tmp_path / 'data' / split / f'{i}.png', image)
    changes = {**QUICK, 'duration': '250st', 'optim.d.lr': 1e-2, 'eval.split': 'test'}
    config = runs.small(**changes)
    config.data.update({'name': 'folder', 'path': str(tmp_path / 'data'), 'split': 'train'})
    runs.trained(config, tmp_path / 'run')
    memorises, wins = words(caplog)
    assert 'D memorises: it judges held-out images' in memorises
    assert 'D wins: its loss is 0.00' in wins
    line = runs.metrics(tmp_path / 'run')[0]
    assert line['d_heldout_q10'] < line['d_heldout_q50'] < line['d_heldout_q90']


@pytest.fixture
def sick(monkeypatch):
    """Let the first attempt at a run have something wrong from its 31st step on."""

    def symptoms(self, values):
        ill = not values.get('attempt') and values['images'] > 30 * 16
        return {'ill': Symptom('it is ill')} if ill else {}

    monkeypatch.setattr(GAN, 'symptoms', symptoms)
    monkeypatch.setattr(diagnosis, 'PATIENCE', 3)


def test_a_run_that_goes_back_has_other_draws_and_is_exact(sick, tmp_path, monkeypatch, caplog):
    changes = {'duration': '100st', 'checkpoint.keep': 5}
    healthy = runs.trained(runs.small(**changes), tmp_path / 'warned')
    assert words(caplog) == ['step 60: it is ill']
    caplog.clear()
    config = runs.small(on_collapse='restore', **changes)
    digest = runs.trained(config, tmp_path / 'straight')
    assert words(caplog) == ['step 60: it is ill', 'going back to step 20: attempt 1']
    assert digest != healthy
    lines = runs.metrics(tmp_path / 'straight')
    assert [line['step'] for line in lines] == list(range(10, 101, 10))
    assert [line.get('attempt', 0) for line in lines] == [0] * 2 + [1] * 8
    # before it goes back, with a checkpoint that is not there without the stop; and after it
    for step in (25, 90):
        folder = tmp_path / f'stopped_{step}'
        runs.interrupted(monkeypatch, config, folder, step)
        assert runs.trained(config, folder) == digest
        assert runs.metrics(folder) == lines


def test_a_run_that_is_ill_for_good_ends(sick, tmp_path, monkeypatch):
    with pytest.raises(UserError, match='stopped at step 60: it is ill'):
        runs.trained(runs.small(on_collapse='stop'), tmp_path / 'stop')
    assert runs.steps(tmp_path / 'stop') == [20, 40]
    monkeypatch.setattr(
        GAN, 'symptoms', lambda self, v: {'ill': Symptom('always')} if v['images'] > 480 else {}
    )
    monkeypatch.setattr('gan_jax.training.loop.ATTEMPTS', 2)
    config = runs.small(on_collapse='restore', **{'checkpoint.keep': 5})
    with pytest.raises(UserError, match='always; after 2 attempts'):
        runs.trained(config, tmp_path / 'often')


def test_a_run_goes_back_from_numbers_that_are_not_finite(tmp_path, caplog):
    config = runs.small(on_collapse='restore', **{'optim.d.lr': 1e38})
    with pytest.raises(UserError, match=r'not finite at step .*; no checkpoint of before is left'):
        runs.trained(config, tmp_path)
