"""Networks that are stages of one resolution each, from an image of a few pixels on."""

from typing import ClassVar

import jax
import jax.numpy as jnp

from gan_jax.core import growth
from gan_jax.errors import UserError
from gan_jax.nn.network import Base

# Sides of the smallest image.
SMALLEST = range(4, 8)


class Staged(Base):
    """Say by `shape` how many stages there are; they are counted from the smallest image on."""

    FAMILY: ClassVar[str] = 'a network of stages'

    def doublings(self) -> int:
        """Return how often the size doubles, -1 where no image of a few pixels leads to it."""
        for n in range(max(self.shape[:2]).bit_length()):
            whole = all(s % 2**n == 0 for s in self.shape[:2])
            if whole and min(self.shape[:2]) // 2**n in SMALLEST:
                return n
        return -1

    def smallest(self) -> tuple[int, int]:
        """Return height and width of the first stage's images."""
        height, width = (s // 2 ** self.doublings() for s in self.shape[:2])
        return height, width

    def check(self) -> None:
        """Raise UserError where no stages lead to `shape`."""
        if self.doublings() < 0:
            raise UserError(
                f'size {self.shape[0]}x{self.shape[1]}: {self.FAMILY} doubles images whose shorter '
                'side is 4 to 7; allowed: 32, 64, 128 and the like, 28, 48, 80, 64x96'
            )


class Growing(Staged):
    """A network whose stages fade in, so that it can be trained at low resolutions first.

    The same module with a smaller `shape` is its first stages: it reads the parameters that have
    the same names. How far it has grown is `growth.COLLECTION`'s; from the start all the way.
    """

    def level(self) -> jax.Array:
        """Return how far it has grown, float32; once in a call."""
        last = self.doublings()
        grown = self.variable(growth.COLLECTION, 'level', lambda: jnp.float32(last))
        return jnp.asarray(grown.value)


def fade(old: jax.Array, new: jax.Array, level: jax.Array, i: int) -> jax.Array:
    """Return what the stages before stage i > 0 have made, with its share at a level of its own."""
    share = jnp.clip(level - (i - 1), 0.0, 1.0).astype(new.dtype)
    return (1 - share) * old + share * new
