"""What the networks of StyleGAN2 have in common: channels of a stage, and of what type."""

from gan_jax.core import keys
from gan_jax.core.keys import field
from gan_jax.errors import choose
from gan_jax.nn.mapping import LAYERS
from gan_jax.nn.stages import Staged

ARCHITECTURES = ('plain', 'skip', 'residual')


class Styled(Staged):
    """The options of both networks."""

    FAMILY = 'a StyleGAN2'

    width: int = field(keys.count(512, 'Most channels of a stage.'))
    base: int = field(
        keys.count(32768, 'The stage of 4, 8, ... pixels has base / 4, base / 8, ..., channels.')
    )
    architecture: str = field(
        keys.choice('skip', ARCHITECTURES, 'How images of all resolutions are connected.')
    )
    layers: int = field(LAYERS)
    clamp: float = field(
        keys.number(256.0, 'Bound of the activations of convolutions; 0: none.', low=0)
    )
    half: int = field(
        keys.count(
            4,
            'Stages, from the largest image back, that compute in the precision of the config, '
            'while the others do in float32.',
            low=0,
        )
    )

    def channels(self) -> tuple[int, ...]:
        """Return the channels of each stage."""
        stages = range(self.doublings() + 1)
        return tuple(max(1, min(self.width, self.base // (4 * 2**i))) for i in stages)

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape`."""
        super().check()
        choose(dict.fromkeys(ARCHITECTURES), self.architecture, 'architecture')

    def dtypes(self) -> tuple[str, ...]:
        """Return the type that each stage computes in; of the first one it is float32."""
        n = self.doublings()
        return tuple(
            self.compute_dtype if i > max(0, n - self.half) else 'float32' for i in range(n + 1)
        )
