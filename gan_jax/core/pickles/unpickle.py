"""Read containers, strings, numbers, arrays and tensors out of a pickle, and nothing else.

A pickle is a program. This reads its opcodes as data: nothing is imported, and the few functions
that arrays and tensors are pickled with have stand-ins here. Any other name is refused where it
stands, called or not, and so is every opcode that could build an object of another class.
"""

import pickletools
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from gan_jax.core.pickles.standins import CALLS, Array, Call, Name, Type, named, plain, storage

MARK = object()


def _above_mark(stack: list) -> list:
    """Pop everything above the last mark, and the mark."""
    at = max(i for i, value in enumerate(stack) if value is MARK)
    values = stack[at + 1 :]
    del stack[at:]
    return values


def _last(n: int) -> Callable[[list], None]:
    def build(stack: list) -> None:
        values = stack[len(stack) - n :]
        if len(stack) < n or any(value is MARK for value in values):
            raise ValueError('a tuple of less than it should have')
        del stack[len(stack) - n :]
        stack.append(tuple(values))

    return build


def _pairs(values: list) -> dict:
    return dict(zip(map(plain, values[::2]), values[1::2], strict=True))


def _extend(stack: list, values: list) -> None:
    if not isinstance(stack[-1], list):
        raise ValueError('items of something else than a list')
    stack[-1].extend(values)


def _update(stack: list, values: list) -> None:
    if not isinstance(stack[-1], dict):
        raise ValueError('items of something else than a dictionary')
    stack[-1].update(_pairs(values))


def _add(stack: list, values: list) -> None:
    if not isinstance(stack[-1], set):
        raise ValueError('items of something else than a set')
    stack[-1].update(map(plain, values))


def _append(stack: list) -> None:
    value = stack.pop()
    _extend(stack, [value])


def _set_item(stack: list) -> None:
    values = stack[-2:]
    del stack[-2:]
    _update(stack, values)


def _reduce(stack: list) -> None:
    arguments, function = stack.pop(), stack.pop()
    if not isinstance(function, Call):
        raise ValueError('a call of something that is no function of arrays')
    stack.append(function.run(*arguments))


def _build(stack: list) -> None:
    state, target = stack.pop(), stack.pop()
    if isinstance(target, Array | Type):
        target = target.build(state)
    elif not isinstance(target, dict):  # of a state dict this is its _metadata, of no use here
        raise ValueError('a state of something else than an array')
    stack.append(target)


ACTIONS: dict[str, Callable[[list], None]] = {
    'MARK': lambda stack: stack.append(MARK),
    'EMPTY_DICT': lambda stack: stack.append({}),
    'EMPTY_SET': lambda stack: stack.append(set()),
    'EMPTY_LIST': lambda stack: stack.append([]),
    'EMPTY_TUPLE': lambda stack: stack.append(()),
    'NONE': lambda stack: stack.append(None),
    'NEWTRUE': lambda stack: stack.append(True),
    'NEWFALSE': lambda stack: stack.append(False),
    'DICT': lambda stack: stack.append(_pairs(_above_mark(stack))),
    'LIST': lambda stack: stack.append(_above_mark(stack)),
    'TUPLE': lambda stack: stack.append(tuple(_above_mark(stack))),
    'TUPLE1': _last(1),
    'TUPLE2': _last(2),
    'TUPLE3': _last(3),
    'APPEND': _append,
    'APPENDS': lambda stack: _extend(stack, values) if (values := _above_mark(stack)) else None,
    'ADDITEMS': lambda stack: _add(stack, _above_mark(stack)),
    'SETITEM': _set_item,
    'SETITEMS': lambda stack: _update(stack, values) if (values := _above_mark(stack)) else None,
    'REDUCE': _reduce,
    'BUILD': _build,
    'NEWOBJ': _reduce,
    'BINPERSID': lambda stack: stack.append(storage(stack.pop())),
    'PROTO': lambda stack: None,
    'FRAME': lambda stack: None,
}
CONSTANTS = (
    'BINBYTES', 'BINBYTES8', 'BINFLOAT', 'BININT', 'BININT1', 'BININT2', 'BINSTRING', 'BINUNICODE',
    'BINUNICODE8', 'BYTEARRAY8', 'FLOAT', 'INT', 'LONG', 'LONG1', 'SHORT_BINBYTES',
    'SHORT_BINSTRING', 'SHORT_BINUNICODE', 'STRING', 'UNICODE',
)  # fmt: skip
PUTS = ('PUT', 'BINPUT', 'LONG_BINPUT')
GETS = ('GET', 'BINGET', 'LONG_BINGET')


def loads(stream: BinaryIO | bytes, calls: Mapping[Name, Callable[..., Any]] = CALLS) -> Any:
    """Return the value of one pickle, with arrays as np.ndarray and tensors as View.

    Strings of Python 2 are read as Latin-1. A stream is left behind the end of the pickle. calls:
    what it may call, and what is called instead.

    Raises:
      ValueError: it is damaged, or holds anything else; nothing of it has been run.
    """
    try:
        return _interpret(stream, calls)
    except (ValueError, MemoryError) as error:
        raise ValueError(f'{error}' or 'too large') from None
    # a damaged pickle fails in any of the readers
    except Exception as error:
        raise ValueError(f'a damaged pickle ({type(error).__name__})') from None


def _interpret(stream: BinaryIO | bytes, calls: Mapping[Name, Callable[..., Any]]) -> Any:
    stack: list = []
    memo: dict[int, Any] = {}
    argument: Any
    for opcode, argument, _ in pickletools.genops(stream):
        name = opcode.name
        if name == 'STOP':
            return stack.pop()
        if name in CONSTANTS:
            stack.append(argument)
        elif name == 'GLOBAL':
            module, _, called = argument.partition(' ')
            stack.append(named(module, called, calls))
        elif name == 'STACK_GLOBAL':
            called, module = stack.pop(), stack.pop()
            stack.append(named(module, called, calls))
        elif name in PUTS:
            memo[argument] = stack[-1]
        elif name == 'MEMOIZE':
            memo[len(memo)] = stack[-1]
        elif name in GETS:
            kept = memo[argument]
            stack.append(kept.value if isinstance(kept, Array) else kept)
        elif name in ACTIONS:
            ACTIONS[name](stack)
        else:
            raise ValueError(f'the opcode {name}')
    raise ValueError('no end')
