"""SAGAN (Zhang et al. 2018, arXiv:1805.08318): residual networks with self-attention.

Spectral normalisation in both networks; with labels, conditional batch norm and projection. The
paper has attention at 32 of 128 pixels.
"""

from gan_jax.models import resnet


class Generator(resnet.Generator):
    """Map z [B, z_dim], and label [B] where it is conditional, to images [B, H, W, C]."""

    attention: tuple[int, ...] = (32,)
    weight_norm: str = 'spectral'


class Discriminator(resnet.Discriminator):
    """Map images [B, H, W, C], and label [B] where it is conditional, to logits [B]."""

    attention: tuple[int, ...] = (32,)
    weight_norm: str = 'spectral'
