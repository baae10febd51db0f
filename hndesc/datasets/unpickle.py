"""Reading pickles of published ground truth without ever running what they ask for.

The decoder below knows the opcodes that numbers, strings, plain containers and numeric numpy arrays are made of, of any
protocol (Python 2 included), and nothing else. No name in the file is ever imported: the few that are allowed stand for
functions of `hndesc.datasets.pickled_arrays`. Memory is bounded by the length of the file.
"""

import codecs
import io
import os
import pickletools
import struct
from pathlib import Path
from typing import Any

import numpy as np

from hndesc.datasets.pickled_arrays import (
    CALLABLES,
    NAMES,
    SCALARS,
    Dtype,
    Refused,
    scalar_frozenset,
    scalar_set,
    set_array,
)
from hndesc.errors import HndescError

MAX_OPCODES = 50_000_000
_PUSH = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    }
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set, "EMPTY_TUPLE": tuple}
_MALFORMED = (ValueError, TypeError, KeyError, IndexError, OverflowError, UnicodeError, struct.error)


def load_pickle(path: str | os.PathLike) -> Any:
    """Read a pickle of plain containers, str, bytes, int, float, bool, None and numeric numpy arrays.

    Strings of Python 2 come back as str (latin-1), numpy scalars as Python numbers.

    Raises:
        HndescError: missing or cut-short file, or one that asks for anything else: the message names the file and what
            it asks for. Nothing of it has been run then.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise HndescError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return _Decoder(data).run()
    except Refused as error:
        raise HndescError(
            f"{path}: refused, as it asks for {error}; only numbers, strings, plain containers and numeric "
            "numpy arrays are read from a pickle"
        ) from None
    except _MALFORMED as error:
        raise HndescError(f"{path}: not a complete pickle ({error}); get or make the file again") from None


class _Mark:
    """Where the items of a container begin on the stack."""


class _Name(str):
    """A dotted name that the pickle refers to; kept as text."""


class _Decoder:
    """A stack machine for the opcodes of plain data."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        for _ in range(MAX_OPCODES):
            name, argument = self._next()
            if name == "STOP":
                return self._result()
            self._step(name, argument)
        raise Refused(f"more than {MAX_OPCODES} operations")

    def _next(self) -> tuple[str, Any]:
        code = self._stream.read(1)
        opcode = pickletools.code2op.get(code.decode("latin-1")) if code else None
        if opcode is None:
            raise ValueError(f"byte {code!r} at position {self._stream.tell()} is no opcode" if code else "cut short")
        if opcode.name == "STRING":
            return opcode.name, self._quoted()
        return opcode.name, opcode.arg.reader(self._stream) if opcode.arg else None

    def _quoted(self) -> str:
        line = self._stream.readline().strip()
        if len(line) < 2 or line[:1] not in (b"'", b'"') or line[:1] != line[-1:]:
            raise ValueError("a string without quotes")
        return codecs.escape_decode(line[1:-1])[0].decode("latin-1")

    def _result(self) -> Any:
        value = self._stack.pop()
        seen: set[int] = set()
        waiting = [value]
        while waiting:
            item = waiting.pop()
            if isinstance(item, _Mark | _Name | Dtype):
                raise Refused(f"a bare {item!s:.80}" if isinstance(item, _Name) else "a bare numpy dtype")
            if isinstance(item, list | tuple | dict) and id(item) not in seen:
                seen.add(id(item))
                waiting.extend(item.values() if isinstance(item, dict) else item)
        return value

    def _step(self, name: str, argument: Any) -> None:
        if name in _PUSH:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self._stack.append(_EMPTY[name]())
        else:
            handler = getattr(self, f"_do_{name.lower()}", None)
            if handler is None:
                raise Refused(f"the opcode {name} ({argument!r:.80})" if argument is not None else f"the opcode {name}")
            handler(argument)

    def _pop_to_mark(self) -> list[Any]:
        items = []
        while not isinstance(item := self._stack.pop(), _Mark):
            items.append(item)
        return items[::-1]

    def _top(self, kind: type) -> Any:
        if type(self._stack[-1]) is not kind:
            raise ValueError(f"{type(self._stack[-1]).__name__} where a {kind.__name__} is due")
        return self._stack[-1]

    # Framing and memo. The memo is a dictionary: an index costs nothing, however large.
    def _do_proto(self, version: int) -> None:
        if version > 5:
            raise ValueError(f"unknown protocol {version}")

    def _do_frame(self, _: int) -> None:
        pass

    def _do_readonly_buffer(self, _: None) -> None:
        pass

    def _do_memoize(self, _: None) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _do_put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _do_get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    _do_binput = _do_long_binput = _do_put
    _do_binget = _do_long_binget = _do_get

    def _do_mark(self, _: None) -> None:
        self._stack.append(_Mark())

    # Containers.
    def _do_tuple(self, _: None) -> None:
        self._stack.append(tuple(self._pop_to_mark()))

    def _do_tuple1(self, _: None, length: int = 1) -> None:
        if len(self._stack) < length:
            raise ValueError("empty stack")
        self._stack[-length:] = [tuple(self._stack[-length:])]

    def _do_tuple2(self, _: None) -> None:
        self._do_tuple1(None, 2)

    def _do_tuple3(self, _: None) -> None:
        self._do_tuple1(None, 3)

    def _do_list(self, _: None) -> None:
        self._stack.append(self._pop_to_mark())

    def _do_append(self, _: None) -> None:
        item = self._stack.pop()
        self._top(list).append(item)

    def _do_appends(self, _: None) -> None:
        items = self._pop_to_mark()
        self._top(list).extend(items)

    def _do_dict(self, _: None) -> None:
        items = self._pop_to_mark()
        self._stack.append({})
        self._fill(items)

    def _do_setitem(self, _: None) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._fill([key, value])

    def _do_setitems(self, _: None) -> None:
        self._fill(self._pop_to_mark())

    def _fill(self, items: list[Any]) -> None:
        target = self._top(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in SCALARS:
                raise Refused(f"a dictionary key of type {type(key).__name__}")
            target[key] = value

    def _do_additems(self, _: None) -> None:
        items = self._pop_to_mark()
        self._top(set).update(scalar_set(items))

    def _do_frozenset(self, _: None) -> None:
        self._stack.append(scalar_frozenset(self._pop_to_mark()))

    # Names and the calls of them.
    def _do_global(self, name: str) -> None:
        dotted = ".".join(name.split(" ", 1))
        if dotted not in NAMES:
            raise Refused(f"'{dotted:.120}'")
        self._stack.append(_Name(dotted))

    def _do_stack_global(self, _: None) -> None:
        attribute, module = self._stack.pop(), self._stack.pop()
        self._do_global(f"{module} {attribute}")

    def _do_reduce(self, _: None) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if not isinstance(function, _Name) or function not in CALLABLES or not isinstance(arguments, tuple):
            raise Refused(f"a call of {function!s:.80}" if isinstance(function, _Name) else "a call of an object")
        self._stack.append(CALLABLES[function](*arguments))

    def _do_build(self, _: None) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if type(target) is np.ndarray and isinstance(state, tuple):
            set_array(target, state)
        elif type(target) is Dtype:
            target.set_state(state)
        else:
            raise Refused(f"the state of a {type(target).__name__}")
