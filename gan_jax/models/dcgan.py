"""Convolutional networks from a handful of tuples, after arXiv:1511.06434 (Radford et al. 2016).

A generator is a fully connected stem that makes the smallest image, then layers that enlarge it; a
discriminator is layers that shrink an image, then fully connected ones. Each layer takes its width,
stride, kernel and padding from tuples of the config (or one value for all), so that the networks
of many papers and courses are instances. A transposed convolution of a 1x1 image, which some use
as the stem, and a convolution as large as its input, as the last layer, are the same matrix
products as the fully connected layers here.
"""

import math
from typing import NamedTuple

import flax.linen as nn
import jax

from gan_jax import errors
from gan_jax.core import keys
from gan_jax.core.game import Verdict
from gan_jax.core.keys import field
from gan_jax.errors import UserError
from gan_jax.nn import activations, resample
from gan_jax.nn.conv import Conv, Padding, out_size, transposed_size
from gan_jax.nn.heads import Heads
from gan_jax.nn.network import OUT_ACT, Network, each

STEM_NORMS = {'channels': None, 'features': None}
DOWN = {'strided_conv': None, **resample.POOL}
PADDING = keys.Key(
    'SAME',
    'choice or count',
    "Padding of each layer; an int is torch's.",
    low=0,
    high=256,
    choices=('SAME', 'VALID'),
    each=True,
)


class Layer(NamedTuple):
    """What one convolution is made from."""

    features: int
    stride: int
    kernel: int
    padding: Padding


class Pyramid(Network):
    """The options of both networks: one value for all layers or a tuple of one for each."""

    widths: tuple[int, ...] = field(keys.counts((64, 128, 256, 512), 'Channels of each layer.'))
    strides: int | tuple[int, ...] = field(
        keys.count(2, 'Factor by which a layer changes the size.', high=256, each=True)
    )
    kernel: int | tuple[int, ...] = field(
        keys.count(4, 'Size of the kernels.', high=256, each=True)
    )
    padding: Padding | tuple[Padding, ...] = field(PADDING)
    hidden: tuple[int, ...] = field(
        keys.counts((), 'Fully connected layers between the vector and the convolutions.')
    )
    norm: str | tuple[str, ...] = 'batch'
    norm_skip_edges: bool = field(
        keys.flag(True, 'Do not normalise the layer that makes the image or that reads it.')
    )
    bias: bool = field(keys.flag(False, 'Biases of all layers but the last.'))
    out_bias: bool = field(keys.flag(False, 'Bias of the last layer.'))

    def depth(self) -> int:
        """Return the number of layers of `widths`."""
        return len(self.widths)

    def through_hidden(self, x: jax.Array) -> jax.Array:
        """Apply the fully connected layers of `hidden` to x [B, n]."""
        for i, units in enumerate(self.hidden):
            x = activations.get(self.act, self.slope)(self.dense(units, f'hidden_{i}')(x))
        return x

    def condition(self, x: jax.Array, label: jax.Array | None) -> jax.Array:
        """Tell the label to the input x of a network; one without labels leaves it as it is."""
        del label
        return x

    def layers(self, features: tuple[int, ...]) -> tuple[Layer, ...]:
        """Return one Layer for each number of output channels."""
        n = len(features)
        strides, kernels = each(self.strides, n, 'strides'), each(self.kernel, n, 'kernel')
        paddings: tuple[Padding, ...] = each(self.padding, n, 'padding')
        return tuple(map(Layer, features, strides, kernels, paddings))


class Generator(Pyramid):
    """Map z [B, z_dim] to images [B, H, W, C].

    widths: channels of the stem and of each layer but the last, which makes the image; strides,
    kernel and padding: of each layer after the stem. up: see `nn.resample.UP`; a layer of stride 1
    is a plain convolution in each of them. norm_stem: 'channels' normalises the stem's image,
    'features' the vector that it is made from, as examples in Keras do.
    """

    z_dim: int = field(keys.count(100, 'Length of the latent vector z.'))
    widths: tuple[int, ...] = (512, 256, 128, 64)
    up: str = field(
        keys.choice('conv_transpose', tuple(resample.UP), 'How a layer enlarges its input.')
    )
    norm_stem: str = field(
        keys.choice('channels', tuple(STEM_NORMS), "Normalise the stem's image or its vector.")
    )
    out_act: str = field(OUT_ACT)

    def stack(self) -> tuple[Layer, ...]:
        """Return the layers after the stem."""
        return self.layers((*self.widths[1:], self.shape[2]))

    def reach(self, stem: int) -> int:
        """Return the size of the image that a stem of a size leads to, along one axis."""
        size = stem
        for _, stride, kernel, padding in self.stack():
            if self.up == 'conv_transpose':
                size = transposed_size(size, kernel, stride, padding)
            else:
                size = out_size(size * stride, kernel, 1, padding)
        return size

    def stem_size(self) -> tuple[int, int]:
        """Return height and width of the stem's image; UserError where none leads to `shape`."""
        height, width = self.shape[:2]
        stems = {self.reach(n): n for n in range(1, max(height, width) + 1)}
        for size in (height, width):
            if size not in stems:
                near = ', '.join(str(s) for s in sorted(stems, key=lambda s: abs(s - size))[:3])
                raise UserError(
                    f'size {height}x{width}: a generator with strides {self.strides} cannot make '
                    f'{size}; allowed near it: {near}'
                )
        return stems[height], stems[width]

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape`."""
        super().check()
        errors.choose(resample.UP, self.up, 'up')
        errors.choose(STEM_NORMS, self.norm_stem, 'norm_stem')
        activations.get(self.out_act)
        self.stem_size()

    @nn.compact
    def __call__(
        self,
        z: jax.Array,
        label: jax.Array | None = None,
        *,
        train: bool,
        keys: jax.Array | None = None,
    ) -> jax.Array:
        x = self.stem(self.through_hidden(self.condition(z, label)), train, keys)
        *inner, last = self.stack()
        for i, layer in enumerate(inner, 1):
            x = self.enlarge(x, layer, f'layer_{i}', self.bias)
            x = self.finish(x, i, train, keys)
        x = self.enlarge(x, last, 'out', self.out_bias)
        if not self.norm_skip_edges:
            x = self.normalize(x, self.norms()[-1], 'norm_out', train)
        return activations.get(self.out_act)(x)

    def stem(self, x: jax.Array, train: bool, keys: jax.Array | None) -> jax.Array:
        """Make the smallest image from a vector [B, n]."""
        size = (*self.stem_size(), self.widths[0])
        x = self.dense(math.prod(size), 'stem', self.bias)(x)
        if self.norm_stem == 'channels':
            x = x.reshape(-1, *size)
        return self.finish(x, 0, train, keys).reshape(-1, *size)

    def enlarge(self, x: jax.Array, layer: Layer, name: str, bias: bool) -> jax.Array:
        """Apply one convolution that enlarges x [B, h, w, c] by its stride."""
        up = resample.UP[self.up]
        return up(x, **layer._asdict(), use_bias=bias, **self.weights(), name=name)


class Discriminator(Pyramid, Heads):
    """Map images [B, H, W, C] to logits [B] and what further heads make of the last features.

    widths, strides, kernel, padding: of each convolution. down: 'strided_conv', or a pooling of
    `nn.resample.POOL` after a convolution of stride 1.
    """

    down: str = field(keys.choice('strided_conv', tuple(DOWN), 'How a layer shrinks its input.'))
    act: str = 'leaky_relu'

    def norms(self) -> tuple[str, ...]:
        """Return the normalisation of each layer of `widths`."""
        first, *rest = super().norms()
        return ('none' if self.norm_skip_edges else first, *rest)

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape`."""
        super().check()
        errors.choose(DOWN, self.down, 'down')
        for size in self.shape[:2]:
            left = size
            for _, stride, kernel, padding in self.layers(self.widths):
                strided = self.down == 'strided_conv'
                left = out_size(left, kernel, stride if strided else 1, padding)
                left = left if strided else left // stride
                if left < 1:
                    raise UserError(
                        f'size {self.shape[0]}x{self.shape[1]}: too small for a discriminator '
                        f'with strides {self.strides}; allowed: larger sizes or fewer layers'
                    )

    @nn.compact
    def __call__(
        self,
        images: jax.Array,
        label: jax.Array | None = None,
        *,
        train: bool,
        keys: jax.Array | None = None,
    ) -> Verdict:
        x = self.condition(images, label)
        for i, layer in enumerate(self.layers(self.widths)):
            x = self.shrink(x, layer, i, train, keys)
        x = self.through_hidden(x.reshape(len(x), -1))
        return self.verdict(x, lambda: self.dense(1, 'logit', self.out_bias)(x)[:, 0])

    def shrink(
        self, x: jax.Array, layer: Layer, i: int, train: bool, keys: jax.Array | None
    ) -> jax.Array:
        """Apply one convolution and all that follows it to x [B, h, w, c]."""
        pool = resample.POOL.get(self.down)
        options = layer._asdict() | ({'stride': 1} if pool else {})
        x = Conv(**options, use_bias=self.bias, **self.weights(), name=f'layer_{i}')(x)
        x = self.finish(x, i, train, keys)
        return pool(x, layer.stride) if pool else x
