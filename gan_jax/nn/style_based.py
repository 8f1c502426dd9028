"""What generators that map z to w first have in common: mixing, truncation, and the mean of w."""

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core import keys as declare
from gan_jax.core import rng
from gan_jax.core.keys import field
from gan_jax.errors import choose
from gan_jax.nn.mapping import LAYERS, Mapping, mixed, truncate
from gan_jax.nn.noise import MODES
from gan_jax.nn.stages import Staged
from gan_jax.runtime import parallel


class StyleBased(Staged):
    """Map z [B, z_dim] to images [B, H, W, C], of a label [B] where there are classes.

    Karras et al. 2019 (arXiv:1812.04948). Each stage has two layers with a w of their own. A share
    of the images of training has two w, one for the first layers and one for the others (style
    mixing). A running mean of w, kept beside the parameters, is what psi < 1 pulls w to.
    """

    HAS_W: ClassVar[bool] = True

    z_dim: int = field(declare.count(512, 'Length of the latent vector z.'))
    w_dim: int = field(declare.count(512, 'Length of w.'))
    layers: int = field(LAYERS)
    mixing: float = field(declare.probability(0.9, 'Share of images with styles of two w.'))
    w_decay: float = field(
        declare.number(0.995, 'Share of the mean w that stays at each update.', low=0, high=1)
    )

    def make_synthesis(self) -> nn.Module:
        """Return the network that makes images of (ws [B, layers, w_dim], noise, keys)."""
        raise NotImplementedError

    def setup(self) -> None:
        """Make both halves, and the mean of w."""
        self.mapping = Mapping(self.w_dim, self.layers, self.num_classes)
        self.synthesis = self.make_synthesis()
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
        ws = jnp.broadcast_to(w[:, None], (len(w), 2 * (self.doublings() + 1), self.w_dim))
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
        return self.draw_images(ws, noise, keys)

    def track(self, w: jax.Array) -> None:
        """Move the mean towards that of w [B, w_dim] over the batch of all devices."""
        if self.is_initializing() or not self.is_mutable_collection('w_avg'):
            return
        batch = parallel.pmean(jax.lax.stop_gradient(w).mean(0))
        self.mean.value = batch + self.w_decay * (self.mean.value - batch)

    def draw_images(self, ws: jax.Array, noise: str, keys: jax.Array | None) -> jax.Array:
        """Return what the synthesis network makes."""
        images: jax.Array = self.synthesis(ws, noise, keys)
        return images
