"""Stand-ins for the few names that pickles of plain data and numeric numpy arrays refer to.

Each checks its arguments and builds a value of its own; nothing that a pickle names is ever imported or called.
"""

import math
import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np

SCALARS = (str, bytes, int, float, bool, type(None))
MAX_KEY = 2**61 - 1  # from here on, numbers can be chosen to have equal hashes
_NUMERIC = re.compile(r"[<>=|]?(b1|[iu][1248]|f(2|4|8|16)|c(8|16|32))")
_NUMPY = {"multiarray._reconstruct": "empty_array", "multiarray.scalar": "scalar", "numeric._frombuffer": "from_buffer"}
_BUILTINS = {"set": "scalar_set", "frozenset": "scalar_frozenset", "bytes": "empty_bytes"}
CALLABLES = {
    **{f"numpy.{core}.{name}": method for core in ("core", "_core") for name, method in _NUMPY.items()},
    **{f"{module}.{name}": method for module in ("__builtin__", "builtins") for name, method in _BUILTINS.items()},
    "numpy.dtype": "dtype",
    "_codecs.encode": "encode",
}
NAMES = frozenset(CALLABLES) | {"numpy.ndarray"}


class Refused(Exception):
    """A request of a pickle that is refused."""


class Dtype:
    """A dtype under construction: its byte order comes with a later opcode."""

    def __init__(self, code: Any, *_: Any) -> None:
        if not isinstance(code, str) or not _NUMERIC.fullmatch(code):
            raise Refused(f"numpy dtype {code!r:.60}" if isinstance(code, str) else "a structured numpy dtype")
        self.code = code.lstrip("<>=|")
        self.order = code[0] if code[0] in "<>=" else "="

    @property
    def final(self) -> np.dtype:
        """The real dtype."""
        return np.dtype(self.order + self.code)

    def __setstate__(self, state: Any) -> None:
        """Take the byte order from a pickled state; one that makes it more than a plain numeric type is refused."""
        # (version, byte order, sub-array, names, fields, size, alignment, flags[, metadata])
        if (
            not isinstance(state, tuple)
            or len(state) not in (8, 9)
            or any(item is not None for item in state[2:5])
            or any(state[8:])
        ):
            raise Refused("a structured numpy dtype")
        if state[1] not in ("<", ">", "=", "|"):
            raise ValueError("unknown byte order of a dtype")
        self.order = "=" if state[1] == "|" else state[1]


class StandIns:
    """The functions that one file may call; together they copy little more than the file holds.

    Args:
        size: bytes of the file.
    """

    def __init__(self, size: int) -> None:
        # Python 2's and old protocols' data is text, which is made bytes, which are made an array.
        self._left = 3 * size

    def find(self, dotted: str) -> Callable[..., Any]:
        """Return the stand-in of a name; other names are refused."""
        if dotted not in NAMES:
            raise Refused(f"'{dotted:.120}'")
        return getattr(self, CALLABLES.get(dotted, "empty_array"))

    def _charge(self, value: Any) -> None:
        self._left -= len(value)
        if self._left < 0:
            raise Refused("the same data again and again")

    def _bytes(self, value: Any) -> bytes:
        if not isinstance(value, str | bytes | bytearray):
            raise ValueError(f"{type(value).__name__} where raw bytes are due")
        self._charge(value)
        return value.encode("latin-1") if isinstance(value, str) else bytes(value)  # text: of a Python 2 pickle

    def empty_array(self, *_: Any) -> np.ndarray:
        """Make an array that its state will fill."""
        array = np.ndarray.__new__(_Array, 0, np.uint8)
        array.read = self._bytes
        return array

    def from_buffer(self, buffer: Any, dtype: Any, shape: Any, order: Any = "C") -> np.ndarray:
        """Make an array of raw bytes."""
        raw, final = self._bytes(buffer), _plain_dtype(dtype)
        flat = np.frombuffer(raw, final).copy()
        return flat.reshape(_shape(shape, final, raw), order="F" if order == "F" else "C")

    def scalar(self, dtype: Any, raw: Any) -> int | float | bool | complex:
        """Make a number of raw bytes."""
        raw, final = self._bytes(raw), _plain_dtype(dtype)
        _shape((), final, raw)
        return np.frombuffer(raw, final)[0].item()

    def dtype(self, code: Any, *_: Any) -> Dtype:
        """Make a numeric dtype."""
        return Dtype(code)

    def encode(self, text: Any, encoding: Any = "latin1") -> bytes:
        """Make bytes of text."""
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            raise Refused("a text encoding other than latin1")
        return self._bytes(text)

    def scalar_set(self, items: Any = ()) -> set:
        """Make a set of numbers and strings."""
        if not isinstance(items, list | tuple):
            raise Refused("a set of anything but a list")
        self._charge(items)
        for item in items:
            if type(item) not in SCALARS or (isinstance(item, int) and abs(item) >= MAX_KEY):
                raise Refused("a set of anything but numbers and strings")
        return set(items)

    def scalar_frozenset(self, items: Any = ()) -> frozenset:
        """Make a frozen set of numbers and strings."""
        return frozenset(self.scalar_set(items))

    def empty_bytes(self, *arguments: Any) -> bytes:
        """Make an empty bytes object."""
        if arguments:
            raise Refused("bytes made from an argument")
        return b""


class _Array(np.ndarray):
    """An array that takes only a checked state, whose data `read` checks."""

    read: Callable[[Any], bytes]

    def __setstate__(self, state: Any) -> None:
        """Fill the array from a pickled state, whose data must be as long as its shape and dtype say."""
        _, shape, dtype, fortran, raw = state
        final = _plain_dtype(dtype)
        if isinstance(raw, list):
            raise Refused("a numpy array of objects")
        raw = self.__dict__.pop("read")(raw)  # once
        checked: Any = (1, _shape(shape, final, raw), final, bool(fortran), raw)
        super().__setstate__(checked)


def _shape(value: Any, dtype: np.dtype, raw: bytes) -> tuple[int, ...]:
    sides = tuple(operator.index(side) for side in (value if isinstance(value, tuple) else (value,))[:33])
    count = math.prod(sides)
    if len(sides) > 32 or any(not 0 <= side < 2**31 for side in sides) or count * dtype.itemsize != len(raw):
        raise ValueError(f"array of shape {sides!s:.60} with {len(raw)} bytes of data")
    return sides


def _plain_dtype(value: Any) -> np.dtype:
    if not isinstance(value, Dtype):
        raise ValueError(f"{type(value).__name__} where a numpy dtype is due")
    return value.final
