"""Stand-ins for what NumPy arrays and PyTorch tensors are pickled with."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

STORAGES = {
    'DoubleStorage': '<f8',
    'FloatStorage': '<f4',
    'HalfStorage': '<f2',
    'LongStorage': '<i8',
    'IntStorage': '<i4',
    'ShortStorage': '<i2',
    'CharStorage': 'i1',
    'ByteStorage': 'u1',
    'BoolStorage': '?',
}
# NumPy has no more
MOST_AXES = 64
NUMPY_TYPES = ('b1', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'f2', 'f4', 'f8')


class Name(NamedTuple):
    """Stand for a function or class that a pickle names; never imported."""

    module: str
    name: str


class Call(NamedTuple):
    """Stand for a function that a pickle may call, by what is called in its place."""

    run: Callable[..., Any]


class Storage(NamedTuple):
    """Stand for the memory of a tensor: its NumPy type, its key in the file, its elements.

    content: its bytes, where they came with it.
    """

    dtype: str
    key: str
    elements: int
    content: bytes | None = None

    @property
    def nbytes(self) -> int:
        """Return the bytes that the file must have of it."""
        return self.elements * np.dtype(self.dtype).itemsize


class View(NamedTuple):
    """Stand for a tensor: where it lies in a storage, in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Return the bytes of the tensor."""
        return math.prod(self.shape) * np.dtype(self.storage.dtype).itemsize

    def array(self, content: bytes) -> np.ndarray:
        """Return a copy of the tensor; content is all of its storage.

        Raises:
          ValueError: the content is not what the storage is said to have, or the view reaches
            beyond it, or has more elements.
        """
        if len(content) != self.storage.nbytes:
            raise ValueError(f'a storage of {self.storage.nbytes} bytes that has {len(content)}')
        flat = np.frombuffer(content, self.storage.dtype)
        size = math.prod(self.shape)
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        if size > len(flat) or (size and not 0 <= last < len(flat)):
            raise ValueError('a tensor beyond its storage')
        if not size:
            return np.zeros(self.shape, flat.dtype)
        # of a single place the stride is never used, and may be anything
        pairs = zip(self.shape, self.strides, strict=True)
        steps = [s * flat.dtype.itemsize if n > 1 else 0 for n, s in pairs]
        return np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, steps).copy()


@dataclasses.dataclass
class Array:
    """Stand for a NumPy array between the opcodes that make it and fill it."""

    value: np.ndarray | None = None

    def build(self, state: tuple) -> np.ndarray:
        """Take (version, shape, type, Fortran order, content); return the array."""
        _, shape, dtype, fortran, content = state
        self.value = _from_bytes(content, dtype, shape, 'F' if fortran else 'C')
        return self.value


@dataclasses.dataclass
class Type:
    """Stand for a NumPy type such as u1; its byte order comes after it."""

    code: str
    order: str = '='

    def build(self, state: tuple) -> 'Type':
        """Take (version, byte order, ...)."""
        if state[1] not in ('<', '>', '|', '='):
            raise ValueError('a byte order that NumPy does not have')
        self.order = state[1]
        return self


def _is_size(n: Any) -> bool:
    return type(n) is int and 0 <= n < 2**63


def _are_sizes(ns: Any) -> bool:
    return isinstance(ns, tuple) and len(ns) <= MOST_AXES and all(_is_size(n) for n in ns)


def _from_bytes(content: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    if isinstance(content, str):  # bytes of Python 2
        content = content.encode('latin-1')
    if not isinstance(content, bytes | bytearray) or not isinstance(dtype, Type):
        raise ValueError('an array of objects')
    if not _are_sizes(shape):
        raise ValueError('an array whose shape is no tuple of sizes')
    flat = np.frombuffer(content, np.dtype(dtype.order + dtype.code))
    return flat.reshape(shape, order='F' if order == 'F' else 'C')


def _dtype(code: Any, *_: Any) -> Type:
    if not isinstance(code, str) or code not in NUMPY_TYPES:
        raise ValueError('an array of something else than numbers')
    return Type(code)


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != 'latin1':
        raise ValueError('bytes in another encoding than latin1')
    return text.encode('latin-1')


def _tensor(memory: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> View:
    if not isinstance(memory, Storage) or not _is_size(offset):
        raise ValueError('a tensor without a storage')
    if not (_are_sizes(shape) and _are_sizes(strides) and len(shape) == len(strides)):
        raise ValueError('a tensor whose shape or strides are no sizes')
    return View(memory, offset, shape, strides)


def _dict(items: Any = ()) -> dict:
    return dict(items) if isinstance(items, dict) else dict(map(_pair, items))


def _set(items: Any = ()) -> set:
    return set(map(plain, items))


def _scalar(dtype: Any, content: Any) -> Any:
    return _from_bytes(content, dtype, (), 'C').item()


def _pair(item: Any) -> tuple:
    key, value = item
    return plain(key), value


def plain(key: Any) -> Any:
    """Return a key, or an item of a set; raise ValueError for all but texts, bytes and numbers.

    To hash a tuple in a tuple in a tuple ... overflows the stack of the process.
    """
    if not isinstance(key, str | bytes | int | float | None):
        raise ValueError('a dictionary or set whose keys are no texts or numbers')
    return key


# What a pickle may call, and our stand-in for it.
CALLS: dict[Name, Callable[..., Any]] = {
    Name('_codecs', 'encode'): _encode,
    Name('collections', 'OrderedDict'): _dict,
    Name('numpy', 'dtype'): _dtype,
    Name('torch._utils', '_rebuild_tensor_v2'): _tensor,
    Name('torch._utils', '_rebuild_parameter'): lambda data, *_: data,
}
for _module in ('numpy.core', 'numpy._core'):
    CALLS[Name(f'{_module}.multiarray', '_reconstruct')] = lambda *_: Array()
    CALLS[Name(f'{_module}.multiarray', 'scalar')] = _scalar
    CALLS[Name(f'{_module}.numeric', '_frombuffer')] = _from_bytes
for _module in ('builtins', '__builtin__'):
    CALLS[Name(_module, 'set')] = _set
# What it may name as an argument.
ARGUMENTS = {Name('numpy', 'ndarray'), *(Name('torch', kind) for kind in STORAGES)}


def named(module: Any, name: Any, calls: Mapping[Name, Callable[..., Any]]) -> Name | Call:
    """Return the stand-in of a name; raise ValueError for any but those of calls and arguments."""
    if not isinstance(module, str) or not isinstance(name, str):
        raise ValueError('a name that is no text')
    found = Name(module, name)
    if found in calls:
        return Call(calls[found])
    if found not in ARGUMENTS:
        raise ValueError(f'the name {f"{module}.{name}"!r:.80}')
    return found


def storage(reference: Any) -> Storage:
    """Read a persistent id: ('storage', type, key, device, elements[, view])."""
    if not isinstance(reference, tuple) or len(reference) < 5 or reference[0] != 'storage':
        raise ValueError('a reference to something else than a storage')
    _, kind, key, _, count = reference[:5]
    kind = kind.name if isinstance(kind, Name) else kind
    if not isinstance(kind, str) or kind not in STORAGES or not isinstance(key, str | int):
        raise ValueError('a storage of an unknown type')
    if not _is_size(count):
        raise ValueError('a storage without a size')
    return Storage(STORAGES[kind], str(key), count)
