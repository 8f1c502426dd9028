"""How a discriminator is run on real and generated examples, and what it is told of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core import losses, rng
from gan_jax.core.game import Play, Verdict, verdict
from gan_jax.core.losses import Adversarial
from gan_jax.core.state import Net, apply
from gan_jax.errors import UserError

Verdicts = tuple[Verdict, Verdict, Net]


@dataclass(frozen=True)
class Targets:
    """Say what the discriminator is told: ranges of soft targets, and the share of wrong ones.

    A range (low, high) is drawn from per example (Salimans et al. 2016, arXiv:1606.03498); `flip`
    is the probability that an example gets the target of the other kind.
    """

    real: tuple[float, float] = (1.0, 1.0)
    fake: tuple[float, float] = (0.0, 0.0)
    flip: float = 0.0

    def draw(self, keys: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return targets of real and of fake examples, [b] each."""

        def one(key):
            u = jax.random.uniform(key, (4,))
            real = self.real[0] + (self.real[1] - self.real[0]) * u[0]
            fake = self.fake[0] + (self.fake[1] - self.fake[0]) * u[1]
            return jnp.where(u[2] < self.flip, fake, real), jnp.where(u[3] < self.flip, real, fake)

        return jax.vmap(one)(keys)

    def loss(
        self, adversarial: Adversarial, real: jax.Array, fake: jax.Array, keys: jax.Array
    ) -> jax.Array:
        """Return the discriminator's loss, with these targets where they are not the loss's own."""
        if self == HARD or adversarial.toward is None:
            return adversarial.d(real, fake)
        real_target, fake_target = self.draw(rng.split_each(keys, 'targets'))
        return adversarial.toward(real, real_target) + adversarial.toward(fake, fake_target)


HARD = Targets()


def two_batches(module: nn.Module, net: Net, play: Play) -> Verdicts:
    """Run the discriminator on real and on fake, each with batch statistics of its own."""
    keys = (rng.split_each(play.keys, 'real'), rng.split_each(play.keys, 'fake'))
    real, net = apply(module, net, play.real, play.real_label, keys=keys[0])
    fake, net = apply(module, net, play.fake, play.fake_label, keys=keys[1])
    return verdict(real), verdict(fake), net


def one_batch(module: nn.Module, net: Net, play: Play) -> Verdicts:
    """Run the discriminator on real and fake in one batch with common batch statistics."""
    pairs = (play.real, play.real_label), (play.fake, play.fake_label)
    both = jax.tree.map(lambda r, f: jnp.concatenate([r, f]), *pairs)
    keys = [rng.split_each(play.keys, kind) for kind in ('real', 'fake')]
    output, net = apply(module, net, *both, keys=jnp.concatenate(keys))
    leaves, tree = jax.tree.flatten(verdict(output))
    halves = [jnp.split(leaf, 2) for leaf in leaves]
    real, fake = (jax.tree.unflatten(tree, [h[i] for h in halves]) for i in (0, 1))
    return real, fake, net


class Passes(NamedTuple):
    """Hold how the discriminator is run on a batch, and the weight of its loss."""

    run: Callable[[nn.Module, Net, Play], Verdicts]
    weight: float


# The mean over one batch of both kinds is half the sum of the means over each.
PASSES = {'two_batches': Passes(two_batches, 1.0), 'one_batch': Passes(one_batch, 0.5)}


def check_loss(loss: Any, accumulate: int) -> None:
    """Refuse soft targets where there are none, and what needs a batch or its fakes as they are.

    loss: config.loss; accumulate: pieces that a batch is walked in.

    Raises:
      UserError: names the key, and what is allowed.
    """
    hard = tuple(loss.real) == (1, 1) and tuple(loss.fake) == (0, 0) and not loss.flip
    able = [name for name in losses.names() if losses.make(name).toward is not None]
    if not hard and loss.name not in able:
        raise UserError(
            f"loss.name='{loss.name}' is not allowed where loss.real, loss.fake or loss.flip is "
            f'set; available: {", ".join(able)}'
        )
    if loss.reuse_z and loss.g_batch > 1:
        raise UserError(
            f'loss.g_batch={loss.g_batch} is not allowed with loss.reuse_z: the discriminator has '
            'seen one fake for each real image; available: 1'
        )
    if losses.make(loss.name).over_batch and accumulate > 1:
        raise UserError(
            f"accumulate={accumulate} is not allowed with loss.name='{loss.name}', whose "
            'means are over the whole batch; available: 1'
        )
