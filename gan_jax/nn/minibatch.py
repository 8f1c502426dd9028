"""What a discriminator can tell from several examples at once."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core import keys
from gan_jax.core.keys import field
from gan_jax.errors import UserError
from gan_jax.nn.network import Base


class MinibatchStddev(nn.Module):
    """Append to x [B, H, W, C] the standard deviation over groups of consecutive examples.

    One channel, the same for all pixels and examples of a group: the mean over pixels and channels
    (Karras et al. 2018, arXiv:1710.10196). unbiased: whether the variance is divided by group - 1.
    Groups never reach beyond B, which is what one device has of a batch, or a piece of it.

    Raises:
      UserError: groups do not divide B.
    """

    group: int = 4
    unbiased: bool = False
    eps: float = 1e-8

    def __call__(self, x: jax.Array) -> jax.Array:
        b, h, w, c = x.shape
        if b % self.group:
            raise UserError(
                f'groups of {self.group} examples do not divide the {b} that one device sees at '
                'once (batch_size / devices / accumulate)'
            )
        groups = x.astype(jnp.float32).reshape(-1, self.group, h, w, c)
        variance = jnp.var(groups, axis=1, ddof=int(self.unbiased))
        deviation = jnp.sqrt(variance + self.eps).mean((1, 2, 3))
        channel = jnp.repeat(deviation, self.group).reshape(b, 1, 1, 1)
        channel = jnp.broadcast_to(channel, (b, h, w, 1))
        return jnp.concatenate([x, channel.astype(x.dtype)], axis=-1)


class SeesGroups(Base):
    """A discriminator whose last part sees the deviation over groups of consecutive examples."""

    stddev_group: int = field(
        keys.count(
            4, 'Examples whose deviation the last part sees (arXiv:1710.10196); 0: none.', low=0
        )
    )

    def group(self) -> int:
        """Return the number of consecutive examples that are seen together."""
        return max(1, self.stddev_group)

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape`."""
        if self.stddev_group == 1:
            raise UserError('stddev_group=1 has no deviation; allowed: 0, or 2 and more')
        super().check()

    def with_deviation(self, x: jax.Array) -> jax.Array:
        """Append to x [B, H, W, C] the deviation of its groups, where it sees any."""
        return MinibatchStddev(self.stddev_group, name='stddev')(x) if self.stddev_group else x
