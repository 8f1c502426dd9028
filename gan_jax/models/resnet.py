"""Residual networks of SNGAN and WGAN-GP, and of the projection discriminator.

Miyato et al. 2018 (arXiv:1802.05957), Gulrajani et al. 2017 (arXiv:1704.00028), with labels Miyato,
Koyama 2018 (arXiv:1802.05637). SNGAN normalises the discriminator's kernels (weight_norm
'spectral'), WGAN-GP has pooling 'mean' and a gradient penalty.
"""

from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.core import keys
from gan_jax.core.keys import field
from gan_jax.errors import UserError, choose
from gan_jax.nn import init
from gan_jax.nn.conditioning import LabelBatchNorm, LabelPlane, LabelVector, Projection
from gan_jax.nn.norm import Norm
from gan_jax.nn.residual import Residual
from gan_jax.nn.residual_discriminator import ResidualDiscriminator
from gan_jax.nn.residual_generator import ResidualGenerator

BY_GENERATOR = {'none': None, 'batch_norm': None, 'vector': None}
BY_DISCRIMINATOR = {'none': None, 'projection': None, 'plane': None}


class Conditional(Residual):
    """Add how the label is told."""

    conditioning: str = 'none'
    embed: int = field(keys.count(50, "Length of the label's vector, of 'vector' and 'plane'."))

    def needs_label(self) -> bool:
        """Return whether the network reads a label."""
        return self.conditioning != 'none'

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape` and its classes."""
        super().check()
        if self.needs_label() and not self.num_classes:
            raise UserError(
                f"conditioning='{self.conditioning}' needs labels: model.classes is 0; "
                "available without: 'none'"
            )

    def label(self, label: jax.Array | None) -> jax.Array:
        """Return the label; UserError where there is none."""
        if label is None:
            raise UserError('a conditional model needs a label for every example; got none')
        return label


class Generator(ResidualGenerator, Conditional):
    """Map z [B, z_dim], and label [B] where it is conditional, to images [B, H, W, C]."""

    conditioning: str = field(
        keys.choice('none', tuple(BY_GENERATOR), 'How the label is told: by batch norm, or with z.')
    )

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape` and its classes."""
        super().check()
        choose(BY_GENERATOR, self.conditioning, 'conditioning')
        if self.conditioning == 'batch_norm' and set(self.norms()) != {'batch'}:
            raise UserError(f"conditioning='batch_norm' with norm={self.norm!r}; allowed: 'batch'")

    def told(self, z: jax.Array, label: jax.Array | None) -> tuple[jax.Array, list[Any]]:
        """Return what the stem reads, and what the normalisations of each block are told."""
        z, nothing = super().told(z, label)
        if self.conditioning == 'vector':
            vector = LabelVector(self.num_classes, self.embed, name='label')(self.label(label))
            return jnp.concatenate([z, vector.astype(z.dtype)], axis=-1), nothing
        if self.conditioning == 'batch_norm':
            return z, [self.label(label)] * len(nothing)
        return z, nothing

    def block_norm(self, kind: str, name: str) -> Norm:
        """Return the normalisation of a name, as blocks use it."""
        if self.conditioning != 'batch_norm':
            return super().block_norm(kind, name)
        gamma = init.get(self.weight_init).gamma
        return LabelBatchNorm(self.norm_momentum, self.norm_eps, gamma, self.num_classes, name=name)


class Discriminator(ResidualDiscriminator, Conditional):
    """Map images [B, H, W, C], and label [B] where it is conditional, to logits [B] and more."""

    conditioning: str = field(
        keys.choice('none', tuple(BY_DISCRIMINATOR), 'How the label is told: at the end or before.')
    )

    def check(self) -> None:
        """Raise UserError where the options do not make a network for `shape` and its classes."""
        super().check()
        choose(BY_DISCRIMINATOR, self.conditioning, 'conditioning')

    def shown(self, images: jax.Array, label: jax.Array | None) -> jax.Array:
        """Return what the first block reads."""
        if self.conditioning != 'plane':
            return images
        return LabelPlane(self.num_classes, self.embed, name='label')(images, self.label(label))

    def logit(self, features: jax.Array, label: jax.Array | None) -> jax.Array:
        """Return the logits [B] of features [B, n]."""
        logits = super().logit(features, label)
        if self.conditioning != 'projection':
            return logits
        projection = Projection(self.num_classes, **self.weights(), name='projection')
        return logits + projection(features, self.label(label))
