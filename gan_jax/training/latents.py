"""What an encoder's latents look like: where examples lie, and images of a lattice."""

import dataclasses
import pathlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from gan_jax import data, files
from gan_jax.algorithms.protocol import Space
from gan_jax.core import rng
from gan_jax.data.protocol import load
from gan_jax.errors import UserError
from gan_jax.kinds.image import scale
from gan_jax.training.inference import CHUNK, Trained

# Draws whose quantiles say where the lines of a lattice run, and the outermost of them.
DRAWS, OUTERMOST = 10_000, (0.05, 0.95)


@dataclasses.dataclass(frozen=True)
class Latents:
    """Hold the space of a trained model that reads examples, and the model with its maker."""

    trained: Trained
    space: Space

    @classmethod
    def of(cls, trained: Trained) -> 'Latents':
        """Return the first space of a model's makers that reads examples.

        Raises:
          UserError: it has none.
        """
        for name, maker in trained.algorithm.makers().items():
            for space in maker.spaces.values():
                if space.encode:
                    return cls(dataclasses.replace(trained, maker_name=name), space)
        raise UserError(
            f'algorithm={trained.config.algorithm!r} does not read latents out of images, as '
            'autoencoders with a prior do'
        )

    def read(self, split: str, n: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the first n examples of a split as networks see them, and their labels or None.

        Raises:
          UserError: the split cannot be opened.
        """
        source = data.open_split(self.trained.config.data, split)
        batch = load(source, np.arange(min(n, len(source))))
        images = batch[self.trained.maker.field]
        span = self.trained.field.span
        return np.asarray(scale(jnp.asarray(images), span)), batch.get('label')

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Return the latents [n, d] of images."""
        assert self.space.encode
        encode = jax.jit(self.space.encode)
        parts = np.array_split(images, -(-len(images) // CHUNK))
        return np.concatenate([np.asarray(encode(self.trained.refined, x)) for x in parts])

    def decode(self, latents: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Return the final examples of latents."""
        made = jax.jit(self.space.synthesize)(self.trained.refined, latents, labels)
        return self.trained.final(made)

    def lattice(self, side: int, label: int | None = None) -> np.ndarray:
        """Return images [side, side, H, W, C] of latents of two numbers, the second one upwards.

        They are as many quantiles of each number, of draws from the prior.
        """
        drawn = self.space.draw(self.trained.refined, rng.root(0), DRAWS)
        lines = np.quantile(np.asarray(drawn), np.linspace(*OUTERMOST, side), axis=0)
        y, x = np.meshgrid(lines[::-1, 1], lines[:, 0], indexing='ij')
        latents = np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32)
        labels = self.trained.labels(len(latents), self.trained.one_class(label))
        images = self.decode(latents, labels)
        return images.reshape(side, side, *images.shape[1:])


def scatter(
    latents: np.ndarray, labels: np.ndarray | None, classes: Sequence[str], out: pathlib.Path
) -> None:
    """Draw latents [n, 2] as points, coloured by label, in one step."""
    figure = Figure(figsize=(7, 6), layout='constrained')
    axis = figure.subplots()
    x, y = latents.T
    points = axis.scatter(x, y, s=3, c=labels, cmap='tab10' if len(classes) <= 10 else None)
    if labels is not None and classes:
        bar = figure.colorbar(points, ax=axis, ticks=range(len(classes)))
        bar.ax.set_yticklabels(classes)
    axis.set(xlabel='first number', ylabel='second number', aspect='equal')
    with files.replacing(out) as temporary:
        figure.savefig(temporary, dpi=100, format='png')
