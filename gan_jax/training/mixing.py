"""Grids of mixed styles: what the coarse layers of one image and the fine ones of another make."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.errors import UserError
from gan_jax.training.inference import Trained


def mix(
    trained: Trained,
    rows: int,
    columns: int,
    crossover: int | None = None,
    seed: int = 0,
    label: int | None = None,
    **options: Any,
) -> np.ndarray:
    """Return images [rows + 1, columns + 1, H, W, C] of styles of two latents each.

    Karras et al. 2019 (arXiv:1812.04948, figure 3). Row i > 0 has in its first `crossover` layers
    (None: half of them) the styles of the image in its first column, column j > 0 in the others
    those of the image at its top. The corner is empty. label: of all images, 0 by default where
    there are classes; options: the maker's.

    Raises:
      UserError: the model has no w, or a single layer; or there is no such layer, class or option.
    """
    chosen = trained.chosen(options)
    n, one_class = rows + columns, trained.one_class(label)
    ws = trained.latents('w', n, seed, trained.labels(n, one_class), chosen)
    at = layer_of(crossover, ws.shape[1])
    labels = trained.labels(columns + 1, one_class)
    synthesize = jax.jit(trained.maker.spaces['w'].synthesize, static_argnames=tuple(chosen))
    coarse, fine = ws[:rows], ws[rows:]
    batches = [jnp.concatenate([fine[:1], fine])]
    for row in coarse[:, None]:
        mixed = jnp.concatenate([row.repeat(columns, 0)[:, :at], fine[:, at:]], axis=1)
        batches.append(jnp.concatenate([row, mixed]))
    made = [trained.final(synthesize(trained.refined, b, labels, **chosen)) for b in batches]
    grid = np.stack(made)
    grid[0, 0] = 0
    return grid


def layer_of(crossover: int | None, layers: int) -> int:
    """Return the first layer with fine styles, by default the middle one.

    Raises:
      UserError: there is a single layer, or none of that number.
    """
    if layers < 2:
        raise UserError(f'styles cannot be mixed: the model has {layers} layer')
    at = layers // 2 if crossover is None else crossover
    if not 1 <= at < layers:
        raise UserError(f'crossover={at} is not allowed: it must be from 1 to {layers - 1}')
    return at
