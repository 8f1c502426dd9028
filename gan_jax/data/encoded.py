"""The common part of all sources of encoded images: survey, decode, check against the spec."""

import collections
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gan_jax.data.geometry import Geometry, Misfit
from gan_jax.data.images import BadImage, decode, header
from gan_jax.data.protocol import BadExample, Example, Spec, image_spec
from gan_jax.errors import UserError

LOOK_AT = 64


class Encoded:
    """Decode examples to one shape. A subclass gives names and read(i)."""

    def __init__(self, names: Sequence[str], geometry: Geometry, labels: list[int] | None, classes):
        self.names = names
        self.geometry = geometry
        self.labels = None if labels is None else np.asarray(labels, np.int32)
        self.classes = tuple(classes)

    def read(self, index: int) -> bytes:
        """Return the encoded bytes of an example; raises BadImage."""
        raise BadImage(f'example {index} has no bytes')

    def survey(self, strict: bool, origin: str) -> Spec:
        """Find the common shape by the headers of some examples, spread over the set.

        Where shapes differ, the most frequent one counts; if strict, UserError names two of them.
        """
        seen: dict[tuple, str] = {}
        votes: collections.Counter = collections.Counter()
        reasons = []
        for index in spread(len(self.names)):
            try:
                shape, dtype = self.look(index)
            except BadImage as error:
                reasons.append(f'{self.names[index]} {error}')
                continue
            votes[shape, dtype] += 1
            seen.setdefault((shape, dtype), self.names[index])
        if not votes:
            raise UserError(f'{origin}: no readable image; {reasons[0]}')
        if strict and len(seen) > 1:
            raise UserError(mixed(seen))
        (shape, dtype), _ = votes.most_common(1)[0]
        self.reference_name = seen[shape, dtype]
        unknown = 0 if self.labels is None else int((self.labels < 0).sum())
        return image_spec(shape, dtype, self.classes, unknown, self.labels is not None or None)

    def look(self, index: int) -> tuple[tuple[int, int, int], str]:
        """Return the shape and dtype that an example will have, by its header."""
        h, w, c, dtype = header(self.read(index))
        try:
            return (*self.geometry.out(h, w), self.geometry.channels or c), dtype
        except Misfit as error:
            raise BadImage(str(error)) from None

    def name(self, index: int) -> str:
        """Return the file name of an example."""
        return self.names[index]

    def original(self, index: int) -> tuple[int, int]:
        """Return the size (H, W) of an example's file, before crop and resize."""
        return header(self.read(index))[:2]

    def __len__(self) -> int:
        return len(self.names)

    def trusted(self, index: int, function: Callable[[int], Any]) -> Any:
        """Call function(index); raises BadExample with the example's name for BadImage."""
        try:
            return function(index)
        except BadImage as error:
            raise BadExample(self.names[index], str(error)) from None

    def fitted(self, index: int, data: bytes) -> np.ndarray:
        """Decode bytes to an image [H, W, C] of the spec's shape; raises BadExample."""
        try:
            image = decode(data, self.geometry)
        except BadImage as error:
            raise BadExample(self.names[index], str(error)) from None
        if image.shape != self.spec.shape or image.dtype != self.spec.dtype:
            raise BadExample(self.names[index], self.odd(image))
        return image

    def odd(self, image: np.ndarray) -> str:
        """Say in what an image differs from the others, and what to do."""
        have, want = image.shape, self.spec.shape
        if have[:2] != want[:2]:
            return (
                f'is {have[0]}x{have[1]}, but {self.reference_name} is {want[0]}x{want[1]}; '
                f'--config.data.size={min(want[:2])} makes all one size'
            )
        if have[2] != want[2]:
            return (
                f'has {have[2]} channels, but {self.reference_name} has {want[2]}; '
                f'--config.data.channels=3 makes all RGB'
            )
        return f'is {image.dtype}, but {self.reference_name} is {self.spec.dtype}'

    def __getitem__(self, index: int) -> Example:
        example = {'image': self.fitted(index, self.trusted(index, self.read))}
        if self.labels is not None:
            example['label'] = self.labels[index]
        return example

    spec: Spec


class Numbered(Sequence):
    """Name examples by number without holding a list of names."""

    def __init__(self, origin: str, n: int):
        self.origin = origin
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: Any) -> str:
        return f'{self.origin}[{index}]'


def spread(n: int) -> list[int]:
    """Return up to LOOK_AT indices spread evenly over range(n)."""
    return sorted({int(i) for i in np.linspace(0, n - 1, min(n, LOOK_AT))})


def mixed(seen: dict[tuple, str]) -> str:
    """Say that two examples differ in shape, and what to do."""
    ((a, a_type), first), ((b, b_type), second) = list(seen.items())[:2]
    if a[:2] != b[:2]:
        return (
            f'images have different sizes: {first} is {a[0]}x{a[1]}, {second} is {b[0]}x{b[1]}; '
            f'--config.data.size={min(a[:2])} (or HxW) makes all one size'
        )
    if a[2] != b[2]:
        return (
            f'images have different channels: {first} has {a[2]}, {second} has {b[2]}; '
            f'--config.data.channels=3 makes all RGB (1 gray, 4 RGBA)'
        )
    return f'images have different depths: {first} is {a_type}, {second} is {b_type}'
