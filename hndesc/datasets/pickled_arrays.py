"""Stand-ins for the few names that pickles of plain data and numeric numpy arrays refer to.

Each checks its arguments and builds a value of its own; nothing that a pickle names is ever imported or called.
"""

import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np

SCALARS = (str, bytes, int, float, bool, type(None))
_NUMERIC = re.compile(r"[<>=|]?(b1|[iu][1248]|f(2|4|8|16)|c(8|16|32))")


class Refused(Exception):
    """What a pickle asks for and does not get."""


class Dtype:
    """A dtype under construction: its byte order comes with a later opcode."""

    def __init__(self, code: Any, *_: Any) -> None:
        if not isinstance(code, str) or not _NUMERIC.fullmatch(code):
            raise Refused(f"numpy dtype {code!r:.60}")
        self.code = code.lstrip("<>=|")
        self.order = code[0] if code[0] in "<>=" else "="

    @property
    def final(self) -> np.dtype:
        """The real dtype."""
        return np.dtype(self.order + self.code)

    def set_state(self, state: Any) -> None:
        """Take the byte order from a pickled state; one that makes it more than a plain numeric type is refused."""
        # (version, byte order, sub-array, names, fields, size, alignment, flags[, metadata])
        if (
            not isinstance(state, tuple)
            or len(state) not in (8, 9)
            or state[2:5] != (None, None, None)
            or any(state[8:])
        ):
            raise Refused("a structured numpy dtype")
        if state[1] not in ("<", ">", "=", "|"):
            raise ValueError(f"byte order {state[1]!r:.20}")
        self.order = "=" if state[1] == "|" else state[1]


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("latin-1")  # raw bytes of a Python 2 pickle
    if not isinstance(value, bytes | bytearray):
        raise ValueError(f"{type(value).__name__} where raw bytes are due")
    return bytes(value)


def _shape(value: Any, dtype: np.dtype, raw: bytes) -> tuple[int, ...]:
    shape = tuple(operator.index(side) for side in (value if isinstance(value, tuple) else (value,)))
    count = 1
    for side in shape:
        count *= side
    if any(side < 0 for side in shape) or len(shape) > 32 or count * dtype.itemsize != len(raw):
        raise ValueError(f"array of shape {shape!s:.60} with {len(raw)} bytes of data")
    return shape


def _plain_dtype(value: Any) -> np.dtype:
    if not isinstance(value, Dtype):
        raise ValueError(f"{type(value).__name__} where a numpy dtype is due")
    return value.final


def _empty_array(*_: Any) -> np.ndarray:
    return np.zeros(0, np.uint8)


def set_array(array: np.ndarray, state: Any) -> None:
    """Fill an array in place from a pickled state, whose data must be as long as its shape and dtype say."""
    _, shape, dtype, fortran, raw = state
    if not isinstance(dtype, Dtype):
        raise ValueError("array without a dtype")
    if isinstance(raw, list):
        raise Refused("a numpy array of objects")
    raw = _bytes(raw)
    array.__setstate__((1, _shape(shape, dtype.final, raw), dtype.final, bool(fortran), raw))


def _array_of_buffer(buffer: Any, dtype: Any, shape: Any, order: Any = "C") -> np.ndarray:
    raw, final = _bytes(buffer), _plain_dtype(dtype)
    flat = np.frombuffer(raw, final).copy()
    return flat.reshape(_shape(shape, final, raw), order="F" if order == "F" else "C")


def _scalar(dtype: Any, raw: Any) -> int | float | bool | complex:
    raw, final = _bytes(raw), _plain_dtype(dtype)
    _shape((), final, raw)
    return np.frombuffer(raw, final)[0].item()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Refused(f"the text encoding {encoding!r:.40}")
    return text.encode("latin-1")


def scalar_frozenset(items: Any = ()) -> frozenset:
    """Make a frozen set of numbers and strings."""
    return frozenset(scalar_set(items))


def _empty_bytes(*arguments: Any) -> bytes:
    if arguments:
        raise Refused("bytes made from an argument")
    return b""


def scalar_set(items: Any = ()) -> set:
    """Make a set of numbers and strings."""
    # Hashing nested tuples may take exponential time or exhaust the C stack; ground truth has no need of them.
    if not isinstance(items, list | tuple) or any(type(item) not in SCALARS for item in items):
        raise Refused("a set of anything but numbers and strings")
    return set(items)


_NUMPY = {
    "multiarray._reconstruct": _empty_array,
    "multiarray.scalar": _scalar,
    "numeric._frombuffer": _array_of_buffer,
}
_BUILTINS = {"set": scalar_set, "frozenset": scalar_frozenset, "bytes": _empty_bytes}
CALLABLES: dict[str, Callable] = {
    **{f"numpy.{core}.{name}": function for core in ("core", "_core") for name, function in _NUMPY.items()},
    **{f"{module}.{name}": function for module in ("__builtin__", "builtins") for name, function in _BUILTINS.items()},
    "numpy.dtype": Dtype,
    "_codecs.encode": _encode,
}
NAMES = frozenset(CALLABLES) | {"numpy.ndarray"}
