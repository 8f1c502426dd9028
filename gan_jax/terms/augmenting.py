"""What terms that augment images share: both players see images with draws of their own."""

from dataclasses import dataclass
from typing import Any

import jax

from gan_jax.augment import images_only
from gan_jax.core import rng
from gan_jax.core.game import Play
from gan_jax.core.state import TrainState
from gan_jax.terms.protocol import Term


@dataclass(frozen=True)
class Augmenting(Term):
    """Augment every real and generated image anew."""

    def augment(self, images: jax.Array, keys: jax.Array, state: TrainState) -> jax.Array:
        """Return images [B, H, W, C] augmented by per-example keys [B], as a state asks for."""
        raise NotImplementedError

    def check(self, game: Any) -> None:
        """Refuse examples that are not images.

        Raises:
          UserError: names the shape.
        """
        super().check(game)
        images_only(self.name, game.shape)

    def see(self, play: Play) -> Play:
        """Return the images with augmentations of their own."""
        real, fake = (
            self.augment(images, rng.split_each(play.keys, f'{self.name} {kind}'), play.state)
            for kind, images in (('real', play.real), ('fake', play.fake))
        )
        return play._replace(real=real, fake=fake)
