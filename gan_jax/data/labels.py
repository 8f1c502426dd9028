"""Labels of image files: class folders, dataset.json (NVIDIA's format), or a CSV."""

import csv
import io
import json
import pathlib
from typing import Any

from gan_jax import regular
from gan_jax.errors import UserError
from gan_jax.files import natural

# folders of these names part a set; they are no classes
SPLITS = {'train', 'test', 'val', 'valid', 'validation', 'training', 'testing'}


# the label of an example whose class nobody knows
UNKNOWN = -1


class Labels:
    """Give each file name its label, or UNKNOWN; classes are the names of labels 0, 1, ..."""

    def __init__(self, of: dict[str, int], classes: tuple[str, ...], origin: str):
        self.of = of
        self.classes = classes
        self.origin = origin


def folder_of(name: str) -> str:
    """Return the class folder of a file name: the first folder that is no split; '' for none."""
    parts = [p for p in name.split('/')[:-1] if p.lower() not in SPLITS]
    return parts[0] if parts else ''


def from_folders(names: list[str]) -> Labels | None:
    """Label files by their class folder; None unless all are in one of two or more."""
    folders = [folder_of(name) for name in names]
    classes = sorted(set(folders), key=natural)
    if '' in classes or len(classes) < 2:
        return None
    number = {c: i for i, c in enumerate(classes)}
    of = {name: number[f] for name, f in zip(names, folders, strict=True)}
    return Labels(of, tuple(classes), 'class folders')


def from_json(text: bytes, origin: str) -> Labels | None:
    """Read {"labels": [[name, number], ...]}; None where labels is null."""
    try:
        entries = json.loads(text)['labels']
        if entries is None:
            return None
        of = {str(name): label for name, label in entries}
    except (ValueError, KeyError, TypeError):
        raise UserError(f'{origin} is not {{"labels": [["name.png", 0], ...]}}') from None
    for name, label in of.items():
        if not isinstance(label, int) or label < UNKNOWN:
            raise UserError(f'{origin}: the label of {name} is {label!r}, not a class number')
    classes = tuple(str(i) for i in range(max(of.values(), default=-1) + 1))
    return Labels(of, classes, origin)


def from_csv(text: bytes, names: list[str], origin: str) -> Labels:
    """Read rows of file, label: numbers or names, -1 for unknown; a first row may be titles."""
    try:
        rows = [r for r in csv.reader(io.StringIO(text.decode('utf-8-sig'))) if r]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f'{origin} is no CSV: {error}') from None
    if any(len(row) < 2 for row in rows):
        raise UserError(f'{origin} needs two columns: file, label')
    full = {name: name for name in names} | {pathlib.PurePosixPath(n).name: n for n in names}
    if rows and rows[0][0].strip() not in full:
        rows = rows[1:]
    values = [row[1].strip() for row in rows]
    known = {v for v in values if v != str(UNKNOWN)}
    numbers = all(v.isascii() and v.isdigit() for v in known)
    count = max(map(int, known), default=-1) + 1 if numbers else 0
    classes = [str(i) for i in range(count)] if numbers else sorted(known, key=natural)
    number = {c: i for i, c in enumerate(classes)}
    of = {}
    for row, value in zip(rows, values, strict=True):
        name, label = row[0].strip(), UNKNOWN
        if value in known:
            label = int(value) if numbers else number[value]
        of[full.get(name, name)] = label
    return Labels(of, tuple(classes), origin)


def find(store: Any, names: list[str], prefix: str, labels: str) -> Labels | None:
    """Return the labels of image files, or None where there are none.

    labels: 'auto' looks for dataset.json, then labels.csv beside the images, then class folders;
    'none' wants none; anything else is a CSV, in the store or on disk. prefix + name is the name
    in the store. Raises UserError where the wanted labels are absent or unreadable.
    """
    if labels == 'none':
        return None
    if labels != 'auto':
        return from_csv(read_table(store, prefix, labels), names, labels)
    here = set(store.names)
    if prefix + 'dataset.json' in here:
        return from_json(store.read(prefix + 'dataset.json'), 'dataset.json')
    if prefix + 'labels.csv' in here:
        return from_csv(store.read(prefix + 'labels.csv'), names, 'labels.csv')
    return from_folders(names)


def read_table(store: Any, prefix: str, labels: str) -> bytes:
    """Return the bytes of a CSV of labels, from the store or from disk."""
    for name in (prefix + labels, labels):
        if name in store.names:
            return store.read(name)
    try:
        return regular.read_bytes(labels)
    except FileNotFoundError:
        raise UserError(
            f"config.data.labels='{labels}' is neither auto, none, nor a CSV of labels"
        ) from None
    except OSError as error:
        raise UserError(f"config.data.labels='{labels}' cannot be read: {error.strerror}") from None
