"""Hugging Face data sets: a hub name, or a local folder of parquet files or images."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from gan_jax import errors, regular
from gan_jax.data import stores
from gan_jax.data.encoded import Encoded, Numbered
from gan_jax.data.geometry import Geometry
from gan_jax.data.images import BadImage
from gan_jax.data.keys import COLUMN, DATASET, FIELDS, GEOMETRY, LABELS, ON_ERROR, PATH, SPLIT
from gan_jax.data.labels import UNKNOWN
from gan_jax.data.protocol import LABEL, Example, Field, more_fields
from gan_jax.errors import UserError

INSTALL = "pip install 'gan_jax[hf]'"

KEYS = {**DATASET, **PATH, **SPLIT, **COLUMN, **FIELDS, **LABELS, **GEOMETRY, **ON_ERROR}


class Source(Encoded):
    """Read dataset (a hub name, 'owner/name' or 'owner/name:config') or path (a local folder).

    The image column is found by its type, or named by column; the first class label is the label,
    or the one that labels names. fields: further columns of numbers. split: 'train' by default.
    """

    def __init__(
        self,
        dataset: str = '',
        path: str = '',
        split: str = '',
        column: str = '',
        fields: str = '',
        fit: Geometry | None = None,
        labels: str = 'auto',
        on_error: str = 'raise',
    ):
        name = str(pathlib.Path(path).expanduser()) if path else dataset
        data = opened(name, split or 'train')
        self.column = column_of(data.features, 'Image', column, name)
        self.label = label_of(data.features, labels)
        classes = class_names(self.label, data.features[self.label]) if self.label else ()
        self.more, self.unread = further(data.features, fields, (self.column, self.label))
        # arrow rows keep images encoded, and need no decoder of the library
        self.rows = data.with_format('arrow')
        names = Numbered(f'{name} {split or "train"}', len(data))
        super().__init__(names, fit or Geometry(), None, classes)
        spec = self.survey(on_error == 'raise', name)
        unknown = count_unknown(data, self.label) if self.label else 0
        self.spec = dataclasses.replace(spec, fields={**spec.fields, **self.more}, unknown=unknown)

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

    def cells(self, index: int) -> dict[str, Any]:
        """Return the fields of one example, its image still encoded; raises BadImage."""
        row = self.row(index)
        found: dict[str, Any] = {'image': encoded(row[self.column])}
        if self.label:
            label = UNKNOWN if row[self.label] is None else row[self.label]
            found['label'] = number(label, self.label, LABEL)
        return found | {k: number(row[k], k, field) for k, field in self.more.items()}

    def __getitem__(self, index: int) -> Example:
        found = self.trusted(index, self.cells)
        return {**found, 'image': self.fitted(index, found['image'])}


def count(config: Mapping[str, Any]) -> int:
    """Return the number of examples of a local folder; raises UserError for a hub name."""
    if not config['path']:
        raise UserError(f"data set '{config['dataset']}' is on the hub")
    return len(opened(str(pathlib.Path(config['path']).expanduser()), config['split'] or 'train'))


def number(value: Any, name: str, field: Field) -> np.ndarray:
    """Return a value of a column; raises BadImage where it is absent or too large."""
    if value is None:
        raise BadImage(f'has no {name}')
    try:
        return np.asarray(value, field.dtype)
    except (OverflowError, ValueError, TypeError):
        shown = f'{value!r}'[:40]
        raise BadImage(f'has {name} {shown}, which is no {field.dtype}') from None


def label_of(features: Mapping[str, Any], labels: str) -> str:
    """Return the column of labels: the first class label, or one by name; raises UserError."""
    found = [k for k, f in features.items() if class_names(k, f)]
    if labels == 'auto':
        return next((k for k in found if type(features[k]).__name__ == 'ClassLabel'), '')
    if labels not in ('none', *found):
        raise errors.unknown('config.data.labels', labels, ['auto', 'none', *found])
    return '' if labels == 'none' else labels


def class_names(name: str, feature: Any) -> tuple[str, ...]:
    """Return the names of the classes of a column, () where it has none."""
    if type(feature).__name__ == 'ClassLabel':
        return tuple(feature.names)
    return (f'not {name}', name) if getattr(feature, 'dtype', '') == 'bool' else ()


def further(
    features: Mapping[str, Any], asked: str, read: tuple[str, ...]
) -> tuple[dict[str, Field], list[str]]:
    """Return the further columns of numbers that are asked for, and the names of the unread."""
    there = {k: str(getattr(f, 'dtype', '')) for k, f in features.items() if k not in read}
    kinds = {'bool': 'bool', 'int': 'int32', 'uint': 'int32', 'float': 'float32'}
    dtypes = {k: kinds.get(dtype.rstrip('0123456789'), '') for k, dtype in there.items()}
    usable = {k: Field((), dtype, 'value') for k, dtype in dtypes.items() if dtype}
    chosen = more_fields(asked, usable)
    return {k: usable[k] for k in chosen}, [k for k in there if k not in chosen]


def count_unknown(data: Any, label: str) -> int:
    """Return how many labels of a column are absent or -1."""
    column = data.select_columns([label]).with_format('arrow')[:].column(0).to_pylist()
    return sum(value is None or value == UNKNOWN for value in column)


def encoded(image: dict[str, Any] | None) -> bytes:
    """Return the bytes of an image cell, stored in it or in the file that it names."""
    if image is None:
        raise BadImage('is empty')
    if image['bytes'] is not None:
        return image['bytes']
    try:
        return regular.read_bytes(image['path'])
    except (OSError, TypeError, ValueError) as error:
        why = getattr(error, 'strerror', None) or error
        raise BadImage(f'cannot be read: {why}') from None


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
    if is_local:
        check_files(pathlib.Path(name))
    try:
        return datasets.load_dataset(name if is_local else hub, config or None, split=split)
    # the library raises almost anything, from the network to a damaged file
    except Exception as error:
        line = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise UserError(f"cannot open the data set '{name}', split '{split}': {line}") from None


def check_files(path: pathlib.Path) -> None:
    """Raise UserError for what is no regular file below a folder: the library would hang."""
    for file in map(path.joinpath, stores.Folder(path).names) if path.is_dir() else (path,):
        try:
            regular.open_regular(file, empty=True).close()
        except OSError as error:
            raise UserError(f'cannot read {file}: {error.strerror}') from None


def column_of(features: Any, kind: str, column: str, name: str) -> str:
    """Return the wanted column, or the first of a kind; raises UserError."""
    kinds = {key: type(f).__name__ for key, f in features.items()}
    found = column or next((key for key, k in kinds.items() if k == kind), '')
    if kinds.get(found) != kind:
        there = ', '.join(f'{key} ({k})' for key, k in kinds.items())
        wanted = f"config.data.column='{column}' is no" if column else 'there is no'
        raise UserError(f"'{name}': {wanted} column of images; available: {there}")
    return found
