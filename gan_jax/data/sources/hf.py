"""Hugging Face data sets: a hub name, or a local folder of parquet files or images."""

import pathlib
from typing import Any

import numpy as np

from gan_jax.data import geometry
from gan_jax.data.encoded import Encoded, Numbered
from gan_jax.data.images import BadImage
from gan_jax.data.protocol import Example
from gan_jax.errors import UserError

INSTALL = "pip install 'gan_jax[hf]'"


class Source(Encoded):
    """Read dataset (a hub name, 'owner/name' or 'owner/name:config') or path (a local folder).

    The image column is found by its type, or named by column; the first class label is the label.
    split: 'train' by default.
    """

    def __init__(
        self,
        dataset: str = '',
        path: str = '',
        split: str = '',
        column: str = '',
        size: int | str = '',
        crop: str = 'center',
        resize: str = 'lanczos',
        channels: int = 0,
        background: str = 'white',
        labels: str = 'auto',
        on_error: str = 'raise',
    ):
        name = str(pathlib.Path(path).expanduser()) if path else dataset
        data = opened(name, split or 'train')
        self.column = column_of(data.features, 'Image', column, name)
        found = [k for k, f in data.features.items() if type(f).__name__ == 'ClassLabel']
        self.label = found[0] if found and labels != 'none' else ''
        classes = data.features[self.label].names if self.label else ()
        # arrow rows keep images encoded, and need no decoder of the library
        self.rows = data.with_format('arrow')
        fit = geometry.make(size, crop, resize, channels, background)
        super().__init__(Numbered(f'{name} {split or "train"}', len(data)), fit, None, classes)
        self.spec = self.survey(on_error == 'raise', name)

    def read(self, index: int) -> bytes:
        """Return the encoded bytes of an example; raises BadImage."""
        return encoded(self.row(index)[self.column])

    def row(self, index: int) -> dict[str, Any]:
        """Return one row, its image still encoded; raises BadImage."""
        try:
            return self.rows[[int(index)]].to_pylist()[0]
        # damaged parquet fails in any of arrow's readers
        except Exception as error:
            raise BadImage(f'cannot be read: {error}') from None

    def __getitem__(self, index: int) -> Example:
        row = self.trusted(index, self.row)
        data = self.trusted(index, lambda _: encoded(row[self.column]))
        example = {'image': self.fitted(index, data)}
        if self.label:
            example['label'] = self.trusted(index, lambda _: number(row[self.label]))
        return example


def number(label: int | None) -> np.ndarray:
    """Return a class number as int32; raises BadImage where it is absent."""
    if label is None or label < 0:
        raise BadImage('has no label')
    return np.asarray(label, np.int32)


def encoded(image: dict[str, Any] | None) -> bytes:
    """Return the bytes of an image cell, stored in it or in the file that it names."""
    if image is None:
        raise BadImage('is empty')
    if image['bytes'] is not None:
        return image['bytes']
    try:
        return pathlib.Path(image['path']).read_bytes()
    except (OSError, TypeError) as error:
        raise BadImage(f'cannot be read: {error}') from None


def opened(name: str, split: str) -> Any:
    """Load a split of a data set; raises UserError."""
    if not name:
        raise UserError("config.data.dataset='' names no data set; give a hub name, or a path")
    try:
        import datasets
    except ImportError:
        raise UserError(f'Hugging Face data sets need the library datasets: {INSTALL}') from None
    hub, _, config = name.partition(':')
    is_local = pathlib.Path(name).exists()
    try:
        return datasets.load_dataset(name if is_local else hub, config or None, split=split)
    # the library raises almost anything, from the network to a damaged file
    except Exception as error:
        line = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise UserError(f"cannot open the data set '{name}', split '{split}': {line}") from None


def column_of(features: Any, kind: str, column: str, name: str) -> str:
    """Return the wanted column, or the first of a kind; raises UserError."""
    kinds = {key: type(f).__name__ for key, f in features.items()}
    found = column or next((key for key, k in kinds.items() if k == kind), '')
    if kinds.get(found) != kind:
        there = ', '.join(f'{key} ({k})' for key, k in kinds.items())
        wanted = f"config.data.column='{column}' is no" if column else 'there is no'
        raise UserError(f"'{name}': {wanted} column of images; there are: {there}")
    return found
