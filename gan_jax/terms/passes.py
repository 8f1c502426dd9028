"""How a discriminator sees a batch: its targets, its passes, and its penalties."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core import rng
from gan_jax.core.state import Mean, Metrics, Net, apply
from gan_jax.terms.penalties import Penalty


@dataclass(frozen=True)
class Targets:
    """Say what the discriminator is told: ranges of soft targets, and the share of wrong ones.

    A range (low, high) is drawn from per example (Salimans et al. 2016, 1606.03498); `flip` is
    the probability that an example gets the target of the other kind.
    """

    real: tuple[float, float] = (1.0, 1.0)
    fake: tuple[float, float] = (0.0, 0.0)
    flip: float = 0.0

    @property
    def plain(self) -> bool:
        """Return whether these are the loss's own targets."""
        return self == HARD

    def draw(self, keys: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return targets of real and of fake examples, [b] each."""

        def one(key):
            u = jax.random.uniform(key, (4,))
            real = self.real[0] + (self.real[1] - self.real[0]) * u[0]
            fake = self.fake[0] + (self.fake[1] - self.fake[0]) * u[1]
            return jnp.where(u[2] < self.flip, fake, real), jnp.where(u[3] < self.flip, real, fake)

        return jax.vmap(one)(keys)


HARD = Targets()


def separate(module: nn.Module, net: Any, real: Any, fake: Any, keys: jax.Array) -> Any:
    """Run the discriminator on real and fake in two passes, each with its own batch statistics."""
    real_logits, net = apply(module, net, *real, keys=rng.split_each(keys, 'real'))
    fake_logits, net = apply(module, net, *fake, keys=rng.split_each(keys, 'fake'))
    return real_logits, fake_logits, net


def mixed(module: nn.Module, net: Any, real: Any, fake: Any, keys: jax.Array) -> Any:
    """Run the discriminator on real and fake in one batch with common batch statistics."""
    both = jax.tree.map(lambda r, f: jnp.concatenate([r, f]), real, fake)
    twice = jnp.concatenate([rng.split_each(keys, 'real'), rng.split_each(keys, 'fake')])
    logits, net = apply(module, net, *both, keys=twice)
    real_logits, fake_logits = jnp.split(logits, 2)
    return real_logits, fake_logits, net


class Judge(NamedTuple):
    """Hold how the discriminator is run on a batch, and the weight of its loss."""

    run: Callable[..., Any]
    weight: float


# The mean over one batch of both kinds is half the sum of the means over each.
JUDGES = {'separate': Judge(separate, 1.0), 'mixed': Judge(mixed, 0.5)}


def penalty_at(
    penalty: Penalty,
    module: nn.Module,
    net: Net,
    reals: tuple[jax.Array, Any],
    fakes: tuple[jax.Array, Any],
    keys: jax.Array,
    step: jax.Array,
) -> tuple[jax.Array, Metrics]:
    """Return a penalty's share of the loss at a step, and its mean; zero where it is not due.

    A penalty applied each n-th step weighs n times as much (Karras et al. 2020, 1912.04958).
    """
    (real, real_label), (fake, fake_label) = reals, fakes
    label = fake_label if penalty.on_fake else real_label

    def d_fn(images):
        return apply(module, net, images, label, keys=rng.split_each(keys, 'real'))[0]

    def due():
        values = penalty.fn(d_fn, real, fake, rng.split_each(keys, penalty.name))
        return penalty.weight * penalty.every * values.mean(), {penalty.name: Mean.of(values)}

    def skipped():
        return jnp.float32(0), {penalty.name: Mean(jnp.float32(0), jnp.float32(0))}

    if penalty.every == 1:
        return due()
    return jax.lax.cond(step % penalty.every == 0, due, skipped)
