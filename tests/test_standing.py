"""What is sampled and measured: standing statistics, and latents without their far numbers."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import runs
from test_steps import batches, context, tiny

from gan_jax import cli, modes, train
from gan_jax.core import latent, rng
from gan_jax.errors import UserError
from gan_jax.models import node
from gan_jax.training import inference


def game(n=3, **changes):
    """Return a small GAN with batch norm and standing statistics, and a state of some steps."""
    algorithm = tiny('batch', **{'sample.standing': n, **changes})
    state, key = algorithm.init(jax.random.key(0)), jax.random.key(0)
    batch = {'image': batches(1)['image'][0]}
    return algorithm, jax.jit(algorithm.train_step)(state, batch, context(key))[0]


@pytest.mark.parametrize('half_life', ['100img', '0img'])
def test_statistics_are_those_of_all_batches_together(half_life):
    algorithm, state = game(**{'ema.half_life': half_life})
    refined = algorithm.refine(state, iter(()))
    keys = jax.random.split(rng.fold(rng.root(0), 'standing'), 3)
    z = jnp.concatenate([algorithm.latents(state, key, 16) for key in keys])
    variables = refined.nets['g'].averaged
    stem = z @ variables['params']['stem']['kernel']
    pixels = np.asarray(stem).reshape(-1, 8)  # the stem's image has 8 channels
    found = variables['batch_stats']['norm_0']
    np.testing.assert_allclose(found['mean'], pixels.mean(0), atol=1e-6)
    np.testing.assert_allclose(found['var'], pixels.var(0), rtol=1e-5)


def test_nothing_but_the_averaged_statistics_changes():
    algorithm, state = game()
    refined = algorithm.refine(state, iter(()))
    before, after = state.nets['g'], refined.nets['g']
    chex.assert_trees_all_equal(refined.nets['d'], state.nets['d'])
    chex.assert_trees_all_equal(
        (after.params, after.extra, after.ema['params']),
        (before.params, before.extra, before.ema['params']),
    )
    moved = jax.tree.map(lambda a, b: (a != b).any(), before.ema, after.ema)['batch_stats']
    assert all(jax.tree.leaves(moved))
    assert tiny('batch').refine(state, iter(())) is state


def test_a_generator_without_batch_norm_has_none():
    with pytest.raises(UserError, match=r'sample\.standing=3 is not allowed: .* no batch norm'):
        tiny('none', **{'sample.standing': 3})


class TestTruncation:
    prior = staticmethod(lambda key: latent.normal(key, 64))

    def drawn(self, threshold, n=200):
        keys = rng.example_keys(jax.random.key(0), n)
        return jax.vmap(latent.truncated(self.prior, threshold))(keys)

    def test_latents_are_of_the_truncated_normal(self):
        z = self.drawn(0.5)
        assert abs(z).max() <= 0.5
        density = np.exp(-0.125) / np.sqrt(2 * np.pi)
        inside = 0.3829249  # the share of a normal within half a deviation
        np.testing.assert_allclose(z.var(), 1 - 2 * 0.5 * density / inside, rtol=0.03)
        assert abs(z.mean()) < 0.01

    def test_a_latent_depends_on_its_key_alone(self):
        np.testing.assert_array_equal(self.drawn(0.5)[:7], self.drawn(0.5, 7))

    def test_numbers_within_stay(self):
        plain = jax.vmap(self.prior)(rng.example_keys(jax.random.key(0), 200))
        np.testing.assert_array_equal(self.drawn(10.0), plain)
        far = abs(plain) > 0.5
        np.testing.assert_array_equal(self.drawn(0.5)[~far], plain[~far])

    @pytest.mark.parametrize('threshold', [0, -1.0, 1e-3, 'much', float('nan')])
    def test_what_is_no_threshold_is_refused(self, threshold):
        with pytest.raises(UserError, match=r'truncation=.* must be at least 0\.01; None for none'):
            latent.truncated(self.prior, threshold)


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Return the folder of a short run whose generator has standing statistics."""
    config = runs.small(**{'duration': '20st', 'sample.standing': 2})
    config.model = node('mlp', g={'z_dim': 4, 'hidden': (8,), 'norm': 'batch'}, d={'hidden': (8,)})
    folder = tmp_path_factory.mktemp('standing') / 'run'
    train.train(config, folder)
    return folder


def test_samples_and_walks_are_of_the_refined_state(run, monkeypatch):
    trained = inference.load(run)
    refined = trained.sample(4), trained.interpolate(2, n=4)
    monkeypatch.setattr(type(trained.algorithm), 'refine', lambda self, state, batches: state)
    plain = inference.load(run)
    for got, other in zip(refined, (plain.sample(4), plain.interpolate(2, n=4)), strict=True):
        assert got.shape == other.shape and (got != other).any()


def mode(name, run, **flags):
    """Run a mode on a run's folder."""
    given = [f'--{k}={v}' for k, v in {'mode': name, 'workdir': run, **flags}.items()]
    command = cli.parse(['launch.py', *given])
    command.mode.run(command.config, command.workdir, command.flags)


def test_options_reach_the_maker_from_the_command_line(run, tmp_path):
    for name, made in (('sample', 'grid.png'), ('interpolate', 'interpolation.gif')):
        options = {'plain': '', 'same': 'truncation=50', 'near': 'truncation=.1'}
        for out, option in options.items():
            mode(name, run, num=4, out=tmp_path / out, options=option)
        plain, same, near = ((tmp_path / out / made).read_bytes() for out in options)
        assert plain == same != near
    with pytest.raises(UserError, match=r"option in options 'truncate'.*'truncation'"):
        mode('sample', run, num=4, out=tmp_path, options='truncate=.5')
    with pytest.raises(UserError, match=r"option in options 'psi'; available: truncation"):
        mode('sample', run, num=4, out=tmp_path, options='psi=.7')
    with pytest.raises(UserError, match='truncation=0 is not allowed'):
        mode('sample', run, num=4, out=tmp_path, options='truncation=0')
    assert 'options' in modes.find('sample').FLAGS
