"""Reads pickles of published ground truth without running any code in them.

Only numbers, strings, plain containers and numeric numpy arrays are read, of any protocol (Python 2 included). The file
is checked as a whole first (`hndesc.io.pickle_scan`). No name in it is ever imported: the few that are allowed
stand for functions of `hndesc.io.pickled_arrays`.
"""

import io
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np

from hndesc.errors import HndescError
from hndesc.io.pickle_scan import scan_pickle
from hndesc.io.pickled_arrays import SCALARS, Refused, StandIns

MAX_BYTES = 2_000_000_000
_MALFORMED: tuple[type[Exception], ...] = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    EOFError,
    struct.error,
)
_MALFORMED += (pickle.UnpicklingError, MemoryError)


def load_pickle(path: str | os.PathLike) -> Any:
    """Read a pickle of plain containers, str, bytes, int, float, complex, bool, None and numeric numpy arrays.

    Strings of Python 2 come back as str (latin-1), numpy scalars as Python numbers.

    Raises:
        HndescError: missing or cut-short file, or one that asks for anything else: the message names the file and what
            it asks for. Nothing of it has been run then.
    """
    path = Path(path)
    data = _read(path)
    try:
        scan_pickle(data)
        value = _Unpickler(data).load()
        _check_types(value)
    except Refused as error:
        raise HndescError(
            f"{path}: refused, as it requests {error}; only numbers, strings, plain containers and numeric "
            "numpy arrays are read from a pickle"
        ) from None
    except _MALFORMED as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise HndescError(f"{path}: not a complete pickle ({reason}); get or make the file again") from None
    return value


def _read(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        raise HndescError(f"{path}: not a file")
    try:
        with open(path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > MAX_BYTES:
                raise HndescError(f"{path}: {size} bytes are more than the {MAX_BYTES} that a pickle may have")
            return stream.read(size)
    except OSError as error:
        raise HndescError(f"{path}: cannot be read ({error.strerror})") from None


class _Unpickler(pickle.Unpickler):
    """An unpickler that knows only the stand-ins."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="latin-1")
        self._stand_ins = StandIns(len(data))

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in of a name."""
        return self._stand_ins.find(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        """Refuse references to objects outside the file."""
        raise Refused("an object outside the file")


def _check_types(value: Any) -> None:
    """Refuse names and dtypes that are no part of an array."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list | tuple | dict):
            if id(item) not in seen:
                seen.add(id(item))
                items = item.values() if isinstance(item, dict) else item
                waiting.extend(one for one in items if type(one) not in SCALARS)
        elif not isinstance(item, (*SCALARS, bytearray, complex, set, frozenset, np.ndarray)):
            raise Refused("a bare numpy dtype or name")
