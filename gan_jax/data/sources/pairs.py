"""Pairs of images: side by side in one file, or in two folders, matched by name."""

import dataclasses
import pathlib

import numpy as np

from gan_jax.core import keys
from gan_jax.data import images, stores
from gan_jax.data.geometry import Geometry, Misfit
from gan_jax.data.images import BadImage
from gan_jax.data.keys import GEOMETRY, ON_ERROR, PATH, SPLIT
from gan_jax.data.protocol import BadExample, Example, Field, Spec
from gan_jax.data.sources.folder import Source as Folder
from gan_jax.data.sources.unpaired import find
from gan_jax.errors import UserError
from gan_jax.files import natural

KEYS = {
    **PATH,
    **SPLIT,
    'direction': keys.choice('AtoB', ('AtoB', 'BtoA'), 'Which of a pair is the input.'),
    **GEOMETRY,
    **ON_ERROR,
}


class Source:
    """Give {'input', 'target'} of pairs below a path.

    direction: 'AtoB' takes A, the left half or the folder A, as the input; 'BtoA' the other one.
    split: the folder to read, like 'train'. Size, crop and channels hold for each image of a pair.
    """

    def __init__(
        self,
        path: str = '',
        split: str = '',
        direction: str = 'AtoB',
        fit: Geometry | None = None,
        on_error: str = 'raise',
    ):
        if direction not in ('AtoB', 'BtoA'):
            raise UserError(f"config.data.direction='{direction}' is not allowed; AtoB or BtoA")
        fit = fit or Geometry()
        two = find(stores.open_store(path).names, split)
        if two is None:
            self.parts: Halves | Matched = Halves(path, split, fit, on_error)
        else:
            self.parts = Matched(path, two, fit, on_error)
        self.order = (0, 1) if direction == 'AtoB' else (1, 0)
        source, target = (Field(self.parts.shapes[i], self.parts.dtypes[i]) for i in self.order)
        self.spec = Spec({'input': source, 'target': target}, 'target')

    def __len__(self) -> int:
        return len(self.parts)

    def name(self, index: int) -> str:
        """Return the file name of a pair."""
        return self.parts.name(index)

    def original(self, index: int) -> tuple[int, int]:
        """Return the size (H, W) of a pair's (first) file."""
        return self.parts.original(index)

    def __getitem__(self, index: int) -> Example:
        both = self.parts.both(index)
        return {'input': both[self.order[0]], 'target': both[self.order[1]]}


class Halves:
    """Pairs that lie side by side in one file: A left, B right."""

    def __init__(self, path: str, split: str, fit: Geometry, on_error: str):
        self.files = Folder(
            path, split, Geometry(channels=fit.channels), labels='none', on_error=on_error
        )
        self.fit = fit
        h, w, c = self.files.spec.shape
        self.dtypes = [self.files.spec.dtype] * 2
        try:
            height, width = fit.out(h, w // 2)
        except Misfit as error:
            raise UserError(f'{path}: each half {error}') from None
        # each half is fitted, so files may differ in size where a size is given
        self.files.geometry = dataclasses.replace(fit, size=None, crop='none')
        self.shapes = [(height, width, c), (height, width, c)]

    def __len__(self) -> int:
        return len(self.files)

    def name(self, index: int) -> str:
        """Return the file name of a pair."""
        return self.files.name(index)

    def original(self, index: int) -> tuple[int, int]:
        """Return the size (H, W) of a pair's file."""
        return self.files.original(index)

    def both(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the two halves; raises BadExample."""
        try:
            image = images.decode(self.files.read(index), self.files.geometry)
            if image.shape[1] % 2:
                raise BadImage(f'is {image.shape[1]} pixels wide, which has no two halves')
            half = image.shape[1] // 2
            a, b = self.fit.fit(image[:, :half]), self.fit.fit(image[:, half:])
            if a.shape != self.shapes[0] or a.dtype != self.dtypes[0]:
                raise BadImage(f'has halves {a.shape}, the others {self.shapes[0]}')
        except (BadImage, Misfit) as error:
            raise BadExample(self.name(index), str(error)) from None
        return a, b


class Matched:
    """Pairs of files in two folders that have the same name, whatever its suffix."""

    def __init__(self, path: str, two: tuple[str, str], fit: Geometry, on_error: str):
        self.sides = [Folder(path, part, fit, labels='none', on_error=on_error) for part in two]
        stems = [{stem(n): i for i, n in enumerate(s.names)} for s in self.sides]
        alone = sorted(stems[0].keys() ^ stems[1].keys(), key=natural)
        if alone:
            raise UserError(
                f'{path}: {len(alone)} images of {two[0]} and {two[1]} have no partner, '
                f"e.g. '{alone[0]}'"
            )
        order = sorted(stems[0], key=natural)
        self.index = [[of[name] for name in order] for of in stems]
        self.shapes = [s.spec.shape for s in self.sides]
        self.dtypes = [s.spec.dtype for s in self.sides]

    def __len__(self) -> int:
        return len(self.index[0])

    def name(self, index: int) -> str:
        """Return the file name of a pair's first image."""
        return self.sides[0].name(self.index[0][index])

    def original(self, index: int) -> tuple[int, int]:
        """Return the size (H, W) of a pair's first file."""
        return self.sides[0].original(self.index[0][index])

    def both(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the two images; raises BadExample."""
        a, b = (s[i[index]]['image'] for s, i in zip(self.sides, self.index, strict=True))
        return a, b


def stem(name: str) -> str:
    """Return a name without its suffix."""
    return str(pathlib.PurePosixPath(name).with_suffix(''))
