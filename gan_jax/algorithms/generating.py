"""What a generator's procedure makes of it: latents, images, grids, and spaces to walk through."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.algorithms.health import Observed
from gan_jax.algorithms.protocol import Batch, Maker, Phase, Space
from gan_jax.algorithms.styles import Styles
from gan_jax.core import latent, rng, standing
from gan_jax.core.state import TrainState, apply, apply_averaged
from gan_jax.terms.protocol import Term


@dataclass(frozen=True, kw_only=True)
class Generating(Observed):
    """Make images by a generator, the network 'g' of a state.

    prior: draws one latent from a key; terms: which may change latents and how they are laid out;
    shape: of an image; classes: that the networks are told, 0 for none; grid_size: rows and columns
    of the pictures; standing: batches of standing statistics, see `core.standing`; field: what it
    imitates of the data.
    """

    generator: nn.Module
    terms: tuple[Term, ...]
    prior: Callable[[jax.Array], jax.Array]
    shape: tuple[int, int, int]
    phase: Phase
    classes: int = 0
    grid_size: tuple[int, int] = (8, 8)
    standing: int = 0
    field: str = 'image'

    def draw(self, keys: jax.Array, truncation: float | None = None) -> jax.Array:
        """Return latents [n, d] of keys [n], as the terms want them; see `latent.truncated`."""
        prior = self.prior if truncation is None else latent.truncated(self.prior, truncation)
        z = jax.vmap(prior)(keys)
        for term in self.terms:
            z = term.latents(z, rng.split_each(keys, term.name))
        return z

    def latents(
        self,
        state: TrainState,
        key: jax.Array,
        n: int,
        truncation: float | None = None,
        **options: Any,
    ) -> jax.Array:
        """Return n latents [n, z_dim]; latent i does not depend on n."""
        del state, options
        return self.draw(rng.example_keys(key, n), truncation)

    def generate(
        self,
        state: TrainState,
        z: jax.Array,
        label: Any = None,
        truncation: float | None = None,
        key: jax.Array | None = None,
        **options: Any,
    ) -> jax.Array:
        """Return the images of latents by the averaged generator, in evaluation mode.

        options: the generator's; what they let it draw comes from the key, without one always the
        same.
        """
        del truncation
        if options:
            options['keys'] = rng.example_keys(rng.root(0) if key is None else key, len(z))
        return apply_averaged(self.generator, state.nets['g'], z, label, **options)

    def makers(self) -> dict[str, Maker]:
        """Return the generator, which makes images of latents z, some by way of w."""
        options = {'truncation': None, **self.generator.options()}
        z = Space(self.latents, self.generate)
        spaces = Styles(self).spaces(z) if self.generator.HAS_W else {'z': z}
        return {'g': Maker(self.field, self.make, spaces=spaces, options=options)}

    def make(
        self,
        state: TrainState,
        key: jax.Array,
        n: int,
        given: Any = None,
        label: Any = None,
        truncation: float | None = None,
        **options: Any,
    ) -> jax.Array:
        """Return n images; of random classes where the model has classes and none is given."""
        del given
        if label is None:
            label = self.some_labels(key, n)
        z = self.latents(state, key, n, truncation)
        return self.generate(state, z, label, key=rng.fold(key, 'noise'), **options)

    def refine(self, state: TrainState, batches: Iterator[Batch]) -> TrainState:
        """Return the state with standing statistics in the averaged generator, where asked for."""
        del batches
        if not self.standing:
            return state
        n, keys = self.phase.batch_size, rng.fold(rng.root(0), 'standing')
        inputs = (
            (self.latents(state, key, n), self.some_labels(key, n))
            for key in jax.random.split(keys, self.standing)
        )
        g = standing.standing(self.generator, state.nets['g'], inputs)
        return state.replace(nets={**state.nets, 'g': g})

    def grid(self, state: TrainState, key: jax.Array, batch: Batch) -> jax.Array:
        """Return images of fixed latents; with classes, one latent a row and one class a column."""
        rows, columns = self.grid_size
        columns = min(columns, self.classes or columns)
        z, label = self.latents(state, key, rows * columns), None
        if self.classes:
            z = jnp.repeat(self.latents(state, key, rows), columns, axis=0)
            label = jnp.tile(jnp.arange(columns), rows)
        z = z.reshape(rows, columns, -1)
        for term in self.terms:
            z = term.lay_out(z)
        images = self.generate(state, z.reshape(rows * columns, -1), label)
        return images.reshape(rows, columns, *self.shape)

    def of_one_class(self, state: TrainState, keys: jax.Array) -> jax.Array:
        """Return what G, as it trains, makes of the latents of keys [n], all of the first class."""
        label = self._label(jnp.zeros(len(keys), jnp.int32))
        own = rng.split_each(keys, 'g')
        return apply(self.generator, state.nets['g'], self.draw(keys), label, keys=own)[0]

    def some_labels(self, key: jax.Array, n: int) -> jax.Array | None:
        """Return random classes [n] of a conditional model, or None."""
        return self._label(self._labels(rng.example_keys(rng.fold(key, 'label'), n)))

    def _labels(self, keys: jax.Array) -> jax.Array:
        return jax.vmap(lambda k: jax.random.randint(k, (), 0, max(self.classes, 1)))(keys)

    def _label(self, label: jax.Array | None) -> jax.Array | None:
        return label if self.classes else None
