"""The batches of several runs of one program, each in an order of its own."""

import itertools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from gan_jax.data.pipeline import Batches, Pipeline
from gan_jax.data.protocol import Example

# Batches of indices that are drawn of one order before the next order is asked for: a permutation
# of the whole set is kept of only a few.
AHEAD = 64


class Joint(Pipeline):
    """Deliver the batches of several pipelines of one set as one, leaves [rows, members, ...]."""

    def __init__(self, pipelines: Sequence[Pipeline]):
        self.__dict__.update(vars(pipelines[0]))
        self.pipelines = pipelines

    @property
    def alone(self) -> Pipeline:
        """Return what finishes the batches of one member."""
        return self.pipelines[0]

    def batches(self, position: int) -> Batches:
        """Yield this process's part of the batches from a position on; see `Pipeline.batches`."""
        ahead = 1 if self.resident is None else AHEAD
        each = [one.batches(position) for one in self.pipelines]
        try:
            while True:
                drawn = [list(itertools.islice(one, ahead)) for one in each]
                yield from map(stacked, zip(*drawn, strict=True))
        finally:
            for one in each:
                one.close()

    def preprocess(self, resident: Any, batch: Any, keys: jax.Array | None) -> dict[str, jax.Array]:
        """Finish batches on the device, by keys [members, b]; leaves become [members, b, ...]."""
        finish = super().preprocess
        return jax.vmap(lambda *own: finish(resident, *own), in_axes=(1, 0))(batch, keys)


def stacked(batches: Sequence[Example]) -> Example:
    """Return batches of the same fields as one, leaves [rows, members, ...]."""
    return jax.tree.map(lambda *x: np.stack(x, axis=1), *batches)
