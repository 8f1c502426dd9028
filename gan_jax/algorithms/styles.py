"""The space w of a game whose generator makes it of z (Karras et al. 2019, arXiv:1812.04948)."""

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

import jax

from gan_jax.algorithms.protocol import Space
from gan_jax.core import rng
from gan_jax.core.state import TrainState, apply_averaged


@dataclasses.dataclass(frozen=True)
class Styles:
    """Make w, one for each layer [n, layers, d], and images of it, by a game's averaged generator.

    The options are the maker's; of the generator's own, those that its `styles` takes (psi) are in
    w, and those that its `synthesize` takes (noise) in the images.
    """

    game: Any

    def spaces(self, z: Space) -> dict[str, Space]:
        """Return the space of z, which leads to w, and w."""
        down = dataclasses.replace(z, down=self.of_z)
        return {'z': down, 'w': Space(self.draw, self.synthesize)}

    def draw(self, state: TrainState, key: jax.Array, n: int, **options: Any) -> jax.Array:
        """Return w of n latents, of random classes where there are classes."""
        z = self.game.latents(state, key, n, **options)
        return self.of_z(state, z, self.game.some_labels(key, n), **options)

    def of_z(self, state: TrainState, z: jax.Array, label: Any = None, **options: Any) -> jax.Array:
        """Return w of latents [n, z_dim]."""
        return self._run('styles', state, z, label, **self._taken('styles', options))

    def synthesize(
        self, state: TrainState, ws: jax.Array, label: Any = None, **options: Any
    ) -> jax.Array:
        """Return images of w, which has the label in it; what is drawn is always the same."""
        del label
        keys = rng.example_keys(rng.root(0), len(ws))
        return self._run('synthesize', state, ws, keys=keys, **self._taken('synthesize', options))

    def _run(self, method: str, state: TrainState, *inputs: Any, **options: Any) -> jax.Array:
        generator = self.game.generator
        return apply_averaged(generator, state.nets['g'], *inputs, method=method, **options)

    def _taken(self, method: str, options: Mapping[str, Any]) -> dict[str, Any]:
        names = inspect.signature(getattr(type(self.game.generator), method)).parameters
        return {name: value for name, value in options.items() if name in names}
