"""StyleGAN2's networks (Karras et al. 2020, arXiv:1912.04958), from the papers.

The generator maps z to w, of which each layer of its synthesis makes the styles that scale the
channels it convolves; `nn.mapping` and `nn.synthesis` are its halves. A share of the images of
training has two w, one for the first layers and one for the others (style mixing). A running mean
of w, kept beside the parameters, is what psi < 1 pulls w to (truncation, arXiv:1812.04948). The
discriminator halves the image by filtered convolutions, and sees the standard deviation over groups
of images. With classes both map the label, too, and the logit is a product with what the
discriminator has made of it (arXiv:1802.05637, 2006.06676).

All weights are N(0, 1) and scaled at run time (arXiv:1710.10196).
"""

import math
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core import keys as declare
from gan_jax.core import rng
from gan_jax.core.game import Verdict
from gan_jax.core.keys import field
from gan_jax.errors import choose
from gan_jax.nn import init, resample
from gan_jax.nn.activations import scaled_leaky_relu
from gan_jax.nn.conv import Conv
from gan_jax.nn.dense import Dense
from gan_jax.nn.mapping import Mapping, mixed, truncate
from gan_jax.nn.minibatch import SeesGroups
from gan_jax.nn.noise import MODES
from gan_jax.nn.styled import Styled
from gan_jax.nn.synthesis import Synthesis
from gan_jax.runtime import parallel


class Generator(Styled):
    """Map z [B, z_dim] to images [B, H, W, C], of a label [B] where there are classes."""

    HAS_W: ClassVar[bool] = True

    z_dim: int = field(declare.count(512, 'Length of the latent vector z.'))
    w_dim: int = field(declare.count(512, 'Length of w.'))
    mixing: float = field(declare.probability(0.9, 'Share of images with styles of two w.'))
    w_decay: float = field(
        declare.number(0.995, 'Share of the mean w that stays at each update.', low=0, high=1)
    )

    def setup(self) -> None:
        """Make both halves, and the mean of w."""
        self.mapping = Mapping(self.w_dim, self.layers, self.num_classes)
        self.synthesis = Synthesis(
            self.smallest(),
            self.shape[2],
            self.channels(),
            self.architecture,
            self.clamp,
            self.dtypes(),
        )
        self.mean = self.variable('w_avg', 'mean', jnp.zeros, (self.w_dim,))

    def options(self) -> dict[str, Any]:
        """Return how sampling can change an image: see `styles` and `synthesize`."""
        return {'psi': 1.0, 'cutoff': None, 'noise': 'const'}

    def __call__(
        self,
        z: jax.Array,
        label: jax.Array | None = None,
        *,
        train: bool,
        keys: jax.Array | None = None,
        psi: float = 1.0,
        cutoff: int | None = None,
        noise: str = '',
    ) -> jax.Array:
        """Return images; for psi and cutoff see `styles`, for noise `synthesize`."""
        ws = self.styles(z, label, train=train, keys=keys, psi=psi, cutoff=cutoff)
        return self.synthesize(ws, train=train, keys=keys, noise=noise)

    def styles(
        self,
        z: jax.Array,
        label: jax.Array | None = None,
        *,
        train: bool,
        keys: jax.Array | None = None,
        psi: float = 1.0,
        cutoff: int | None = None,
    ) -> jax.Array:
        """Return w of each layer [B, layers, w_dim]; for psi and cutoff see `mapping.truncate`.

        In training the mean of w moves; with per-example keys styles are mixed.
        """
        w = self.mapping(z, label)
        ws = jnp.broadcast_to(w[:, None], (len(w), 2 * len(self.channels()), self.w_dim))
        if train:
            self.track(w)
        if train and keys is not None and self.mixing:
            others = self.mapping(self.drawn_anew(z, rng.split_each(keys, 'mixing z')), label)
            ws = mixed(ws, others, self.mixing, rng.split_each(keys, 'mixing'))
        return truncate(ws, self.mean.value, psi, cutoff)

    def drawn_anew(self, z: jax.Array, keys: jax.Array) -> jax.Array:
        """Return normal latents in place of z, which keep what terms have appended to it."""
        fresh = rng.normal_each(keys, (self.z_dim,), z.dtype)
        return jnp.concatenate([fresh, z[:, self.z_dim :]], axis=-1)

    def synthesize(
        self, ws: jax.Array, *, train: bool, keys: jax.Array | None = None, noise: str = ''
    ) -> jax.Array:
        """Return images of the w of each layer [B, layers, w_dim].

        noise: 'random' by per-example keys, 'const', or 'none'; '' is 'random' in training where
        there are keys, else 'const'.

        Raises:
          UserError: another noise.
        """
        noise = noise or ('random' if train and keys is not None else 'const')
        choose(dict.fromkeys(MODES), noise, 'noise')
        return self.synthesis(ws, noise, keys)

    def track(self, w: jax.Array) -> None:
        """Move the mean towards that of w [B, w_dim] over the batch of all devices."""
        if self.is_initializing() or not self.is_mutable_collection('w_avg'):
            return
        batch = parallel.pmean(jax.lax.stop_gradient(w).mean(0))
        self.mean.value = batch + self.w_decay * (self.mean.value - batch)


class Discriminator(SeesGroups, Styled):
    """Map images [B, H, W, C] to logits [B] and features, of labels [B] where there are classes."""

    architecture: str = 'residual'

    @nn.compact
    def __call__(
        self,
        images: jax.Array,
        label: jax.Array | None = None,
        *,
        train: bool,
        keys: jax.Array | None = None,
    ) -> Verdict:
        del train, keys
        x: Any = None
        for i, dtype in reversed(list(enumerate(self.dtypes()))):
            if x is None or self.architecture == 'skip':
                width, name = self.channels()[i], f'stage_{i}_image'
                seen = self.conv(images.astype(dtype), width, name, 1)
                x = seen if x is None else x.astype(dtype) + seen
            if i:
                x = self.stage(x.astype(dtype), i)
                if self.architecture == 'skip':
                    images = resample.filtered_down(images, resample.TAPS)
        x = x.astype(jnp.float32)
        x = self.with_deviation(x)
        x = self.conv(x, self.channels()[0], 'stage_0_conv')
        x = scaled_leaky_relu(
            self.dense(self.channels()[0], 'stage_0_dense')(x.reshape(len(x), -1))
        )
        return Verdict(self.logit(x, label), features=x)

    def stage(self, x: jax.Array, i: int) -> jax.Array:
        """Apply the convolutions of stage i > 0 to x [B, h, w, c], the last of which halves it."""
        after, width = self.channels()[i - 1 : i + 1]
        residual, name = self.architecture == 'residual', f'stage_{i}'
        gain = math.sqrt(0.5) if residual else 1.0
        y = self.conv(x, width, f'{name}_conv_0')
        y = self.conv(y, after, f'{name}_conv_1', layer=resample.FilteredDown, gain=gain)
        if not residual:
            return y
        options = init.equalized(gain).layer()
        shortcut = resample.FilteredDown(
            after, 1, use_bias=False, **options, name=f'{name}_shortcut'
        )
        return y + shortcut(x)

    def logit(self, features: jax.Array, label: jax.Array | None) -> jax.Array:
        """Return the logits [B] of features [B, n]."""
        if not self.num_classes:
            return self.dense(1, 'logit')(features)[:, 0]
        n = self.channels()[0]
        told = Mapping(n, self.layers, self.num_classes, name='mapping')(None, label)
        return (self.dense(n, 'logit')(features) * told).sum(-1) / math.sqrt(n)

    def conv(
        self,
        x: jax.Array,
        features: int,
        name: str,
        kernel: int = 3,
        layer: type[Conv] = Conv,
        gain: float = 1.0,
    ) -> jax.Array:
        """Convolve and activate x [B, h, w, c]."""
        made = layer(features, kernel, **init.equalized(1.0).layer(), name=name)
        return scaled_leaky_relu(made(x), gain, self.clamp)

    def dense(self, features: int, name: str) -> Dense:
        """Return a fully connected layer."""
        return Dense(features, **init.equalized(1.0).layer(), name=name)
