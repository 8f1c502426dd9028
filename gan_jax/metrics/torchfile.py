"""Read the arrays of a PyTorch checkpoint without PyTorch and without running its pickle.

A pickle is a program. This reads its opcodes as data: containers, strings and numbers are rebuilt,
and of everything that a pickle could call only the tensor and the ordered dictionary of a state
dict are known. Any other name, and any other opcode, is an error before anything happens.
"""

import io
import pathlib
import pickletools
import struct
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from gan_jax.errors import UserError

STORAGES = {
    'DoubleStorage': '<f8',
    'FloatStorage': '<f4',
    'HalfStorage': '<f2',
    'LongStorage': '<i8',
    'IntStorage': '<i4',
    'ByteStorage': 'u1',
}
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


class Name(NamedTuple):
    """Stand for an object that the pickle names, such as `torch FloatStorage`; never imported."""

    module: str
    name: str


class Storage(NamedTuple):
    """Stand for a storage that a tensor views: its numpy type and its key in the file."""

    dtype: str
    key: str


class View(NamedTuple):
    """Stand for a tensor: where it lies in a storage, in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def storage(args: tuple) -> Storage:
    """Read a persistent id: ('storage', type, key, device, elements[, view])."""
    kind = args[1].name if isinstance(args[1], Name) and args[1].module == 'torch' else args[1]
    if args[0] != 'storage' or kind not in STORAGES:
        raise ValueError(f'storage of type {kind}')
    return Storage(STORAGES[kind], str(args[2]))


def call(function: Any, args: tuple) -> Any:
    """Stand in for the three calls that a state dict needs."""
    if function == Name('collections', 'OrderedDict'):
        return dict(*args)
    if function == Name('torch._utils', '_rebuild_tensor_v2'):
        return View(*args[:4])
    if function == Name('torch._utils', '_rebuild_parameter'):
        return args[0]
    raise ValueError(f'call of {function}')


MARK = object()


def items(stack: list) -> list:
    """Pop everything above the last mark, and the mark."""
    at = max(i for i, value in enumerate(stack) if value is MARK)
    values = stack[at + 1 :]
    del stack[at:]
    return values


def tuple_of(n: int):
    def build(stack: list) -> None:
        values = stack[len(stack) - n :]
        del stack[len(stack) - n :]
        stack.append(tuple(values))

    return build


def set_items(stack: list) -> None:
    values = items(stack)
    stack[-1].update(zip(values[::2], values[1::2], strict=True))


def set_item(stack: list) -> None:
    value, key = stack.pop(), stack.pop()
    stack[-1][key] = value


def reduce(stack: list) -> None:
    args, function = stack.pop(), stack.pop()
    stack.append(call(function, args))


ACTIONS = {
    'MARK': lambda stack: stack.append(MARK),
    'EMPTY_DICT': lambda stack: stack.append({}),
    'EMPTY_LIST': lambda stack: stack.append([]),
    'EMPTY_TUPLE': lambda stack: stack.append(()),
    'NONE': lambda stack: stack.append(None),
    'NEWTRUE': lambda stack: stack.append(True),
    'NEWFALSE': lambda stack: stack.append(False),
    'TUPLE': lambda stack: stack.append(tuple(items(stack))),
    'TUPLE1': tuple_of(1),
    'TUPLE2': tuple_of(2),
    'TUPLE3': tuple_of(3),
    'APPEND': lambda stack: stack[-2].append(stack.pop()),
    'APPENDS': lambda stack: (values := items(stack), stack[-1].extend(values)),
    'SETITEM': set_item,
    'SETITEMS': set_items,
    'REDUCE': reduce,
    # an attribute of the dictionary, `_metadata`: of no use here
    'BUILD': lambda stack: stack.pop(),
    'BINPERSID': lambda stack: stack.append(storage(stack.pop())),
    'PROTO': lambda stack: None,
    'FRAME': lambda stack: None,
}
NUMBERS = ('BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT', 'BINUNICODE', 'SHORT_BINUNICODE')


def parse(stream: BinaryIO | bytes) -> Any:
    """Rebuild the value of one pickle from its opcodes; raise ValueError at anything unknown."""
    stack: list = []
    memo: dict[int, Any] = {}
    argument: Any
    for opcode, argument, _ in pickletools.genops(stream):
        name = opcode.name
        if name == 'STOP':
            return stack.pop()
        if name in NUMBERS:
            stack.append(argument)
        elif name == 'GLOBAL':
            stack.append(Name(*argument.split(' ')))
        elif name in ('BINPUT', 'LONG_BINPUT'):
            memo[argument] = stack[-1]
        elif name == 'MEMOIZE':
            memo[len(memo)] = stack[-1]
        elif name in ('BINGET', 'LONG_BINGET'):
            stack.append(memo[argument])
        elif name in ACTIONS:
            ACTIONS[name](stack)
        else:
            raise ValueError(f'opcode {name}')
    raise ValueError('no end')


def arrays(tree: dict, storages: dict[str, bytes]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the tensors of a state dict as arrays."""
    for name, view in tree.items():
        if not isinstance(view, View):
            continue
        flat = np.frombuffer(storages[view.storage.key], view.storage.dtype)
        size = flat.dtype.itemsize
        last = view.offset + sum((n - 1) * s for n, s in zip(view.shape, view.strides, strict=True))
        if min(view.shape, default=1) > 0 and not 0 <= last < len(flat):
            raise ValueError(f'{name} beyond its storage')
        strides = [s * size for s in view.strides]
        array = np.lib.stride_tricks.as_strided(flat[view.offset :], view.shape, strides)
        yield name, np.array(array)


def read_zip(file: zipfile.ZipFile) -> dict[str, np.ndarray]:
    """Read the format of PyTorch 1.6 and later: a zip with data.pkl and one file per storage."""
    (pickle,) = [name for name in file.namelist() if name.split('/', 1)[-1] == 'data.pkl']
    root = pickle[: -len('data.pkl')]
    prefix = f'{root}data/'
    names = [name for name in file.namelist() if name.startswith(prefix)]
    storages = {name[len(prefix) :]: file.read(name) for name in names}
    return dict(arrays(parse(file.read(pickle)), storages))


def read_legacy(stream: BinaryIO) -> dict[str, np.ndarray]:
    """Read the older format: five pickles in a row, then each storage with its element count."""
    magic, _, _ = (parse(stream) for _ in range(3))
    if magic != LEGACY_MAGIC:
        raise ValueError('unknown magic number')
    tree = parse(stream)
    sizes = {v.storage.key: np.dtype(v.storage.dtype).itemsize for v in tree.values()}
    storages = {}
    for key in parse(stream):
        (count,) = struct.unpack('<q', stream.read(8))
        storages[key] = stream.read(count * sizes[key])
    return dict(arrays(tree, storages))


def read(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """Return the arrays of a state dict that torch.save wrote, by name.

    Raises:
      UserError: for a file that is not one, or whose pickle holds more than tensors.
    """
    content = pathlib.Path(path).read_bytes()
    try:
        if zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as file:
                return read_zip(file)
        return read_legacy(io.BytesIO(content))
    except (ValueError, KeyError, IndexError, TypeError, struct.error, zipfile.BadZipFile) as error:
        raise UserError(f'{path}: not a state dict of tensors alone ({error})') from error
