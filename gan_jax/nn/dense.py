"""The fully connected layer, in the dtype of its input."""

import flax.linen as nn
import jax

from gan_jax.nn import init
from gan_jax.nn.conv import Initializer
from gan_jax.nn.reparametrise import Reparametrisation, plain


class Dense(nn.Module):
    """Map [B, in] to [B, features] by a kernel [in, out] and a bias.

    reparametrise: what the kernel is computed from, see `nn.reparametrise`.
    """

    features: int
    use_bias: bool = True
    kernel_init: Initializer = init.normal().kernel
    reparametrise: Reparametrisation = plain

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.param('kernel', self.kernel_init, (x.shape[-1], self.features))
        y = x @ self.reparametrise(self, 'kernel', kernel).astype(x.dtype)
        if self.use_bias:
            bias = self.param('bias', nn.initializers.zeros, (self.features,))
            y = y + bias.astype(x.dtype)[None]
        return y
