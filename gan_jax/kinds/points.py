"""Points [D], such as toy densities: passed on as floats, shown as dots, NPY."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import kinds
from gan_jax.kinds import Field

# pixels of a picture, and the coordinate at its edges
SIDE, EDGE = 256, 1.25


class Points(kinds.Kind):
    """Pass on coordinates; a picture shows the first two of every point."""

    def finished(self, field: Field, options: Mapping[str, Any]) -> Field:
        """Return the field as float32."""
        del options
        return kinds.float_field(field, field.shape, '')

    def preprocess(
        self,
        x: jax.Array,
        field: Field,
        draw: kinds.Draw | None,
        options: Mapping[str, Any],
    ) -> jax.Array:
        """Return coordinates [B, D] as float32."""
        del field, draw, options
        return jnp.asarray(x, jnp.float32)

    def picture(self, examples: np.ndarray, field: Field) -> np.ndarray:
        """Draw all points as dots of 3x3 pixels, black on white; those beyond EDGE at the edge."""
        points = np.asarray(examples).reshape(-1, *field.shape)[:, :2]
        points = np.nan_to_num(np.clip(points, -EDGE, EDGE))
        columns, rows = np.rint((points / EDGE + 1) / 2 * (SIDE - 3)).astype(int).T + 1
        picture = np.full((SIDE, SIDE, 1), 255, np.uint8)
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                # the second coordinate points upwards
                picture[SIDE - 1 - rows + down, columns + right] = 0
        return picture

    def picture_size(self, field: Field, rows: int, columns: int) -> tuple[int, int]:
        """Return the size (H, W) of a picture, which shows any number of points."""
        del field, rows, columns
        return SIDE, SIDE


KIND = Points()
