"""Read and write .safetensors: a header in JSON, then the arrays; nothing in it can be executed."""

import json
import pathlib
import struct

import numpy as np

from gan_jax.errors import UserError

TYPES = {'F64': '<f8', 'F32': '<f4', 'F16': '<f2', 'I64': '<i8', 'I32': '<i4', 'U8': '|u1'}
NAMES = {np.dtype(code): name for name, code in TYPES.items()}


def encode(arrays: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> bytes:
    """Return the file's bytes; names are sorted, so equal arrays give equal bytes."""
    header: dict = {'__metadata__': dict(sorted((metadata or {}).items()))}
    parts, offset = [], 0
    for name, array in sorted(arrays.items()):
        data = np.ascontiguousarray(array).tobytes()
        span = [offset, offset + len(data)]
        shape = list(array.shape)
        header[name] = {'dtype': NAMES[array.dtype], 'shape': shape, 'data_offsets': span}
        parts.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    return b''.join([struct.pack('<Q', len(text)), text, *parts])


def read(path: str | pathlib.Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return (arrays by name, metadata); raise UserError for a file that is not one."""
    content = pathlib.Path(path).read_bytes()
    try:
        (length,) = struct.unpack('<Q', content[:8])
        header = json.loads(content[8 : 8 + length])
        metadata = header.pop('__metadata__', {})
        data = memoryview(content)[8 + length :]
        return {name: view(data, entry) for name, entry in header.items()}, metadata
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise UserError(f'{path}: not a .safetensors file ({error})') from error


def view(data: memoryview, entry: dict) -> np.ndarray:
    start, stop = entry['data_offsets']
    flat = np.frombuffer(data[start:stop], TYPES[entry['dtype']])
    return flat.reshape(entry['shape'])
