"""What each switch of a GAN does to a step, seen from outside: losses, latents, flips, averages."""

import dataclasses
import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_steps import batches, context, tiny

from gan_jax import config as configs
from gan_jax import models
from gan_jax.core import latent
from gan_jax.core.state import Mean, TrainState
from gan_jax.core.update import Ema
from gan_jax.data import Spec, image_spec
from gan_jax.terms.protocol import Term
from gan_jax.training import measure
from gan_jax.training.run import open_run

KEY = jax.random.key(0)
MLP = models.node('mlp', prior='normal', g={'z_dim': 4, 'hidden': (8,)}, d={'hidden': (8,)})
C = 0.7  # what the discriminator says of every image


def softplus(x):
    return math.log1p(math.exp(x))


def toward(target):
    """Return the cross-entropy of the logit C against a target."""
    return softplus(C) - target * C


def constant(state):
    """Return a state whose discriminator says C whatever it sees."""

    def leaf(x):
        return jnp.full_like(x, C) if x.shape == (1,) else jnp.zeros_like(x)

    d = state.nets['d'].replace(params=jax.tree.map(leaf, state.nets['d'].params))
    return state.replace(nets={**state.nets, 'd': d})


def metrics_of(algorithm, state):
    """Return the means of what d_step and g_step report of the same state."""
    batch = {'image': batches(1)['image'][0]}

    @jax.jit
    def both(state):
        d, g = algorithm.d_step(state, batch, KEY)[1], algorithm.g_step(state, batch, KEY)[1]
        return {**d, **g}

    return {name: float(m.total / m.count) for name, m in both(state).items()}


@pytest.mark.parametrize(
    ('changes', 'd_loss', 'g_loss'),
    [
        ({'loss.name': 'nonsaturating'}, toward(1) + toward(0), toward(1)),
        ({'loss.name': 'minimax'}, toward(1) + toward(0), -toward(0)),
        ({'loss.name': 'hinge'}, (1 - C) + (1 + C), -C),
        ({'loss.name': 'wasserstein'}, 0.0, -C),
        ({'loss.name': 'relativistic'}, math.log(2), math.log(2)),
        ({'loss.real': (0.8, 0.8), 'loss.fake': (0.3, 0.3)}, toward(0.8) + toward(0.3), toward(1)),
        ({'loss.real': (0.8, 0.8), 'loss.flip': 1.0}, toward(0) + toward(0.8), toward(1)),
        ({'loss.batching': 'one_batch'}, (toward(1) + toward(0)) / 2, toward(1)),
    ],
    ids=str,
)
def test_losses_of_a_discriminator_that_says_the_same_of_all(changes, d_loss, g_loss):
    algorithm = tiny(model=MLP, **changes)
    found = metrics_of(algorithm, constant(algorithm.init(KEY)))
    assert found['d_loss'] == pytest.approx(d_loss, abs=1e-5)
    assert found['g_loss'] == pytest.approx(g_loss, abs=1e-5)


@pytest.mark.parametrize('changes', [{'loss.real': (0.5, 1.0)}, {'loss.flip': 0.5}], ids=str)
def test_soft_and_wrong_targets_lie_between(changes):
    algorithm = tiny(model=MLP, **changes)
    found = metrics_of(algorithm, constant(algorithm.init(KEY)))
    assert toward(1) + toward(0) != pytest.approx(found['d_loss'], abs=1e-3)
    low, high = 2 * toward(1), 2 * toward(0)
    assert low < found['d_loss'] < high


@dataclasses.dataclass(frozen=True)
class Spy(Term):
    """Report what the discriminator's update sees."""

    def share(self, play, view, real, fake):
        left = play.real[:, :, :4].mean((1, 2, 3)) > play.real[:, :, 4:].mean((1, 2, 3))
        return 0.0, {f'{self.side} z': Mean.of(play.z), f'{self.side} left': Mean.of(left)}


@dataclasses.dataclass(frozen=True)
class GeneratorSpy(Spy):
    """Report what the generator's update sees."""

    side: ClassVar[str] = 'g'


@pytest.mark.parametrize('reuse', [True, False])
def test_both_players_see_the_same_latents_on_demand(reuse):
    algorithm = tiny(model=MLP, **{'loss.reuse_z': reuse})
    spied = dataclasses.replace(algorithm, terms=(Spy(), GeneratorSpy()))
    found = metrics_of(spied, spied.init(KEY))
    assert (found['d z'] == found['g z']) == reuse


class LeftSource:
    """Offer images that are bright on the left."""

    spec: Spec = image_spec((8, 8, 1))

    def __len__(self):
        return 256

    def batch(self, indices):
        images = np.zeros((len(indices), 8, 8, 1), np.uint8)
        images[:, :, :4] = 255
        return {'image': images}

    def __getitem__(self, index):
        return {'image': self.batch([index])['image'][0]}


@pytest.mark.parametrize(('transforms', 'low', 'high'), [('', 1.0, 1.0), ('flip', 0.4, 0.6)])
def test_the_loop_flips_half_of_the_images(transforms, low, high):
    config = configs.base()
    config.model, config.batch_size, config.devices, config.duration = MLP, 64, 1, '8st'
    config.data.transforms = transforms
    run = open_run(config, LeftSource())
    spied = dataclasses.replace(run.algorithm, terms=(Spy(),))
    found = measure.Stepper(run._replace(algorithm=spied))
    found.call(8)
    left = jax.device_get(found.carry)[1]['d left']
    found.close()
    assert left.count == 8 * 64 and low <= left.total / left.count <= high


# Averages and latents


@pytest.mark.parametrize(
    ('images', 'life'), [(20, 10.0), (100, 50.0), (400, 100.0), (10_000, 100.0)]
)
def test_an_average_that_ramps_up_forgets_the_start(images, life):
    state = TrainState.create({}, {}).replace(images=jnp.int32(images))
    found = Ema(half_life=100, ramp=0.5).decay(state, 16)
    assert float(found) == pytest.approx(0.5 ** (16 / life), rel=1e-5)
    assert float(Ema(half_life=100).decay(state, 16)) == pytest.approx(0.5 ** (16 / 100), rel=1e-5)


def test_the_first_average_of_a_ramp_is_what_was_learnt():
    algorithm = tiny(model=MLP, **{'ema.half_life': '100img', 'ema.ramp': 0.05})
    state, batch = algorithm.init(KEY), {'image': batches(1)['image'][0]}
    after = jax.jit(algorithm.train_step)(state, batch, context(KEY))[0].nets['g']
    for learnt, averaged in zip(*map(jax.tree.leaves, (after.params, after.ema['params'])),
                                strict=True):  # fmt: skip
        np.testing.assert_allclose(averaged, learnt, rtol=1e-6)


def test_slerp_walks_along_the_arc_at_constant_speed():
    a = jnp.asarray([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    b = jnp.asarray([[0.0, 1.0, 0.0], [0.0, 0.0, 2.0]])
    np.testing.assert_allclose(latent.slerp(a, b, 0.0), a, atol=1e-6)
    np.testing.assert_allclose(latent.slerp(a, b, 1.0), b, atol=1e-6)
    third = latent.slerp(a, b, 1 / 3)
    angle = math.pi / 6
    np.testing.assert_allclose(third[0], [math.cos(angle), math.sin(angle), 0], atol=1e-6)
    np.testing.assert_allclose(third[1], [0, 2 * math.cos(angle), 2 * math.sin(angle)], atol=1e-6)


@pytest.mark.parametrize('scale', [1.0, 2.0])
def test_slerp_of_latents_in_one_direction_is_a_straight_line(scale):
    a = jnp.asarray([[0.3, -1.2, 0.5]])
    between = latent.slerp(a, scale * a, 0.25)
    np.testing.assert_allclose(between, (0.75 + 0.25 * scale) * a, rtol=1e-6)
