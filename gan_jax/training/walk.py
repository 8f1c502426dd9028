"""A video of a walk through the latents of a trained model."""

import math
import pathlib
from typing import Any

from gan_jax import pictures
from gan_jax.training.inference import Trained


def write(trained: Trained, path: pathlib.Path, frames: int, **how: Any) -> str:
    """Write a walk as GIF, and as MP4 where the encoder is installed; return what was written.

    path: without a suffix; how: arguments of `Trained.interpolate`.

    Raises:
      UserError: as `Trained.interpolate` does.
    """
    found = trained.interpolate(frames, **how)
    side = math.isqrt(found.shape[1])
    shown = (frame.reshape(side, side, *frame.shape[1:]) for frame in found)
    return pictures.movie([trained.kind.picture(x, trained.field) for x in shown], path)
