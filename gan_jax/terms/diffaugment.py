"""DiffAugment: both players see augmented images (arXiv:2006.10738); for little data."""

from dataclasses import dataclass
from typing import Any

import jax

from gan_jax.augment import diffaugment
from gan_jax.core import keys, rng
from gan_jax.core.state import TrainState
from gan_jax.errors import UserError
from gan_jax.terms.augmenting import Augmenting


@dataclass(frozen=True)
class Term(Augmenting):
    """Augment every real and generated image anew, in a way that gradients pass through.

    Penalties see augmented images too: R1 is of the gradient at them.
    """

    policy: tuple[str, ...] = keys.field(
        keys.names(
            tuple(diffaugment.AUGMENTATIONS),
            'What is augmented, in this order.',
            choices=tuple(diffaugment.AUGMENTATIONS),
        )
    )

    def check(self, game: Any) -> None:
        """Refuse examples that are not images, and a policy of nothing.

        Raises:
          UserError: names the shape, or the policy and what it may hold.
        """
        super().check(game)
        if not self.policy:
            allowed = ', '.join(diffaugment.AUGMENTATIONS)
            raise UserError(f'terms.{self.name}.policy=() is not allowed: take some of {allowed}')

    def augment(self, images: jax.Array, keys: jax.Array, state: TrainState) -> jax.Array:
        """Return images [B, H, W, C] augmented by per-example keys [B]."""
        del state

        def one(image: jax.Array, key: jax.Array) -> jax.Array:
            for name in self.policy:
                draw, apply = diffaugment.AUGMENTATIONS[name]
                # XLA would repeat the generator in everything that reads a number of it.
                drawn = jax.lax.optimization_barrier(draw(rng.fold(key, name), image.shape))
                image = apply(image, *drawn)
            return image

        return jax.vmap(one)(images, keys)
