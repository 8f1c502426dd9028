"""Relativistic average, RaSGAN (Jolicoeur-Martineau 2018, arXiv:1807.00734)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from gan_jax.core import keys
from gan_jax.core.losses.protocol import Adversarial
from gan_jax.runtime import parallel

KEYS = {'half': keys.flag(True, "Multiply by 1/2, as in the author's code.")}


def make(half: bool = True) -> Adversarial:
    """Make the loss with D: k [softplus(-(r - E f)) + softplus(f - E r)]; see `average`."""
    return average(lambda x: jax.nn.softplus(-x), jax.nn.softplus, half)


def centred(real: jax.Array, fake: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return (r - mean f, f - mean r), with means over the batch of all devices."""
    return real - parallel.pmean(jnp.mean(fake)), fake - parallel.pmean(jnp.mean(real))


def average(
    up: Callable[[jax.Array], jax.Array], down: Callable[[jax.Array], jax.Array], half: bool
) -> Adversarial:
    """Make the relativistic average loss of functions that pull a logit up and down.

    D: k [up(r - E f) + down(f - E r)]; G: the same with r and f exchanged. k is 1/2 as in the
    author's code, or 1 with half=False. The means E are over the whole batch on all devices, so
    that it cannot be walked in pieces.
    """
    k = 0.5 if half else 1.0

    def d(real: jax.Array, fake: jax.Array) -> jax.Array:
        real, fake = centred(real, fake)
        return k * (up(real) + down(fake))

    def g(real: jax.Array, fake: jax.Array) -> jax.Array:
        real, fake = centred(real, fake)
        return k * (up(fake) + down(real))

    return Adversarial(d=d, g=g, over_batch=True)
