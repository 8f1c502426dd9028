"""What a discriminator can tell from several examples at once."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.errors import UserError


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
