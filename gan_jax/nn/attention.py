"""Self-attention between the places of an image."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.nn import init
from gan_jax.nn.conv import Conv, Initializer
from gan_jax.nn.reparametrise import Reparametrisation, plain
from gan_jax.nn.resample import maxpool


class SelfAttention(nn.Module):
    """Add to each pixel of x [B, H, W, C] what it takes from others, by a scale that starts at 0.

    Zhang et al. 2018 (arXiv:1805.08318): queries of each pixel and keys of 2x2 pooled ones have
    C / 8 channels, values C / 2; pooling drops an odd row or column. C is at least 8.
    """

    kernel_init: Initializer = init.normal().kernel
    reparametrise: Reparametrisation = plain

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        b, h, w, c = x.shape
        queries = self.conv(c // 8, 'query')(x).reshape(b, h * w, -1)
        keys = maxpool(self.conv(c // 8, 'key')(x), 2).reshape(b, -1, c // 8)
        values = maxpool(self.conv(c // 2, 'value')(x), 2).reshape(b, -1, c // 2)
        scores = jnp.einsum('bqc,bkc->bqk', queries, keys).astype(jnp.float32)
        shares = jax.nn.softmax(scores).astype(x.dtype)
        taken = jnp.einsum('bqk,bkc->bqc', shares, values).reshape(b, h, w, -1)
        scale = self.param('scale', nn.initializers.zeros, ())
        return x + scale.astype(x.dtype) * self.conv(c, 'out')(taken)

    def conv(self, features: int, name: str) -> Conv:
        """Return a convolution of single pixels without a bias."""
        return Conv(
            features,
            1,
            use_bias=False,
            kernel_init=self.kernel_init,
            reparametrise=self.reparametrise,
            name=name,
        )
