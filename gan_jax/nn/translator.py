"""What generators have in common that make images of images, of any size that their layers take."""

from gan_jax.core import keys
from gan_jax.core.keys import field
from gan_jax.errors import UserError
from gan_jax.nn.network import OUT_ACT, Network


class Translator(Network):
    """Options of a generator from images [B, H, W, c] to images [B, H, W, C]; shape is (H, W, C).

    Only c depends on the data: it trains on images of `shape`, and takes others afterwards.
    """

    width: int = field(keys.count(64, 'Channels of the largest images, doubled by each halving.'))
    weight_init: str = 'normal'
    out_act: str = field(OUT_ACT)

    def multiple(self) -> int:
        """Return what height and width of its images are multiples of."""
        raise NotImplementedError

    def least(self) -> int:
        """Return the least height and width that it takes."""
        return self.multiple()

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Return the next size (H, W) that it takes; raise UserError for one that is too small."""
        if min(height, width) < self.least():
            raise UserError(
                f'size {height}x{width} is too small for this generator, which takes '
                f'{self.least()} pixels at least'
            )
        n = self.multiple()
        return -(-height // n) * n, -(-width // n) * n

    def check(self) -> None:
        """Raise UserError where it does not make images of `shape`."""
        super().check()
        height, width = self.shape[:2]
        if self.padded(height, width) != (height, width):
            raise UserError(
                f'size {height}x{width} is not allowed for this generator: height and width must '
                f'be multiples of {self.multiple()}'
            )
