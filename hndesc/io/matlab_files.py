"""Reading texts from struct arrays of MATLAB files (version 5 to 7), within bounded time and memory.

Published rankings need structs, cells and texts only. `scipy.io.loadmat` reads all that MATLAB writes, but trusts sizes
and nesting: 20,000 cells within each other end the process by a segmentation fault, and 200 bytes that announce 2^29
values take 4 GB and 25 s before they are refused. It would need a process of its own with limits of memory and time.
Format: MAT-File Level 5, as documented by MathWorks.
"""

import math
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hndesc.errors import HndescError

MAX_BYTES = 100_000_000
MAX_VALUES = 2_000_000
_HEADER = 128
_MAX_DEPTH = 5
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_BROKEN = (ValueError, struct.error, zlib.error, IndexError, OverflowError, MemoryError)


def read_struct_array(path: str | os.PathLike, name: str) -> list[dict[str, Any]]:
    """Read a struct array.

    Args:
        path: file that MATLAB (`save -v7`) or SciPy wrote.
        name: of the variable.

    Returns:
        For each struct the values of its fields, in their order: a text for one row of characters, a list of texts for
        more, a list for a cell array, a list of dictionaries for a struct array, None for anything else.

    Raises:
        HndescError: no such file or variable, or a broken file.
    """
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        value = _Reader(data).variable(name)
    except OSError as error:
        raise HndescError(f"{path}: cannot be read ({error.strerror})") from None
    except _BROKEN as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise HndescError(f"{path}: not a MATLAB file of version 5 to 7 ({reason}); get it again") from None
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise HndescError(f"{path}: has no struct array '{name}'")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        if len(data) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} bytes")
        mark = data[_HEADER - 2 : _HEADER]
        if not data.startswith(b"MATLAB") or mark not in (b"IM", b"MI"):
            raise ValueError("another header")
        self._order = "<" if mark == b"IM" else ">"
        self._data = memoryview(data)[_HEADER:]
        self._values = 0

    def variable(self, name: str) -> Any:
        """Return the value of the first variable of a name; None if there is none."""
        for kind, body in self._elements(self._data):
            if kind == _COMPRESSED:
                kind, body = next(self._elements(_inflate(body)), (0, body))
            if kind == _MATRIX and bytes(self._parts(body, 3)[2]) == name.encode():
                return self._matrix(body, 0)
        return None

    def _elements(self, data: memoryview) -> Iterator[tuple[int, memoryview]]:
        position = 0
        while position < len(data):
            kind, size = struct.unpack_from(f"{self._order}II", data, position)
            start = position + 8
            if kind >> 16:  # four bytes at most, in the place of the size
                kind, size, start = kind & 0xFFFF, kind >> 16, position + 4
            if start + size > len(data) or (start == position + 4 and size > 4):
                raise ValueError("a value longer than what holds it")
            self._values += 1
            if self._values > MAX_VALUES:
                raise ValueError(f"more than {MAX_VALUES} values")
            yield kind, data[start : start + size]
            position = position + 8 if start == position + 4 else start + size
            if kind != _COMPRESSED:
                position += -position % 8

    def _parts(self, data: memoryview, count: int) -> list[memoryview]:
        parts = [part for _, (_, part) in zip(range(count), self._elements(data), strict=False)]
        if len(parts) < count:
            raise ValueError("a value without a header")
        return parts

    def _matrix(self, data: memoryview, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise ValueError(f"values nested deeper than {_MAX_DEPTH} levels")
        if not data:
            return None
        flags, sides, _ = self._parts(data, 3)
        kind = struct.unpack_from(f"{self._order}I", flags)[0] & 0xFF
        shape = struct.unpack(f"{self._order}{len(sides) // 4}i", sides)
        if any(side < 0 for side in shape) or math.prod(shape) > len(data):
            raise ValueError("an impossible shape")
        rest = list(self._elements(data))[3:]
        if kind == _CELL:
            return self._values_of(rest, math.prod(shape), depth)
        if kind == _STRUCT:
            return self._structs(rest, math.prod(shape), depth)
        return self._text(rest, shape) if kind == _CHAR else None

    def _values_of(self, elements: list[tuple[int, memoryview]], count: int, depth: int) -> list[Any]:
        if len(elements) != count or any(kind != _MATRIX for kind, _ in elements):
            raise ValueError("another number of values than announced")
        return [self._matrix(body, depth + 1) for _, body in elements]

    def _structs(self, elements: list[tuple[int, memoryview]], count: int, depth: int) -> list[dict[str, Any]]:
        (_, length), (_, names) = elements[:2]
        (width,) = struct.unpack_from(f"{self._order}i", length)
        if width < 1 or len(names) % width:
            raise ValueError("names of fields that do not fit")
        starts = range(0, len(names), width)
        fields = [bytes(names[start : start + width]).partition(b"\0")[0].decode("latin-1") for start in starts]
        values = self._values_of(elements[2:], count * len(fields), depth)
        steps = range(0, len(values), len(fields) or 1)
        return [dict(zip(fields, values[step : step + len(fields)], strict=True)) for step in steps]

    def _text(self, elements: list[tuple[int, memoryview]], shape: tuple[int, ...]) -> str | list[str]:
        if len(elements) != 1:
            raise ValueError("a text without characters")
        kind, body = elements[0]
        wide = {4: "utf-16", 17: "utf-16", 18: "utf-32"}.get(kind)
        coding = f"{wide}-{'le' if self._order == '<' else 'be'}" if wide else "utf-8" if kind == 16 else "latin-1"
        text = bytes(body).decode(coding)
        rows = shape[0] if len(text) else 1
        return text if rows == 1 else [text[row::rows].rstrip() for row in range(rows)]


def _inflate(body: memoryview) -> memoryview:
    stream = zlib.decompressobj()
    data = stream.decompress(body, MAX_BYTES)
    if stream.unconsumed_tail or not stream.eof:
        raise ValueError(f"compressed data that is cut short or has more than {MAX_BYTES} bytes")
    return memoryview(data)
