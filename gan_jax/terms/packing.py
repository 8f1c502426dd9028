"""PacGAN: D sees several images at once, and so that they are alike (arXiv:1712.04086)."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.core import keys
from gan_jax.core.game import Play
from gan_jax.errors import UserError
from gan_jax.terms.protocol import Term as Base


@dataclass(frozen=True)
class Term(Base):
    """Show D every `size` consecutive images as the channels of one (Lin et al. 2018)."""

    size: int = keys.field(keys.count(2, 'Images that become one.', low=2))

    @property
    def group(self) -> int:
        """Return how many consecutive examples become one."""
        return self.size

    def check(self, game: Any) -> None:
        """Refuse networks that are told labels, which packed images have several of."""
        super().check(game)
        if game.classes:
            raise UserError(
                f'model.classes={game.classes} is not allowed with terms.{self.name}: packed '
                'images have several labels; available: 0'
            )

    def see(self, play: Play) -> Play:
        """Return the packed images, each with the keys of its first."""
        real, fake = (pack(images, self.size) for images in (play.real, play.fake))
        return play._replace(real=real, fake=fake, keys=play.keys[:: self.size])


def pack(images: jax.Array, size: int) -> jax.Array:
    """Return images [B, ..., C] as [B / size, ..., size * C], those in a row together."""
    groups = images.reshape(-1, size, *images.shape[1:])
    return jnp.concatenate([groups[:, i] for i in range(size)], axis=-1)
