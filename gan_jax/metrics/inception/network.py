"""The Inception network of 2015-12-05 in Flax, as FID, KID and Inception Score are defined on it.

Szegedy et al., Rethinking the Inception Architecture (2015), arXiv:1512.00567, in the variant of
the published TensorFlow graph: average pools that leave the padding out of the mean, a max pool in
the last block, 1008 logits. Batch norm is folded into the convolutions when weights are read.

Two rewritings keep the result and save work. A block's 1x1 convolutions of the same input run as
one; and an average pool followed by a 1x1 convolution runs in the other order, on fewer channels,
since both are linear and the pool of a constant is the constant.
"""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_jax.nn.conv import conv2d

SIZE = 299
TAPS = {'64': 64, '192': 192, '768': 768, '2048': 2048, 'logits': 1008, 'logits_unbiased': 1008}
# the tap of a network that ends at the 17x17 grid, and all taps that come before it
EARLY = ('64', '192', '768')


class Weights(nn.Module):
    """Hold one convolution's folded kernel (HWIO) and bias, under the layer's published name."""

    @nn.compact
    def __call__(self, *shape: int) -> tuple[jax.Array, jax.Array]:
        kernel = self.param('kernel', nn.initializers.he_normal(), shape)
        return kernel, self.param('bias', nn.initializers.zeros, shape[-1:])


def convolve(x: jax.Array, kernel: jax.Array, stride: int, padding: str) -> jax.Array:
    """Convolve [B, H, W, C] with [h, w, C, O] in full float32, on accelerators too."""
    if kernel.shape[:2] == (1, 1):
        return jnp.einsum('bhwc,cd->bhwd', x, kernel[0, 0], precision=lax.Precision.HIGHEST)
    with jax.default_matmul_precision('highest'):
        return conv2d(x, kernel, stride, padding)


def relu(x: jax.Array, bias: jax.Array) -> jax.Array:
    return jnp.maximum(x + bias.reshape(1, 1, 1, -1), 0)


def window(x: jax.Array, combine: Callable, stride: int) -> jax.Array:
    """Combine 3x3 neighbourhoods, rows first: XLA vectorises this on CPU, unlike a window."""
    for axis in (1, 2):
        stop = (x.shape[axis] - 3) // stride * stride + 1
        parts = [lax.slice_in_dim(x, i, i + stop, stride, axis) for i in range(3)]
        x = combine(combine(parts[0], parts[1]), parts[2])
    return x


def average(x: jax.Array) -> jax.Array:
    """Average over 3x3 neighbourhoods, leaving the padding out of the mean."""
    rows, columns = (np.r_[2, np.full(n - 2, 3), 2].astype(np.float32) for n in x.shape[1:3])
    total = window(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), jnp.add, 1)
    return total / np.outer(rows, columns)[None, :, :, None]


def maximum(x: jax.Array, stride: int = 2) -> jax.Array:
    """Take the maximum over 3x3 neighbourhoods; zeros may pad it, since the input is a ReLU's."""
    if stride == 1:
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return window(x, jnp.maximum, stride)


class Conv(nn.Module):
    """Convolve, add the folded bias, ReLU."""

    features: int
    kernel: tuple[int, int] = (3, 3)
    stride: int = 1
    padding: str = 'SAME'

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel, bias = Weights(name='conv')(*self.kernel, x.shape[-1], self.features)
        return relu(convolve(x, kernel, self.stride, self.padding), bias)


class Block(nn.Module):
    """Share what the mixed blocks have in common."""

    def heads(
        self, x: jax.Array, names: dict[str, int], pooled: str | None = None
    ) -> list[jax.Array]:
        """Apply the 1x1 convolutions `names` of one input as a single one; average `pooled`'s."""
        pairs = [Weights(name=name)(1, 1, x.shape[-1], n) for name, n in names.items()]
        y = convolve(x, jnp.concatenate([kernel for kernel, _ in pairs], axis=-1), 1, 'VALID')
        edges = [sum(list(names.values())[:i]) for i in range(1, len(names))]
        parts = dict(zip(names, jnp.split(y, edges, axis=-1), strict=True))
        if pooled:
            parts[pooled] = average(parts[pooled])
        return [relu(parts[name], bias) for name, (_, bias) in zip(names, pairs, strict=True)]

    def conv(self, x: jax.Array, name: str, features: int, kernel=(3, 3), stride=1) -> jax.Array:
        weights, bias = Weights(name=name)(*kernel, x.shape[-1], features)
        return relu(convolve(x, weights, stride, 'SAME' if stride == 1 else 'VALID'), bias)


class BlockA(Block):
    """35x35: 1x1, 5x5, two 3x3, average pool."""

    pool: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        sizes = {'branch1x1': 64, 'branch5x5_1': 48, 'branch3x3dbl_1': 64, 'branch_pool': self.pool}
        one, five, three, pool = self.heads(x, sizes, 'branch_pool')
        five = self.conv(five, 'branch5x5_2', 64, (5, 5))
        three = self.conv(three, 'branch3x3dbl_2', 96)
        three = self.conv(three, 'branch3x3dbl_3', 96)
        return jnp.concatenate([one, five, three, pool], axis=-1)


class BlockB(Block):
    """From 35x35 to 17x17."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        (double,) = self.heads(x, {'branch3x3dbl_1': 64})
        double = self.conv(double, 'branch3x3dbl_2', 96)
        double = self.conv(double, 'branch3x3dbl_3', 96, stride=2)
        three = self.conv(x, 'branch3x3', 384, stride=2)
        return jnp.concatenate([three, double, maximum(x)], axis=-1)


class BlockC(Block):
    """17x17: 1x1, factorised 7x7, factorised 7x7 twice, average pool."""

    width: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        c = self.width
        sizes = {'branch1x1': 192, 'branch7x7_1': c, 'branch7x7dbl_1': c, 'branch_pool': 192}
        one, seven, double, pool = self.heads(x, sizes, 'branch_pool')
        seven = self.conv(seven, 'branch7x7_2', c, (1, 7))
        seven = self.conv(seven, 'branch7x7_3', 192, (7, 1))
        for i, n in enumerate((c, c, c, 192)):
            double = self.conv(double, f'branch7x7dbl_{i + 2}', n, ((7, 1), (1, 7))[i % 2])
        return jnp.concatenate([one, seven, double, pool], axis=-1)


class BlockD(Block):
    """From 17x17 to 8x8."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        three, seven = self.heads(x, {'branch3x3_1': 192, 'branch7x7x3_1': 192})
        three = self.conv(three, 'branch3x3_2', 320, stride=2)
        seven = self.conv(seven, 'branch7x7x3_2', 192, (1, 7))
        seven = self.conv(seven, 'branch7x7x3_3', 192, (7, 1))
        seven = self.conv(seven, 'branch7x7x3_4', 192, stride=2)
        return jnp.concatenate([three, seven, maximum(x)], axis=-1)


class BlockE(Block):
    """8x8: 1x1, 3x3 split in two, 3x3 and 3x3 split in two, and a pool: average or maximum."""

    pool: str

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        sizes = {'branch1x1': 320, 'branch3x3_1': 384, 'branch3x3dbl_1': 448}
        if self.pool == 'average':
            one, three, double, pool = self.heads(x, sizes | {'branch_pool': 192}, 'branch_pool')
        else:
            one, three, double = self.heads(x, sizes)
            (pool,) = self.heads(maximum(x, stride=1), {'branch_pool': 192})
        double = self.conv(double, 'branch3x3dbl_2', 384)
        parts = [one, *self.split(three, 'branch3x3_2'), *self.split(double, 'branch3x3dbl_3')]
        return jnp.concatenate([*parts, pool], axis=-1)

    def split(self, x: jax.Array, name: str) -> list[jax.Array]:
        return [self.conv(x, f'{name}a', 384, (1, 3)), self.conv(x, f'{name}b', 384, (3, 1))]


class Inception(nn.Module):
    """Compute the taps of the FID network from images that are already resized and scaled.

    `__call__(x, taps)`: x float32 [B, 299, 299, 3], about -1..1; returns {tap: array}. Taps '64',
    '192' and '768' are maps [B, h, w, C] ('FID-768' averages the last over h and w); '2048' is the
    pooled feature [B, 2048]; 'logits' [B, 1008]; 'logits_unbiased' leaves the last bias out, as
    the Inception Score does.
    """

    @nn.compact
    def __call__(self, x: jax.Array, taps: Sequence[str] = ('2048',)) -> dict[str, jax.Array]:
        out = {}
        x = Conv(32, stride=2, padding='VALID', name='Conv2d_1a_3x3')(x)
        x = Conv(32, padding='VALID', name='Conv2d_2a_3x3')(x)
        out['64'] = x = maximum(Conv(64, name='Conv2d_2b_3x3')(x))
        x = Conv(80, (1, 1), name='Conv2d_3b_1x1')(x)
        x = Conv(192, padding='VALID', name='Conv2d_4a_3x3')(x)
        out['192'] = x = maximum(x)
        for letter, pool in zip('bcd', (32, 64, 64), strict=True):
            x = BlockA(pool, name=f'Mixed_5{letter}')(x)
        x = BlockB(name='Mixed_6a')(x)
        for letter, width in zip('bcde', (128, 160, 160, 192), strict=True):
            x = BlockC(width, name=f'Mixed_6{letter}')(x)
        out['768'] = x
        if set(taps) <= set(EARLY):
            return {tap: out[tap] for tap in taps}
        x = BlockD(name='Mixed_7a')(x)
        x = BlockE('average', name='Mixed_7b')(x)
        x = BlockE('maximum', name='Mixed_7c')(x)
        out['2048'] = x = x.mean((1, 2))
        kernel, bias = Weights(name='fc')(2048, 1008)
        unbiased = jnp.dot(x, kernel, precision=lax.Precision.HIGHEST)
        out |= {'logits_unbiased': unbiased, 'logits': unbiased + bias[None]}
        return {tap: out[tap] for tap in taps}
