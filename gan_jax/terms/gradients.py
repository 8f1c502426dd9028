"""What gradient penalties share: gradients of the discriminator at images, example by example."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from gan_jax.core import keys as declare
from gan_jax.core import rng
from gan_jax.core.game import Play, Verdict, View
from gan_jax.core.state import Mean, Metrics
from gan_jax.terms.protocol import Weighted

# Images [B, ...] -> logits [B], or [B, h, w] of patches, which are summed.
Critic = Callable[[jax.Array], jax.Array]


@dataclass(frozen=True)
class GradientPenalty(Weighted):
    """Penalise the discriminator's gradient at some images.

    Of a pair the gradient is that of the image, not of the source that it is judged beside: the
    papers' are of x alone, under a condition as well (the label, in their experiments), for the
    condition is none of what the players move.

    on_fake: whether the images are generated ones, which have labels of their own.
    """

    per_example = True
    on_fake: ClassVar[bool] = False

    def penalty(
        self, critic: Critic, real: jax.Array, fake: jax.Array, keys: jax.Array
    ) -> jax.Array:
        """Return the penalty of every example, [B]; `keys` are one per example."""
        raise NotImplementedError

    def loss(
        self, play: Play, view: View, real: Verdict, fake: Verdict
    ) -> tuple[jax.Array, Metrics]:
        """Return the penalties at the images that the discriminator saw."""
        label = play.fake_label if self.on_fake else play.real_label
        keys = rng.split_each(play.keys, self.name)

        def critic(x):
            return view.d(held(x, play.given), label).logits

        found = self.penalty(critic, play.real, play.fake, keys)
        return found, {self.name: Mean.of(found)}


@dataclass(frozen=True)
class FiniteDifference(Weighted):
    """Penalise half the discriminator's squared slope in a random direction at some images.

    on_fake: as of `GradientPenalty`.
    """

    per_example = True
    on_fake: ClassVar[bool] = False

    sigma: float = declare.field(
        declare.number(0.01, "Size of the step, in the images' range.", above=0)
    )

    def loss(
        self, play: Play, view: View, real: Verdict, fake: Verdict
    ) -> tuple[jax.Array, Metrics]:
        """Return the penalty of every example, [B]; dropout is that of the pass it compares."""
        images, label, seen, draws = play.real, play.real_label, real, 'real'
        if self.on_fake:
            images, label, seen, draws = play.fake, play.fake_label, fake, 'fake'
        keys = rng.split_each(play.keys, self.name)
        images = jax.lax.stop_gradient(images)
        given, made = images[..., : play.given], images[..., play.given :]
        moved = made + self.sigma * rng.normal_each(keys, made.shape[1:])
        moved = jnp.concatenate([given, moved], axis=-1)
        rise = view.d(moved, label, draws).logits - seen.logits
        rise = rise.reshape(len(rise), -1).sum(axis=1)
        found = 0.5 * jnp.square(rise / self.sigma)
        return found, {self.name: Mean.of(found)}


def held(images: jax.Array, given: int) -> jax.Array:
    """Return images whose first channels, those given, get no gradient."""
    if not given:
        return images
    condition = jax.lax.stop_gradient(images[..., :given])
    return jnp.concatenate([condition, images[..., given:]], axis=-1)


def squared_gradient(critic: Critic, images: jax.Array) -> jax.Array:
    """Return |dD/dx|^2 of every example, over all its axes, as [B]; images get no gradient."""
    gradient = jax.grad(lambda x: critic(x).sum())(jax.lax.stop_gradient(images))
    return jnp.square(gradient).reshape(len(images), -1).sum(axis=1)


def gradient_norm(critic: Critic, images: jax.Array) -> jax.Array:
    """Return |dD/dx| of every example, [B], with a zero derivative where the gradient is zero."""
    return root(squared_gradient(critic, images))


def root(x: jax.Array) -> jax.Array:
    """Return sqrt(x) of x >= 0, with a zero derivative at 0."""
    positive = x > 0
    # Two selections: the derivative of sqrt at 0 is infinite, and infinity times 0 is not 0.
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


def interpolate(real: jax.Array, fake: jax.Array, keys: jax.Array) -> jax.Array:
    """Return a x + (1 - a) y of real x and generated y, with one a ~ U(0, 1) per example."""
    alpha = jax.vmap(lambda key: jax.random.uniform(key, (), real.dtype))(keys)
    alpha = alpha.reshape((-1,) + (1,) * (real.ndim - 1))
    return alpha * real + (1.0 - alpha) * fake
