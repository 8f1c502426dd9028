"""Records of prepared shards: the bytes of an example's arrays, one after the other."""

import dataclasses
import pathlib
import re
from typing import Any

import numpy as np

from gan_jax import documents
from gan_jax.data.protocol import SPEC, Example, Spec
from gan_jax.errors import UserError

MANIFEST = 'manifest.json'
VERSION = 2
# one record a group, as they are: any record is one read, without unpacking its neighbours
OPTIONS = 'group_size:1,uncompressed,transpose:false'
SHARD_BYTES = 2**26
# What is read of a manifest; the rest is for people.
SHARD = {'name': str, 'count': int, 'bytes': int, 'digest': str}
FORM = {
    'spec': SPEC,
    'unknown': int,
    'count': int,
    'digest': str,
    'source': (str, None),
    'shards': [SHARD],
}


def layout(spec: Spec) -> list[tuple[str, tuple[int, ...], str]]:
    """Return (name, shape, dtype) of the arrays in a record."""
    return [(name, field.shape, field.dtype) for name, field in spec.fields.items()]


def record_bytes(spec: Spec) -> int:
    """Return the length of a record in bytes."""
    return spec.nbytes


def pack(example: Example, spec: Spec) -> bytes:
    """Return the record of one example; numbers are little-endian."""
    return b''.join(
        np.asarray(example[name], np.dtype(dtype).newbyteorder('<')).tobytes()
        for name, _, dtype in layout(spec)
    )


def unpack(records: list[bytes], spec: Spec) -> Example:
    """Return the batch of records."""
    table = np.frombuffer(b''.join(records), np.uint8).reshape(len(records), record_bytes(spec))
    batch, start = {}, 0
    for name, shape, dtype in layout(spec):
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        part = np.ascontiguousarray(table[:, start : start + size])
        batch[name] = part.view(np.dtype(dtype).newbyteorder('<')).reshape(len(records), *shape)
        start += size
    return batch


def shard_name(number: int, count: int) -> str:
    """Return the file name of a shard."""
    return f'images-{number:05d}-of-{count:05d}.array_record'


def spec_of(manifest: dict[str, Any]) -> Spec:
    """Return the spec that a manifest describes."""
    return dataclasses.replace(Spec.from_json(manifest['spec']), unknown=manifest['unknown'])


def read_manifest(folder: pathlib.Path) -> dict[str, Any]:
    """Return a folder's manifest.

    Raises:
      UserError: it is absent, damaged, of another version, or contradicts itself.
    """
    path = folder / MANIFEST
    try:
        manifest = documents.read(path, {'version': int})
    except FileNotFoundError:
        raise UserError(
            f'{folder} holds no prepared set (no {MANIFEST}); make one by '
            f'python -m gan_jax.data prepare SRC {folder} --size=64'
        ) from None
    if manifest['version'] != VERSION:
        raise UserError(
            f'{path} has version {manifest["version"]}, this reads {VERSION}: prepare it again '
            f'from {manifest.get("source")}'
        )
    wrong = documents.mismatch(manifest, FORM) or _contradiction(manifest)
    if wrong:
        raise UserError(f'{path} cannot be read: {wrong}')
    return manifest


def _contradiction(manifest: dict[str, Any]) -> str:
    """Return what cannot be true of a manifest, '' where nothing is found."""
    try:
        spec = spec_of(manifest)
    except ValueError as error:
        return f'spec: {error}'
    for shard in manifest['shards']:
        name = shard['name']
        least = shard['count'] * record_bytes(spec)
        if not re.fullmatch(r'[\w.-]+\.array_record', name):
            return f'{name!r} is no name of a shard in this folder'
        if shard['count'] < 1:
            return f'{name} has a count of {shard["count"]}'
        if shard['bytes'] < least:
            return f'{name} has {shard["bytes"]} bytes, but its examples take {least}'
    total = sum(shard['count'] for shard in manifest['shards'])
    if total != manifest['count']:
        return f'its count is {manifest["count"]}, that of its shards {total}'
    return ''
