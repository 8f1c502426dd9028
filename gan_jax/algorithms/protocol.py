"""What a training procedure offers to the loop; the loop knows nothing else of it."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import jax

from gan_jax.core.state import Metrics, TrainState


class Phase(NamedTuple):
    """Say how a stretch of a run is fed: until `images` in total, at a resolution and batch size.

    `resolution` 0 is that of the data; a smaller one is reached by average pooling.
    """

    images: int
    resolution: int
    batch_size: int


class Algorithm(Protocol):
    """A frozen dataclass of static things (modules, optimisers, losses, numbers)."""

    def init(self, key: jax.Array) -> TrainState:
        """Return the state of a run that has seen nothing."""

    def train_step(
        self, state: TrainState, batch: dict[str, jax.Array], key: jax.Array
    ) -> tuple[TrainState, Metrics]:
        """Return the state after one step on this device's part of a batch; pure.

        `key` is the root key of the run; draws fold in a purpose and `state.step`.
        """

    def sample(
        self, state: TrainState, key: jax.Array, n: int, label: jax.Array | None = None
    ) -> jax.Array:
        """Return n images [n, H, W, C] in the range of the data, by the averaged networks."""

    def grid(self, state: TrainState, key: jax.Array, batch: dict[str, jax.Array]) -> jax.Array:
        """Return the picture of a run at this state, images [rows, columns, H, W, C].

        `key` and `batch` (the first examples of the data) are the same all through the run.
        """

    def phases(self) -> Sequence[Phase]:
        """Return the stretches of a run in order; one, but for progressive procedures."""


class Latent(Protocol):
    """What a procedure offers besides where its images come from codes that can be walked."""

    def latents(self, key: jax.Array, n: int) -> jax.Array:
        """Return n codes [n, z_dim]; code i does not depend on n."""

    def generate(self, state: TrainState, z: jax.Array, label: Any = None) -> jax.Array:
        """Return the images [n, H, W, C] of codes, by the averaged generator."""
