"""StyleGAN's networks (Karras et al. 2019, arXiv:1812.04948), from the paper.

The generator maps z to w, which says mean and deviation of the feature maps of each layer of its
synthesis (`nn.style_based`, `nn.adain`); it starts from a learnt image, and noise is added to all
maps. The discriminator is ProGAN's, with features that are filtered before they are halved. Both
grow as ProGAN's do with `algorithm='progressive'`, and are whole from the start with 'gan'.
"""

import jax

from gan_jax.models import progan
from gan_jax.nn import resample
from gan_jax.nn.adain import AdaptiveSynthesis
from gan_jax.nn.style_based import StyleBased


class Generator(StyleBased, progan.Progressive):
    """Map z [B, z_dim] to images [B, H, W, C]."""

    FAMILY = 'a StyleGAN'

    def make_synthesis(self) -> AdaptiveSynthesis:
        """Return the network that makes images of w."""
        widths = self.channels()[: self.doublings() + 1]
        return AdaptiveSynthesis(self.smallest(), self.shape[2], widths, self.compute_dtype)

    def setup(self) -> None:
        """Make both halves, and read how far they have grown."""
        super().setup()
        self.grown = self.level()

    def draw_images(self, ws: jax.Array, noise: str, keys: jax.Array | None) -> jax.Array:
        """Return what the synthesis network makes at its level."""
        images: jax.Array = self.synthesis(ws, noise, keys, self.grown)
        return images


class Discriminator(progan.Discriminator):
    """Map images [B, H, W, C] to logits [B] and features."""

    FAMILY = 'a StyleGAN'

    def halve(self, x: jax.Array) -> jax.Array:
        """Return features x [B, h, w, c] of half the size, filtered by [1, 2, 1] before."""
        return resample.filtered_down(x, resample.TAPS)
