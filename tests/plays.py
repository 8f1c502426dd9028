"""What a term is called with, made by hand: plays, verdicts, and views of a critic."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp

from gan_jax.core import rng
from gan_jax.core.game import Play, Verdict


def images(seed, shape=(4, 5, 3, 2)):
    """Return N(0, 1) images."""
    return jax.random.normal(jax.random.key(seed), shape)


def play(real=None, fake=None, player='d', **more):
    """Return a play of real and fake images, with keys for each of them."""
    real = images(0) if real is None else real
    fake = images(1, real.shape) if fake is None else fake
    given = {'real_label': None, 'fake_label': None, 'z': None, 'batch': {}, 'state': None, **more}
    keys = rng.example_keys(jax.random.key(5), len(real))
    return Play(real=real, fake=fake, turn=jnp.int32(0), keys=keys, player=player, **given)


def view(critic):
    """Return a view whose discriminator is a function of images alone."""
    return SimpleNamespace(d=lambda x, label, draws='real': Verdict(critic(x)))


def share(term, play, view=None, real=None, fake=None):
    """Return a term's share of the loss as a float, and its means."""
    value, metrics = term.share(play, view, real, fake)
    return float(value), {k: float(m.total / m.count) for k, m in metrics.items()}
