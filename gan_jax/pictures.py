"""Pictures for people: grids, PNG, GIF and MP4 files.

Pictures are arrays [H, W, C], uint8 (or uint16 where said so).
"""

import importlib.util
import logging
import math
import pathlib
import struct
import subprocess
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import PIL.Image

from gan_jax.errors import UserError
from gan_jax.files import Path, natural, replacing

log = logging.getLogger('gan_jax')

Frame = Path | np.ndarray
# A PNG's number for the colours of so many channels: RGB, RGBA.
DEEP = {3: 2, 4: 6}


def files(folder: Path) -> list[pathlib.Path]:
    """Return the PNG files of a folder in natural order."""
    found = [p for p in pathlib.Path(folder).glob('*.png') if p.is_file() and p.name[0] != '.']
    return sorted(found, key=lambda path: natural(path.name))


def enlargement(height: int, width: int) -> int:
    """Return by how much a picture is enlarged so that a person can see it: up to 64 px."""
    longest = max(height, width)
    return 64 // longest if longest < 32 else 1


def grid_size(
    rows: int, columns: int, height: int, width: int, pad: int = 2, scale: int | None = None
) -> tuple[int, int]:
    """Return the size (H', W') of the picture that `grid` makes of images of a size."""
    scale = enlargement(height, width) if scale is None else scale
    return rows * (height * scale + pad) + pad, columns * (width * scale + pad) + pad


def grid(images: np.ndarray, pad: int = 2, scale: int | None = None) -> np.ndarray:
    """Lay images out in one picture, with white lines of `pad` pixels between and around them.

    Args:
      images: uint8 or uint16 [rows, columns, H, W, C], or [N, H, W, C], laid out in rows as nearly
        square as can be, what is missing from the last row being white.
      scale: enlargement by whole pixels; None enlarges images below 32 px to about 64.

    Returns the picture [H', W', C].
    """
    images = np.asarray(images)
    white = np.iinfo(images.dtype).max
    if images.ndim == 4:
        columns = math.ceil(math.sqrt(len(images)))
        missing = -len(images) % columns
        blank = np.full((missing, *images.shape[1:]), white, images.dtype)
        images = np.concatenate([images, blank]).reshape(-1, columns, *images.shape[1:])
    scale = enlargement(*images.shape[2:4]) if scale is None else scale
    images = images.repeat(scale, axis=2).repeat(scale, axis=3)
    edges = ((0, 0), (0, 0), (0, pad), (0, pad), (0, 0))
    images = np.pad(images, edges, constant_values=white)
    rows, columns, height, width, channels = images.shape
    picture = images.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)
    return np.pad(picture, ((pad, 0), (pad, 0), (0, 0)), constant_values=white)


def strip(*rows: np.ndarray, pad: int = 2) -> np.ndarray:
    """Lay out rows [N, H, W, C] one above the other, as inputs above their reconstructions."""
    return grid(np.stack(rows), pad)


def progress_panel(
    frames: Sequence[Frame], grid_rows: int, most: int = 10, pad: int = 2
) -> np.ndarray:
    """Show how samples changed: row t is the top row of the grid at time t, at most `most` rows.

    `frames` are pictures made by `grid`, or their files, all of one size, of `grid_rows` rows.
    """
    pictures = [read(frame) for frame in thinned(frames, most)]
    height = (pictures[0].shape[0] - pad) // grid_rows
    tops = [
        picture[: height + pad] if t == 0 else picture[pad : height + pad]
        for t, picture in enumerate(pictures)
    ]
    return np.concatenate(tops)


def viewable(picture: np.ndarray) -> np.ndarray:
    """Return a picture with 1, 3 or 4 channels (gray, RGB, RGBA).

    The channels of any other number are laid side by side in gray, so that none is lost. [H, W]
    is taken as gray.
    """
    picture = np.asarray(picture)
    if picture.ndim == 2:
        picture = picture[..., None]
    if picture.shape[-1] in (1, 3, 4):
        return picture
    return np.concatenate(np.split(picture, picture.shape[-1], axis=-1), axis=1)


def eight_bits(picture: np.ndarray) -> np.ndarray:
    """Return a picture as uint8; of uint16 the upper half is kept, rounded."""
    if picture.dtype == np.uint16:
        return np.rint(picture / 257.0).astype(np.uint8)
    return picture


def image(picture: np.ndarray) -> PIL.Image.Image:
    """Return a picture for PIL. Gray keeps 16 bits; colour of 16 bits, which PIL lacks, 8."""
    picture = viewable(picture)
    if picture.shape[-1] == 1:
        return PIL.Image.fromarray(np.ascontiguousarray(picture[..., 0]))
    return PIL.Image.fromarray(np.ascontiguousarray(eight_bits(picture)))


def save_png(path: Path, picture: np.ndarray, durable: bool = True) -> None:
    """Write a picture [H, W, C] or [H, W], uint8 or uint16, as a PNG file, in one step.

    Channels as in `viewable`. `durable` as in `files.replacing`. Raises OSError where the disk is
    full or cannot be written.
    """
    picture = viewable(picture)
    with replacing(path, durable) as temporary:
        if picture.dtype == np.uint16 and picture.shape[-1] in DEEP:
            temporary.write_bytes(deep_png(picture))
        else:
            image(picture).save(temporary)


def deep_png(picture: np.ndarray) -> bytes:
    """Return a picture uint16 [H, W, 3 or 4] as a PNG file of 16 bits, which PIL does not write."""
    height, width, channels = picture.shape
    values = np.ascontiguousarray(picture.astype('>u2')).view(np.uint8).reshape(height, -1)
    lines = np.pad(values, ((0, 0), (1, 0)))  # each begins with its filter, 0 for none
    # depth, colours, and the only methods there are of compression, filters, lines in order
    header = struct.pack('>IIBBBBB', width, height, 16, DEEP[channels], 0, 0, 0)
    chunks = {b'IHDR': header, b'IDAT': zlib.compress(lines.tobytes()), b'IEND': b''}
    written = (
        struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
        for name, data in chunks.items()
    )
    return b'\x89PNG\r\n\x1a\n' + b''.join(written)


def read(frame: Frame) -> np.ndarray:
    """Return a frame as a picture uint8 [H, W, C] with C of 1, 3 or 4, from its file if need be."""
    if isinstance(frame, np.ndarray):
        return eight_bits(viewable(frame))
    with PIL.Image.open(frame) as opened:
        return eight_bits(viewable(np.asarray(opened)))


def readable(frames: Sequence[Frame]) -> list[np.ndarray]:
    """Return the frames as pictures; a warning names each file that cannot be read."""
    found = []
    for frame in frames:
        try:
            found.append(read(frame))
        except Exception as error:  # whatever a damaged file makes a decoder raise
            log.warning('%s is left out: it cannot be read (%s)', frame, type(error).__name__)
    return found


def thinned(frames: Sequence[Frame], most: int) -> list[Frame]:
    """Keep at most `most` frames, evenly spaced, the first and the last among them."""
    if len(frames) <= most:
        return list(frames)
    return [frames[i] for i in np.linspace(0, len(frames) - 1, most).round().astype(int)]


def _alike(frames: Sequence[Frame]) -> Iterator[PIL.Image.Image]:
    """Yield RGB images of the last frame's size; earlier phases of a run may have been smaller."""
    height, width = read(frames[-1]).shape[:2]
    for frame in frames:
        picture = image(read(frame)).convert('RGB')
        yield picture.resize((width, height), PIL.Image.Resampling.NEAREST)


def _of_some(frames: Sequence[Frame], path: Path) -> None:
    if not len(frames):
        raise UserError(f'no pictures to make {path} of')


def gif(
    frames: Sequence[Frame], path: Path, fps: float = 8.0, hold: float = 2.0, most: int = 100
) -> None:
    """Write frames, pictures or their files in order, as an endless GIF, in one step.

    A file that cannot be read is left out, with a warning.

    Args:
      fps: frames a second, up to 50.
      hold: seconds for which the last frame stays.
      most: of more frames than this, evenly spaced ones are taken.

    Raises UserError where there is no frame, OSError where the disk cannot be written.
    """
    there = readable(thinned(frames, most))
    _of_some(there, path)
    images = [frame.quantize(256, dither=PIL.Image.Dither.NONE) for frame in _alike(there)]
    each = max(20, round(1000 / fps))
    durations = [each] * (len(images) - 1) + [max(each, round(1000 * hold))]
    with replacing(path) as temporary:
        images[0].save(
            temporary, save_all=True, append_images=images[1:], duration=durations, loop=0
        )


def mp4(frames: Sequence[Frame], path: Path, fps: float = 24.0) -> None:
    """Write frames, pictures or their files in order, as an H.264 video, in one step.

    Pictures of an odd height or width are given one more line, which the format needs.

    Raises UserError where the encoder is not installed or there is no frame.
    """
    _of_some(frames, path)
    if not importlib.util.find_spec('imageio_ffmpeg'):
        raise UserError(f"{path} needs a video encoder: pip install 'gan_jax[video]'")
    import imageio_ffmpeg

    images = [_even(np.asarray(frame)) for frame in _alike(frames)]
    height, width = images[0].shape[:2]
    raw = f'-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {fps:g} -i -'
    out = '-c:v libx264 -pix_fmt yuv420p -movflags +faststart'
    command = [imageio_ffmpeg.get_ffmpeg_exe(), '-y', '-v', 'error', *raw.split(), *out.split()]
    with replacing(path) as temporary:
        # Not by imageio's own writer: it forks, which may dead-lock beside jax's threads.
        with subprocess.Popen(
            [*command, temporary], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        ) as encoder:
            _, errors = encoder.communicate(b''.join(frame.tobytes() for frame in images))
        if encoder.returncode:
            raise OSError(f'{path}: {errors.decode(errors="replace").strip()}')


def movie(frames: Sequence[Frame], path: Path, fps: float = 16.0, hold: float = 0.0) -> str:
    """Write frames, pictures or their files in order, as GIF, and as MP4 where there is an encoder.

    path: without a suffix; fps, hold: as of `gif`. A file that cannot be read is left out, with a
    warning. Returns what was written, in words, or why there is no MP4.

    Raises UserError where there is no frame, OSError where the disk cannot be written.
    """
    path, there = pathlib.Path(path), readable(frames)
    gif(there, path.with_name(f'{path.name}.gif'), fps, hold, most=len(frames))
    try:
        mp4(there, path.with_name(f'{path.name}.mp4'), fps)
    except UserError as missing:
        return f'{path.name}.gif ({missing})'
    return f'{path.name}.gif and {path.name}.mp4'


def _even(picture: np.ndarray) -> np.ndarray:
    """Repeat the last line of an odd height or width."""
    height, width = picture.shape[:2]
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), 'edge')
