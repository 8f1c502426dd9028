"""Means over a split that no step is taken on."""

import jax
import numpy as np

from gan_jax import data
from gan_jax.core import rng
from gan_jax.core.state import Metrics, TrainState, means, merge
from gan_jax.data import pipeline as pipelines
from gan_jax.data.protocol import Example, load
from gan_jax.errors import UserError
from gan_jax.training.run import Run


class Validation:
    """Hold the split that config.eval.split names, and how a procedure measures itself on it."""

    def __init__(self, run: Run):
        """Open the split.

        Raises:
          UserError: it cannot be opened, or holds other examples than those of training.
        """
        config = run.config
        source = data.open_split(config.data, config.eval.split)
        there, here = (described(s.spec) for s in (source, run.source))
        if there != here:
            raise UserError(f'eval.split={config.eval.split!r} holds {there}, training {here}')
        # Nothing is kept on the device: training's own data lies there.
        options = {**config.data, 'device_cache_mb': 0}
        self.size = min(config.eval.batch_size, len(source))
        self.pipeline = pipelines.make(source, options, batch_size=self.size, seed=0)
        self.algorithm = run.algorithm
        self.key = rng.fold(run.key, 'validate')
        self.step = jax.jit(
            lambda state, batch, key: run.algorithm.validate(
                state, self.pipeline.preprocess(None, batch, None), key
            )
        )

    def means(self, state: TrainState) -> dict[str, float]:
        """Return the means over the whole split, each name with 'val_' before it."""
        total: Metrics = {}
        for start in range(0, len(self.pipeline), self.size):
            key = rng.numbered(self.key, start)
            found = self.step(state, self._batch(start), key)
            if not found:
                break  # the procedure measures nothing there
            total = merge(found, total) if total else found
        found = {f'val_{name}': mean for name, mean in jax.device_get(total).items()}
        return self.algorithm.summary([means(own) for own in self.algorithm.split(found)])

    def example(self) -> Example:
        """Return the first examples, as a step sees them."""
        return jax.jit(self.pipeline.preprocess)(None, self._batch(0), None)

    def _batch(self, start: int) -> Example:
        """Return the examples from a place on, in their order; the last batch may be smaller."""
        stop = min(start + self.size, len(self.pipeline))
        batch: Example = {}
        for stream in self.pipeline.streams:
            indices = np.arange(start, stop) % len(stream.source)
            batch |= stream.named(load(stream.source, indices))
        return batch


def described(spec: data.Spec) -> str:
    """Return what examples are, in words."""
    shapes = ', '.join(f'{name} {field.shape}' for name, field in spec.fields.items())
    return f'{shapes} of {spec.num_classes} classes'
