"""InfoGAN: D reads a code that the latent holds (Chen et al. 2016, arXiv:1606.03657, eq. 5)."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.core import keys as declare
from gan_jax.core import rng
from gan_jax.core.game import Play, Verdict, View
from gan_jax.core.state import Mean, Metrics
from gan_jax.errors import UserError
from gan_jax.terms.protocol import Weighted


@dataclass(frozen=True)
class Term(Weighted):
    """Append a code to every latent, and let both players raise log Q(code | image).

    Q is D's head `code`: logits of each categorical variable, and the means of the continuous
    ones, Gaussians of unit variance. It bounds the mutual information of code and image from
    below; there is no further network.
    """

    side = 'both'
    reads = ('code',)
    latent = True

    categories: tuple[int, ...] = declare.field(
        declare.counts((10,), 'Values of each categorical variable, all equally likely.', low=2)
    )
    continuous: int = declare.field(
        declare.count(2, 'Continuous variables, uniform in [-1, 1].', low=0)
    )
    continuous_weight: float = declare.field(
        declare.number(0.1, 'Weight of a continuous variable; of a categorical one it is 1.', low=0)
    )

    @property
    def size(self) -> int:
        """Return the length of the code."""
        return sum(self.categories) + self.continuous

    def check(self, game: Any) -> None:
        """Refuse a discriminator that reads a code of another length, or no code at all."""
        super().check(game)
        found = game.verdict_shapes.code.shape[-1]
        if found != self.size:
            parts = ' + '.join(map(str, (*self.categories, self.continuous)))
            raise UserError(
                f'model.d.code={found} is not allowed with terms.{self.name}: its code has '
                f'{parts} = {self.size} numbers'
            )

    def latents(self, z: jax.Array, keys: jax.Array) -> jax.Array:
        """Return latents [B, d + size]: with one-hot categories, then the continuous variables."""

        def code(key: jax.Array) -> jax.Array:
            drawn = [
                jax.nn.one_hot(jax.random.randint(rng.fold(key, 'category', i), (), 0, n), n)
                for i, n in enumerate(self.categories)
            ]
            more = jax.random.uniform(key, (self.continuous,), minval=-1.0)
            return jnp.concatenate([*drawn, more])

        return jnp.concatenate([z, jax.vmap(code)(keys)], axis=1)

    def lay_out(self, z: jax.Array) -> jax.Array:
        """Let each column of a picture have one value of the first category, and rows the rest."""
        if not self.categories:
            return z
        n, start = self.categories[0], z.shape[-1] - self.size
        columns = jax.nn.one_hot(jnp.arange(z.shape[1]) % n, n)
        rows = jnp.broadcast_to(z[:, :1], z.shape)
        shape = (*z.shape[:2], n)
        return rows.at[:, :, start : start + n].set(jnp.broadcast_to(columns[None], shape))

    def loss(
        self, play: Play, view: View, real: Verdict, fake: Verdict
    ) -> tuple[jax.Array, Metrics]:
        """Return -log Q(code | image) of every fake, up to a constant."""
        code, read = play.z[:, -self.size :], fake.code
        right, start = [], 0
        squares = jnp.square(code - read)[:, sum(self.categories) :]
        losses = 0.5 * self.continuous_weight * squares.sum(axis=1)
        for n in self.categories:
            true, logits = code[:, start : start + n], read[:, start : start + n]
            losses -= (true * jax.nn.log_softmax(logits)).sum(axis=1)
            right.append(true.argmax(axis=1) == logits.argmax(axis=1))
            start += n
        metrics = {f'{play.player}_code_loss': Mean.of(losses)}
        if right:
            metrics[f'{play.player}_code_accuracy'] = Mean.of(jnp.stack(right))
        return losses, metrics
