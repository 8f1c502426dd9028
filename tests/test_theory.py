"""What theory says of small games, and the losses, terms and steps of gan_jax do.

Dirac-GAN after Mescheder et al. 2018 (arXiv:1801.04406), optimal discriminators after Goodfellow
et al. 2014 (arXiv:1406.2661); docs/theory.md derives what is compared here.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from benchmarks import dirac
from gan_jax import config as configs
from gan_jax import models
from gan_jax.algorithms.protocol import Context
from gan_jax.core import rng
from gan_jax.core.game import verdict
from gan_jax.core.state import apply_averaged
from gan_jax.core.update import advance
from gan_jax.data import Field, Spec

DAMPED = [name for name in dirac.CASES if not name.startswith('nothing')]


@functools.cache
def paths(name):
    """Return the paths of both ways of descent of a case from all starts."""
    return dirac.paths(dirac.ALL[name].game())


@pytest.mark.parametrize('name', dirac.CASES)
def test_steps_near_the_equilibrium_turn_and_shrink_as_the_jacobian_says(name):
    row = dirac.row(dirac.CASES[name], paths(name))
    # the noise of 128 examples, over 100 and 400 steps
    off, wrong = (0.03, 2e-3) if 'noise' in name else (2e-4, 2e-5)
    assert abs(row.eigenvalue[0] - row.eigenvalue[1]) < off
    for theory, measured in (row.simultaneous, row.alternating):
        assert abs(theory - measured) < wrong


def test_rates_have_simple_forms():
    h, gamma = 0.1, dirac.GAMMA
    nothing, r1 = dirac.CASES['nothing'], dirac.CASES['R1']
    assert nothing.rate(False, h) == pytest.approx(np.sqrt(1 + h**2 / 4))
    assert nothing.rate(True, h) == pytest.approx(1)
    assert r1.rate(True, h) == pytest.approx(np.sqrt(1 - h * gamma))
    assert r1.rate(False, h) == pytest.approx(np.sqrt(1 - h * gamma + h**2 / 4))
    critical = dirac.CASES['R1 beyond critical']
    assert critical.eigenvalue == pytest.approx((-1.25 + np.sqrt(1.25**2 - 1)) / 2)


@pytest.mark.parametrize('name', ['nothing', 'nothing, WGAN'])
def test_nothing_converges_without_regularisation(name):
    simultaneous, alternating = np.linalg.norm(paths(name)[:, -1], axis=-1)
    assert (np.diff(simultaneous) > 0).all()
    assert alternating.min() > 1.3 and alternating.max() < 1.5


def test_the_non_saturating_loss_alone_slows_down_without_end():
    simultaneous, alternating = np.linalg.norm(paths('nothing, non-saturating')[:, -1], axis=-1)
    # d|w|^2 / dt is -(theta psi)^2, whose mean over a turn is |w|^4 / 8
    half = len(alternating) // 2
    gone = 1 / alternating[-1] ** 2 - 1 / alternating[half] ** 2
    assert gone == pytest.approx(dirac.LR * half / 8, rel=0.05)
    # where simultaneous steps drive outwards as much: h^2 |w|^2 / 4 = h |w|^4 / 8
    assert simultaneous.min() > math.sqrt(2 * dirac.LR)


@pytest.mark.parametrize('name', DAMPED)
def test_damped_games_converge_from_afar(name):
    for path in paths(name):
        distance = np.linalg.norm(path[-1], axis=-1)
        # what 128 draws a step keep moving
        assert distance[-1] < (0.1 if 'noise' in name else 0.02) < distance[0]


def test_a_wgan_follows_its_spiral_and_its_ellipse_exactly():
    simultaneous, alternating = paths('nothing, WGAN')[:, -1]
    radius = (simultaneous**2).sum(axis=1)
    np.testing.assert_allclose(radius[1:] / radius[:-1], 1 + dirac.LR**2, rtol=1e-5)
    theta, psi = alternating.T
    np.testing.assert_allclose(theta**2 + psi**2 - dirac.LR * theta * psi, 2 - dirac.LR, rtol=1e-4)


def test_more_steps_of_the_discriminator_do_not_make_it_converge():
    path = dirac.paths(dirac.CASES['nothing'].game(n_critic=2))[1]
    assert dirac.measured(path).rate == pytest.approx(1, abs=1e-4)
    assert np.linalg.norm(path[-1], axis=-1).min() > 1


def test_wgan_gp_cannot_come_to_rest_at_the_equilibrium():
    case = dirac.ALL['WGAN-GP']
    pull = 2 * dirac.LR * case.terms['gradient_penalty']['weight']
    # Within this distance one step moves psi by more than the diameter: it cannot stay there.
    least = pull / (2 + pull + dirac.LR)
    for path in paths('WGAN-GP'):
        distance = np.linalg.norm(path[-1], axis=-1)
        assert np.maximum(distance[1:], distance[:-1]).min() > least
    r1 = np.linalg.norm(paths('R1, WGAN')[:, -1], axis=-1)
    assert r1[:, -1].max() < least


# Two Gaussians: real ones, and those of a generator a z + b of a normal z.
SPEC = Spec({'point': Field((1,), 'float32', 'points')}, 'point')
BATCH, STEPS = 256, 1000
AT = np.linspace(-0.25, 1.25, 31)


def game(terms=None, **changes):
    """Return a game of points on the line, whose learning rates go down to 0."""
    config = configs.base()
    config.model = models.node(
        'mlp',
        prior='normal',
        g={'z_dim': 1, 'hidden': (), 'out_act': 'linear'},
        d={'hidden': (16,), 'act': 'tanh', 'weight_init': 'torch'},
    )
    config.batch_size, config.duration, config.terms = BATCH, f'{STEPS}st', terms or {}
    with config.unlocked(), config.ignore_type():
        for node in config.optim.values():
            node.lr = {'first': 0.02, 'final': 0.0, 'start': 0, 'stop': BATCH * STEPS}
        config.update_from_flattened_dict(changes)
    configs.validate(config)
    return configs.algorithm(config).build(configs.resolve(config, BATCH), SPEC)


def affine(state, scale, shift):
    """Return the state with a generator that makes N(shift, scale^2)."""
    g = {'out': {'kernel': jnp.full((1, 1), scale), 'bias': jnp.full(1, shift)}}
    return state.replace(nets={**state.nets, 'g': state.nets['g'].replace(params=g)})


def play(game, state, step, mean, std):
    """Return the state after STEPS steps on N(mean, std^2), and the mean losses of the last 300."""
    key = rng.root(0)

    def body(state, t):
        real = mean + std * jax.random.normal(rng.fold(key, 'real', t), (BATCH, 1))
        state, metrics = step(state, {'point': real}, key)
        return state, {k: m.total / m.count for k, m in metrics.items()}

    state, metrics = jax.jit(lambda s: jax.lax.scan(body, s, jnp.arange(STEPS)))(state)
    return state, {k: float(v[-300:].mean()) for k, v in metrics.items() if 'loss' in k}


def logits(game, state):
    """Return what the discriminator says of AT."""
    found = apply_averaged(game.discriminator, state.nets['d'], jnp.float32(AT)[:, None], None)
    return np.asarray(verdict(found).logits)


def divergence(p, q):
    """Return the Jensen-Shannon divergence of two distributions on the line, in nats."""
    x = np.linspace(-8, 8, 20_001)
    p, q = p.pdf(x), q.pdf(x)
    halves = [np.where(f > 0, f * np.log(2 * f / (p + q + 1e-300) + 1e-300), 0) for f in (p, q)]
    return sum(half.sum() for half in halves) / 2 * (x[1] - x[0])


@pytest.mark.parametrize(
    ('loss', 'real', 'fake'),
    [
        ('minimax', (0.5, 1.0), (0.5, 0.5)),
        ('least_squares', (1.0, 0.5), (0.0, 0.5)),
        ('relativistic', (1.0, 0.5), (0.0, 0.5)),
    ],
)
def test_a_discriminator_of_two_gaussians_becomes_the_optimal_one(loss, real, fake):
    found = game(**{'loss.name': loss})

    def step(state, batch, key):
        state, metrics = found.d_step(state, batch, key)
        return advance(state, batch), metrics

    state = affine(found.init(rng.root(1)), fake[1], fake[0])
    state, means = play(found, state, step, *real)
    p, q = stats.norm(*real), stats.norm(*fake)
    best, said = p.pdf(AT) / (p.pdf(AT) + q.pdf(AT)), logits(found, state)
    if loss == 'relativistic':  # it knows differences of logits alone
        said = said - said.mean() + np.log(best / (1 - best)).mean()
    share = said if loss == 'least_squares' else expit(said)
    assert np.abs(share - best).max() < 0.06
    if loss == 'minimax':
        assert means['d_loss'] == pytest.approx(np.log(4) - 2 * divergence(p, q), abs=0.03)


def test_at_equilibrium_the_value_is_minus_log_four_and_d_is_a_half():
    found = game(terms={'r1': {'weight': 0.1}})

    def step(state, batch, key):
        return found.train_step(state, batch, Context(key, found.phase))

    state = affine(found.init(rng.root(1)), 1.0, 0.0)
    state, means = play(found, state, step, 1.0, 0.5)
    g = state.nets['g'].params['out']
    assert float(g['bias'][0]) == pytest.approx(1.0, abs=0.05)
    assert abs(float(g['kernel'][0, 0])) == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(expit(logits(found, state)), 0.5, atol=0.03)
    assert -means['d_loss'] == pytest.approx(-np.log(4), abs=0.01)
    assert means['g_loss'] == pytest.approx(np.log(2), abs=0.01)
