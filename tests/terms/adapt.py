"""A toy: images are hidden with a probability that follows how sure the discriminator is."""

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.core import keys, rng
from gan_jax.core.state import Mean
from gan_jax.runtime import parallel
from gan_jax.terms import protocol


@dataclasses.dataclass(frozen=True)
class Term(protocol.Term):
    """Raise p where the mean of sign(D(real)) is above a target, and lower it below."""

    target: float = keys.field(keys.number(0.6, 'What the mean should be.'))
    images: int = keys.field(keys.count(1000, 'Images in which p can go from 0 to 1.'))

    def init(self, game, key):
        """Return p = 0."""
        return {'p': jnp.zeros(())}

    def see(self, play):
        """Hide real and generated images alike, each with probability p."""
        p = self.slot(play.state)['p']
        hide = jax.vmap(lambda k: jax.random.bernoulli(k, p, (2,)))(
            rng.split_each(play.keys, self.name)
        )
        hide = hide.reshape(-1, 2, 1, 1, 1)
        return play._replace(
            real=jnp.where(hide[:, 0], 0.0, play.real), fake=jnp.where(hide[:, 1], 0.0, play.fake)
        )

    def share(self, play, view, real, fake):
        """Report the signs."""
        return 0.0, {'sign': Mean.of(jnp.sign(real.logits))}

    def after(self, slot, metrics, state):
        """Move p by the images of this update."""
        sign = metrics['sign']
        step = sign.count * parallel.size() / self.images
        up = jnp.sign(sign.total / sign.count - self.target)
        return {'p': jnp.clip(slot['p'] + up * step, 0.0, 1.0)}
