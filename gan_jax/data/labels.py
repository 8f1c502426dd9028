"""Labels of image files: class folders, dataset.json (NVIDIA's format), or a CSV."""

import csv
import io
import pathlib
from collections.abc import Iterable
from typing import Any

from gan_jax import documents, regular
from gan_jax.errors import UserError
from gan_jax.files import natural

# folders of these names part a set; they are no classes
SPLITS = {'train', 'test', 'val', 'valid', 'validation', 'training', 'testing'}


# the label of an example whose class nobody knows
UNKNOWN = -1
# Numbers name this many classes in any set: those of ImageNet-21k, thrice.
MOST_CLASSES = 2**16
# of a label, in a message
SHOWN = 20


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
    found = documents.parse(text, origin, dict).get('labels', '')
    if found is None:
        return None
    if documents.mismatch(found, [[object]]) or any(len(pair) != 2 for pair in found):
        raise UserError(f'{origin} is not {{"labels": [["name.png", 0], ...]}}')
    for name, label in found:
        if type(label) is not int or label < UNKNOWN:
            shown = repr(label)[:SHOWN]
            raise UserError(f'{origin}: the label of {name} is {shown}, not a class number')
    of = joined(((str(name), label) for name, label in found), origin)
    return Labels(of, numbered(max(of.values(), default=UNKNOWN), len(of), origin), origin)


def joined(pairs: Iterable[tuple[str, int]], origin: str) -> dict[str, int]:
    """Return {name: label}; raises UserError where a name has two labels."""
    of: dict[str, int] = {}
    for name, label in pairs:
        if of.setdefault(name, label) != label:
            raise UserError(f'{origin}: {name} has two labels, {of[name]} and {label}')
    return of


def numbered(largest: int, examples: int, origin: str) -> tuple[str, ...]:
    """Return the names of classes that have numbers up to the largest label.

    Raises:
      UserError: that are more classes than a set of so many examples can have.
    """
    most = max(MOST_CLASSES, examples)
    if largest >= most:
        shown = f'{largest}'
        shown = shown if len(shown) <= SHOWN else f'{shown[:SHOWN]}...'
        raise UserError(
            f'{origin}: the label {shown} is too large: labels of {examples} examples are from 0 '
            f'to {most - 1}'
        )
    return tuple(map(str, range(largest + 1)))


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
    number = {c: i for i, c in enumerate(sorted(known, key=natural))}
    classes = tuple(number)
    if numbers:
        number = {v: whole(v) for v in known}
        classes = numbered(max(number.values(), default=UNKNOWN), len(rows), origin)
    labels = (number.get(value, UNKNOWN) for value in values)
    keys = (full.get(name, name) for name in (row[0].strip() for row in rows))
    return Labels(joined(zip(keys, labels, strict=True), origin), classes, origin)


def whole(digits: str) -> int:
    """Return a number of digits; of one that is no label anyway, of thousands, only the first."""
    return int(digits.lstrip('0')[: SHOWN + 1] or 0)


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
