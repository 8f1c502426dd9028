"""What the players of a two-player game see within one update."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax

from gan_jax.core import rng
from gan_jax.core.state import Net, TrainState, apply

Label = jax.Array | None
Player = Literal['d', 'g']


class Verdict(NamedTuple):
    """Hold what a discriminator returns: logits [B], and what else its heads make of an image.

    features: the activations that feature matching compares; classes: logits of an auxiliary
    classifier [B, K]; code: what it reads of the latent. A discriminator may return plain logits.
    """

    logits: jax.Array
    features: Any = None
    classes: Any = None
    code: Any = None


def verdict(output: Any) -> Verdict:
    """Return a discriminator's output as a Verdict."""
    return output if isinstance(output, Verdict) else Verdict(output)


class Play(NamedTuple):
    """Hold the examples that both players see in one pass, and where they come from.

    turn: how many updates the player whose update this is has made before; keys: one for each
    example that the discriminator sees (a term that packs several into one keeps the first's);
    batch: the real batch as the data gave it, each example as often as the player's update has
    fakes for it; state: as it was before the update; player: whose update this is; given: how many
    of the first channels of real and fake are a condition, which no player makes.
    """

    real: jax.Array
    fake: jax.Array
    real_label: Label
    fake_label: Label
    z: jax.Array
    turn: jax.Array
    keys: jax.Array
    batch: Mapping[str, jax.Array]
    state: TrainState
    player: Player = 'd'
    given: int = 0


class View(NamedTuple):
    """Apply the networks as they are within an update, without changing their collections."""

    generator: nn.Module
    discriminator: nn.Module
    nets: dict[str, Net]
    d_keys: jax.Array
    g_keys: jax.Array

    def d(self, images: jax.Array, label: Label, draws: str = 'real') -> Verdict:
        """Return the discriminator's verdict on images [B, ...].

        draws: whose dropout they get, that of the 'real' or of the 'fake' examples of the pass.
        """
        keys = rng.split_each(self.d_keys, draws)
        return verdict(apply(self.discriminator, self.nets['d'], images, label, keys=keys)[0])

    def g(self, z: jax.Array, label: Label) -> jax.Array:
        """Return the generator's images of latents [B, d]."""
        return self._generator(z, label)

    def styles(self, z: jax.Array, label: Label) -> jax.Array:
        """Return the w of each layer [B, layers, n] that the generator makes of latents."""
        return self._generator(z, label, method='styles')

    def synthesize(self, ws: jax.Array) -> jax.Array:
        """Return the generator's images of the w of each layer."""
        return self._generator(ws, method='synthesize')

    def _generator(self, *inputs: Any, method: str | None = None) -> jax.Array:
        """Return what the generator, or a method of it, makes with the draws of this update."""
        keys = rng.split_each(self.g_keys, 'g')
        return apply(self.generator, self.nets['g'], *inputs, keys=keys, method=method)[0]
