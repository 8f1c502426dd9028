"""Consistency: a shifted or flipped image has the same logit (Zhang et al. 2020, 1910.12027)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from gan_jax.core import keys as declare
from gan_jax.core import rng, values
from gan_jax.core.game import Label, Play, Verdict, View
from gan_jax.core.state import Mean, Metrics
from gan_jax.terms.protocol import Weighted


@dataclass(frozen=True)
class Term(Weighted):
    """Penalise (D(x) - D(T(x)))^2, T a random shift and flip, of real images (CR-GAN).

    Zhang et al. 2020 (arXiv:1910.12027), whose weight is 10. With `balanced` of generated images,
    too (Zhao et al. 2020, arXiv:2002.04724).
    """

    weight: values.Value = 10.0
    shift: int = declare.field(declare.count(4, 'Largest shift, in pixels.', low=0))
    flip: bool = declare.field(declare.flag(True, 'Flip every second image from left to right.'))
    balanced: bool = declare.field(declare.flag(False, 'Hold generated images to it, too.'))

    def loss(
        self, play: Play, view: View, real: Verdict, fake: Verdict
    ) -> tuple[jax.Array, Metrics]:
        """Return the squared differences of the logits of every image, [B]."""

        def apart(images: jax.Array, label: Label, seen: Verdict, draws: str) -> jax.Array:
            keys = rng.split_each(rng.split_each(play.keys, self.name), draws)
            moved = augment(jax.lax.stop_gradient(images), keys, self.shift, self.flip)
            return jnp.square(seen.logits - view.d(moved, label, draws).logits)

        losses = apart(play.real, play.real_label, real, 'real')
        if self.balanced:
            losses = losses + apart(play.fake, play.fake_label, fake, 'fake')
        return losses, {self.name: Mean.of(losses)}


def augment(images: jax.Array, keys: jax.Array, shift: int, flip: bool) -> jax.Array:
    """Shift images [B, H, W, C] by up to `shift` pixels either way, and flip half of them.

    keys: [B], of which each image's draws come. What a shift brings in mirrors the image's edge.
    """
    edges = (shift, shift), (shift, shift), (0, 0)

    def one(image: jax.Array, key: jax.Array) -> jax.Array:
        mirrored, moved = jax.random.split(key)
        start = jax.random.randint(moved, (2,), 0, 2 * shift + 1)
        padded = jnp.pad(image, edges, mode='symmetric')
        shifted = jax.lax.dynamic_slice(padded, (*start, 0), image.shape)
        mirror = jax.random.bernoulli(mirrored) & flip
        return jnp.where(mirror, shifted[:, ::-1], shifted)

    return jax.vmap(one)(images, keys)
