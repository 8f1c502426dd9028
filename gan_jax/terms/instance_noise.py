"""Instance noise: Gaussian noise on all that the discriminator sees (arXiv:1610.04490)."""

from dataclasses import dataclass

from gan_jax.core import keys, rng, values
from gan_jax.core.game import Play
from gan_jax.terms.protocol import Term as Base


@dataclass(frozen=True)
class Term(Base):
    """Add noise to real and generated images (Sonderby et al. 2017).

    It is meant to fade: sigma as a schedule, such as {'first': 0.1, 'final': 0, 'stop': '100kimg'}.
    """

    sigma: values.Value = keys.field(
        keys.value(0.1, "Standard deviation of the noise, in the images' range.", low=0, high=1000)
    )

    def see(self, play: Play) -> Play:
        """Return the examples with noise of their own."""
        sigma = values.at(self.sigma, play.state)
        keys = rng.split_each(play.keys, 'noise')
        noise = sigma * rng.normal_each(keys, (2, *play.real.shape[1:]))
        return play._replace(real=play.real + noise[:, 0], fake=play.fake + noise[:, 1])
