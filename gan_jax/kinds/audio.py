"""Sound [T, C] of int16 at `field.rate` samples a second: floats of [-1, 1], waveforms, WAV."""

import pathlib
import wave
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import kinds, pictures
from gan_jax.files import replacing
from gan_jax.kinds import Field

LEVELS = 2**15
# pixels of the picture of one waveform, and seconds of silence between two
HEIGHT, WIDTH, PAUSE = 48, 128, 0.1


class Audio(kinds.Kind):
    """Scale samples to [-1, 1) and back."""

    suffix = '.wav'

    def finished(self, field: Field, options: Mapping[str, Any]) -> Field:
        """Return the field as float32 in [-1, 1]."""
        del options
        return kinds.float_field(field, field.shape, '[-1,1]')

    def preprocess(
        self,
        x: jax.Array,
        field: Field,
        draw: kinds.Draw | None,
        options: Mapping[str, Any],
    ) -> jax.Array:
        """Return samples [B, T, C] in [-1, 1)."""
        del field, draw, options
        return jnp.asarray(x).astype(jnp.float32) / LEVELS

    def final(self, x: np.ndarray, field: Field) -> np.ndarray:
        """Return floats as int16, by rounding; the rest is clipped, and NaN is silence."""
        del field
        scaled = np.nan_to_num(np.asarray(x, np.float32)) * LEVELS
        return np.rint(np.clip(scaled, -LEVELS, LEVELS - 1)).astype(np.int16)

    def picture(self, examples: np.ndarray, field: Field) -> np.ndarray:
        """Draw each waveform's least and largest sample per column, black on white."""
        lead = examples.shape[: examples.ndim - len(field.shape)]
        panels = [waveform(x) for x in examples.reshape(-1, *field.shape)]
        return pictures.grid(np.stack(panels).reshape(*lead, HEIGHT, WIDTH, 1), scale=1)

    def picture_size(self, field: Field, rows: int, columns: int) -> tuple[int, int]:
        """Return the size (H, W) of a picture of rows and columns."""
        del field
        return pictures.grid_size(rows, columns, HEIGHT, WIDTH, scale=1)

    def keep(self, path: pathlib.Path, examples: np.ndarray, field: Field) -> None:
        """Write all of a picture's examples one after the other, with pauses, as WAV."""
        sounds = examples.reshape(-1, *field.shape)
        pause = np.zeros((len(sounds), round(PAUSE * field.rate), field.shape[1]), np.int16)
        joined = np.concatenate([sounds, pause], axis=1).reshape(-1, field.shape[1])
        self.write(path.with_name(path.name + self.suffix), joined, field)

    def write(self, path: pathlib.Path, example: np.ndarray, field: Field) -> None:
        """Write int16 samples [T, C] as WAV, in one step."""
        with replacing(path, durable=False) as temporary, wave.open(str(temporary), 'wb') as file:
            file.setnchannels(example.shape[1])
            file.setsampwidth(2)
            file.setframerate(field.rate)
            file.writeframes(np.ascontiguousarray(example, '<i2').tobytes())


KIND = Audio()


def waveform(samples: np.ndarray) -> np.ndarray:
    """Return the picture uint8 [HEIGHT, WIDTH, 1] of int16 samples [T, C], the channels' mean."""
    mean = samples.astype(np.float64).mean(axis=1)
    columns = (
        np.array_split(mean, WIDTH)
        if len(mean) >= WIDTH
        else np.split(np.repeat(mean, -(-WIDTH // len(mean)))[:WIDTH], WIDTH)
    )
    low, high = ([f(c) for c in columns] for f in (np.min, np.max))
    ends = [(1 - np.asarray(x) / LEVELS) / 2 * (HEIGHT - 1) for x in (high, low)]
    top, bottom = (np.rint(x).astype(int)[None] for x in ends)
    rows = np.arange(HEIGHT)[:, None]
    return np.where((rows >= top) & (rows <= bottom), 0, 255).astype(np.uint8)[..., None]
