"""A digest of a data set's content, by which two runs can tell whether they saw the same data."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gan_jax.data.preparation import audit
from gan_jax.data.protocol import Example, Source

# Sets up to this size are hashed whole. It is no key: a run that is resumed with another cache must
# still get the digest that it began with.
WHOLE_BYTES = 2**30
SAMPLE = 256


def digest(source: Source, arrays: Mapping[str, Example] | None = None, threads: int = 0) -> str:
    """Return 'whole:SHA256' of all examples, or 'sample:SHA256' of some where there are more.

    Sets of up to WHOLE_BYTES are hashed whole; of larger ones the length, the classes and SAMPLE
    examples, evenly spread. Names, dtypes, shapes, order and little-endian bytes count; paths, file
    names and versions of libraries do not. Examples that cannot be read are passed over.

    Args:
      source: the examples; those of its `streams`, where it has some, are hashed one by one.
      arrays: what was read of each stream ('' for the only one), instead of reading it again.
      threads: threads that read, 0 for one a core.
    """
    parts: dict[str, Any] = getattr(source, 'streams', None) or {'': source}
    whole = sum(len(s) * s.spec.nbytes for s in parts.values()) <= WHOLE_BYTES
    total = hashlib.sha256()
    for name, part in parts.items():
        if arrays is not None and whole:
            examples: Iterator[Example] = iter([arrays[name]])
        else:
            examples = _read(part, whole, threads)
        total.update(_line([name, len(part), part.spec.classes, _fields(examples)]))
    return f'{"whole" if whole else "sample"}:{total.hexdigest()}'


def _read(source: Source, whole: bool, threads: int) -> Iterator[Example]:
    """Yield a source's examples in batches: all of them, or SAMPLE evenly spread ones."""
    if whole:
        parts = audit.read_all(source, threads)
    else:
        spread = np.unique(np.linspace(0, len(source) - 1, SAMPLE).round().astype(np.int64))
        parts = iter([audit.read_some(source, spread)])
    return (batch for _, batch, _ in parts if batch is not None)


def _fields(batches: Iterator[Example]) -> list[list[Any]]:
    """Return [name, dtype, shape of one, sha256] of each field, however its rows are batched."""
    found: dict[str, tuple[list[Any], Any]] = {}
    for batch in batches:
        for name, values in batch.items():
            head = [name, str(values.dtype), list(values.shape[1:])]
            _, content = found.setdefault(name, (head, hashlib.sha256()))
            little = np.ascontiguousarray(values, values.dtype.newbyteorder('<'))
            content.update(little.view(np.uint8).reshape(-1).data)
    return [[*head, content.hexdigest()] for _, (head, content) in sorted(found.items())]


def _line(value: Any) -> bytes:
    return json.dumps(value).encode() + b'\n'
