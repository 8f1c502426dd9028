"""Give images to what a run makes of images, and write each result under the image's name."""

import collections
import functools
import io
import pathlib
from collections.abc import Iterator, Mapping
from concurrent import futures
from typing import Any

import jax
import numpy as np

from gan_jax import files, kinds, regular
from gan_jax.core import keys, rng
from gan_jax.core.assignments import assignments
from gan_jax.data import stores
from gan_jax.data.geometry import Geometry, Misfit
from gan_jax.data.images import SUFFIXES, BadImage, decode
from gan_jax.data.protocol import in_order
from gan_jax.data.sources.array import typed
from gan_jax.errors import UserError
from gan_jax.files import natural
from gan_jax.kinds.image import scale, to_levels
from gan_jax.training import inference

OF_A_RUN = True
FLAGS = {
    'input': keys.path('', 'What is translated: an image, or a folder, zip or tar of images.'),
    'seed': keys.seed('Seed of what a translation draws, as dropout.'),
    **{name: inference.FLAGS[name] for name in ('maker', 'member', 'step', 'options')},
    'out': keys.path('', 'Folder to write to; WORKDIR/translated by default.'),
}
# Files that are read ahead, by as many threads.
AHEAD = 4
# What is read: images, and arrays [H, W, C], which may have more channels than any image file.
ARRAY = '.npy'
READ = (*SUFFIXES, ARRAY)
# The most channels of a PNG.
CHANNELS = 4


def run(config: Any, workdir: pathlib.Path, flags: Any) -> None:
    """Write the translation of each image as a PNG of its name; they are read one by one.

    It has 16 bits a channel where the image or the run's data has; more channels than a PNG has
    are written as .npy.

    Raises:
      UserError: no such run, checkpoint or maker, one that translates nothing, or an image that
        cannot be read or is too small for the network (names it).
    """
    if not flags.input:
        raise UserError('--mode=translate needs --input=, an image or a folder of images')
    trained = inference.load(workdir, flags.step, flags.maker, flags.member)
    options = assignments(flags.options, '--options')
    translator = Translator(trained, flags.seed, options)
    names, read = opened(flags.input)
    out, written = pathlib.Path(flags.out or workdir / 'translated'), outputs(names)
    print(translator.said())
    with futures.ThreadPoolExecutor(AHEAD) as pool:
        pixels = in_order(pool, lambda name: (name, translator.decode(read, name)), names, AHEAD)
        for number, (name, image) in enumerate(pixels):
            made = translator(name, image, number)
            path = out / f'{next(written)}{translator.kind.suffix}'
            translator.kind.write(path, made, trained.field)
    print(f'{len(names)} images of step {trained.step} in {out}')


class Translator:
    """Translate one image after the other by a maker that starts from one; compiled by size."""

    def __init__(self, trained: inference.Trained, seed: int, options: Mapping[str, Any]):
        self.trained, self.maker = trained, trained.maker
        given = self.maker.given
        if len(given) != 1 or trained.spec.fields[given[0]].kind != 'image':
            raise UserError(
                f"algorithm='{trained.config.algorithm}' translates no images: the run is of "
                'another task; available: runs of translation'
            )
        (self.source,) = given
        self.field = trained.spec.fields[self.source]
        self.key = rng.fold(rng.root(seed), 'translate')
        self.options = trained.chosen(options)
        names = tuple(self.options)
        self.make = jax.jit(self.maker.make, static_argnums=2, static_argnames=names)
        height, width, channels = self.field.shape
        size = None if self.maker.padded else (height, width)
        self.geometry = Geometry(size, 'none', channels=channels)
        many = trained.field.kind == 'image' and trained.field.shape[-1] > CHANNELS
        self.kind = kinds.Kind() if many else trained.kind

    def said(self) -> str:
        """Return what happens to images of another size than the data's."""
        height, width = self.field.shape[:2]
        if self.geometry.size:
            return f'images are resized to {height}x{width}, which alone the network takes'
        return (
            'images of any size: mirrored at their edges to a size that the network takes, and cut '
            'back'
        )

    def decode(self, read: Any, name: str) -> np.ndarray:
        """Return an image [H, W, C], integers or floats; raise UserError where it is none."""
        try:
            if name.lower().endswith(ARRAY):
                return self.geometry.fit(array(read(name), name, self.field.span))
            return decode(read(name), self.geometry)
        except (BadImage, Misfit) as error:
            raise UserError(f'{name} {error}') from None

    def __call__(self, name: str, image: np.ndarray, number: int) -> np.ndarray:
        """Return the translation [H, W, C]; `number` of the image has draws of its own.

        It is uint8, or uint16 where the image or the data is.
        """
        height, width = image.shape[:2]
        try:
            size = self.maker.padded(height, width) if self.maker.padded else (height, width)
        except UserError as error:
            raise UserError(f'{name}: {error}') from None
        edges = [(0, after - before) for before, after in zip((height, width), size, strict=True)]
        whole = np.pad(image, (*edges, (0, 0)), mode='symmetric')
        given = {self.source: scale(jax.numpy.asarray(whole[None]), self.field.span)}
        key = jax.random.fold_in(self.key, number)
        made = self.make(self.trained.refined, key, 1, given, None, **self.options)
        # what makes images larger does so to the edges, too
        (high, wide), (above, beside) = made.shape[1:3], size
        cut = made[0, : height * high // above, : width * wide // beside]
        return self.final(cut, image.dtype == np.uint16)

    def final(self, made: jax.Array, deep: bool) -> np.ndarray:
        """Return what was made as it is written; deep: of an image of 16 bits."""
        field = self.trained.field
        if field.kind == 'image' and (deep or self.maker.field in self.trained.deep):
            return to_levels(np.asarray(made), field.span, 'uint16')
        return self.trained.final(made)


def array(content: bytes, name: str, span: str) -> np.ndarray:
    """Return the image [H, W, C] that a .npy file holds; raise UserError where it is none.

    span: the range that floats must be in.
    """
    try:
        image = np.load(io.BytesIO(content), allow_pickle=False)
    # a damaged header fails in any of NumPy's readers
    except Exception as error:
        raise UserError(f'{name} cannot be read: {error}') from None
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or 0 in image.shape:
        raise UserError(f'{name} has shape {image.shape}; an image is [H, W] or [H, W, C]')
    return typed(image, span, name)


def opened(path: str) -> tuple[list[str], Any]:
    """Return the names of images in natural order, and the function that reads one.

    Raises:
      UserError: there is nothing of that name, or no image in it.
    """
    place = pathlib.Path(path).expanduser()
    if place.suffix.lower() in READ and not place.is_dir():
        return [place.name], functools.partial(one, place)
    if not place.exists():
        raise UserError(f"--input='{path}' does not exist; give an image, or a folder of images")
    store = stores.open_store(path)
    names = sorted((n for n in store.names if n.lower().endswith(READ)), key=natural)
    if not names or any(map(stores.outside, names)):
        raise UserError(f"--input='{path}' holds no images named like {', '.join(SUFFIXES[:2])}")
    return names, store.read


def one(place: pathlib.Path, name: str) -> bytes:
    """Return the content of the one file; raise UserError where it cannot be read."""
    del name
    try:
        return files.read_bytes(place, regular.MAX_BYTES)
    except FileNotFoundError:
        raise UserError(f"there is no image '{place}'") from None


def outputs(names: list[str]) -> Iterator[str]:
    """Yield the name of each translation without suffix; with the image's where two share one."""
    stems = [str(pathlib.PurePosixPath(name).with_suffix('')) for name in names]
    counted = collections.Counter(stems)
    for name, stem in zip(names, stems, strict=True):
        yield stem if counted[stem] == 1 else name
