"""BigGAN (Brock et al. 2019, arXiv:1809.11096): class-conditional residual networks.

z is split into one part for the stem and one for each block; the normalisations of a block read
its part of z and one vector of the class that all blocks share. Spectral normalisation in both
networks; the discriminator projects. `width` is the dial of published sizes: 64 or 96.
"""

from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.core import keys
from gan_jax.core.keys import field
from gan_jax.errors import UserError
from gan_jax.models import resnet
from gan_jax.nn.conditioning import LabelVector, VectorBatchNorm
from gan_jax.nn.norm import Norm
from gan_jax.nn.residual_generator import ResidualGenerator


class Generator(ResidualGenerator):
    """Map z [B, z_dim] and label [B] to images [B, H, W, C]."""

    z_dim: int = 80
    width: int = 96
    shared: int = field(keys.count(128, "Length of the class's vector."))
    weight_norm: str = 'spectral'
    norm_eps: float = 1e-4

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape` and its classes."""
        super().check()
        parts = len(self.channels())
        if not self.num_classes:
            raise UserError("BigGAN's generator needs labels: model.classes is 0")
        if self.z_dim % parts:
            raise UserError(
                f'z_dim={self.z_dim} cannot be split into {parts} parts, one for the stem and one '
                f'for each block; allowed: multiples of {parts}'
            )
        if set(self.norms()) != {'batch'}:
            raise UserError(f"norm={self.norm!r} cannot be told z and class; allowed: 'batch'")

    def told(self, z: jax.Array, label: jax.Array | None) -> tuple[jax.Array, list[Any]]:
        """Return what the stem reads, and what the normalisations of each block are told."""
        if label is None:
            raise UserError('a conditional model needs a label for every example; got none')
        vector = LabelVector(self.num_classes, self.shared, name='label')(label).astype(z.dtype)
        first, *parts = jnp.split(z, len(self.channels()), axis=-1)
        return first, [jnp.concatenate([vector, part], axis=-1) for part in parts]

    def block_norm(self, kind: str, name: str) -> Norm:
        """Return the normalisation of a name, as blocks use it."""
        del kind
        return VectorBatchNorm(self.norm_momentum, self.norm_eps, **self.weights(), name=name)


class Discriminator(resnet.Discriminator):
    """Map images [B, H, W, C] and label [B] to logits [B]."""

    width: int = 96
    weight_norm: str = 'spectral'
    conditioning: str = 'projection'

    def inner(self, before: int, after: int) -> int:
        """Return the channels between the two convolutions of a block."""
        del before
        return after
