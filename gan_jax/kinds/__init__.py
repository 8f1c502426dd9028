"""What an example is: one module for each kind, with how it is scaled, shown and written."""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import discovery
from gan_jax.errors import UserError
from gan_jax.files import replacing


@dataclasses.dataclass(frozen=True)
class Field:
    """Describe one array of an example: its shape, dtype, and the module of gan_jax.kinds it is of.

    kind: 'image' [H, W, C], 'label' (a class number, -1 where it is unknown), 'value' (numbers that
    are passed on as they are), or another kind. span: the range of finished values, '' before;
    rate: samples a second of audio.
    """

    shape: tuple[int, ...]
    dtype: str = 'uint8'
    kind: str = 'image'
    span: str = ''
    rate: int = 0

    @property
    def nbytes(self) -> int:
        """Return the bytes that one takes in memory."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


# (purpose, alike) -> keys [B]: of one field, or `alike` for all fields of an example
Draw = Callable[[str, bool], jax.Array]


class Kind:
    """Say how fields of a kind are preprocessed, shown and written; numbers by default.

    Networks see what `preprocess` returns on the device, described by `finished`; `final` is
    what is shown and written.
    """

    suffix = '.npy'

    def finished(self, field: Field, options: Mapping[str, Any]) -> Field:
        """Return the field as networks see it; raise UserError for options it cannot have."""
        del options
        return field

    def resized(self, field: Field, resolution: int) -> Field:
        """Return a finished field at a lower resolution; raise UserError where it has none."""
        raise UserError(f'resolution {resolution} is not allowed: there are no images')

    def preprocess(
        self, x: jax.Array, field: Field, draw: Draw | None, options: Mapping[str, Any]
    ) -> jax.Array:
        """Return values [B, ...] as networks see them; pure, without `draw` nothing is random."""
        del field, draw, options
        return jnp.asarray(x)

    def resize(self, x: jax.Array, resolution: int) -> jax.Array:
        """Return finished values [B, ...] at a lower resolution."""
        del resolution
        return x

    def final(self, x: np.ndarray, field: Field) -> np.ndarray:
        """Return values [..., *shape] that networks made, of the field as they see it, to write."""
        del field
        return np.asarray(x)

    def picture(self, examples: np.ndarray, field: Field) -> np.ndarray:
        """Return the picture uint8 [H, W, C] of final examples [rows, columns, ...] or [N, ...]."""
        raise UserError(f'{type(self).__name__.lower()} fields cannot be shown')

    def picture_size(self, field: Field, rows: int, columns: int) -> tuple[int, int]:
        """Return the size (H, W) of the picture of a grid of examples, before it is drawn."""
        del field, rows, columns
        return 0, 0

    def keep(self, path: pathlib.Path, examples: np.ndarray, field: Field) -> None:
        """Write beside a picture, to a path without suffix, what it cannot show; nothing mostly."""

    def write(self, path: pathlib.Path, example: np.ndarray, field: Field) -> None:
        """Write one of many final examples to a path with the kind's suffix, in one step."""
        del field
        with replacing(path, durable=False) as temporary:
            np.save(temporary, example)


def names() -> list[str]:
    """Return the names of all kinds: the modules of `gan_jax.kinds`."""
    return discovery.names(__name__)


def find(name: str) -> Kind:
    """Return a kind by the name of its module.

    Raises:
      UserError: there is none of that name.
    """
    return discovery.find(__name__, name, 'kind').KIND


def finished(fields: Mapping[str, Field], options: Mapping[str, Any]) -> dict[str, Field]:
    """Return fields as networks see them, by the options of config.data."""
    return {name: find(field.kind).finished(field, options) for name, field in fields.items()}


def float_field(field: Field, shape: tuple[int, ...], span: str) -> Field:
    """Return a field of float32."""
    return dataclasses.replace(field, shape=shape, dtype='float32', span=span)
