"""Strict reading of result files: a missing value is an error that names the file and the key."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hndesc.errors import HndescError
from hndesc.io.files import read_json


class Result:
    """The JSON result of one benchmark for one descriptor.

    Attributes:
        path: result file.
        kind: "hpatches", "retrieval" or "localization".
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self._data = read_json(path)
        self.kind = str(self.get("kind"))

    def get(self, *keys: str) -> Any:
        """Return the value at a chain of keys."""
        value: Any = self._data
        for depth, key in enumerate(keys):
            if not isinstance(value, Mapping) or key not in value:
                place = ".".join(keys[: depth + 1])
                raise HndescError(
                    f"{self.path}: no key '{place}'; it was written by another version, repeat the evaluation"
                )
            value = value[key]
        return value

    def has(self, *keys: str) -> bool:
        """Return whether there is a value at a chain of keys."""
        try:
            self.get(*keys)
        except HndescError:
            return False
        return True

    def number(self, *keys: str) -> float:
        """Return the number at a chain of keys; NaN for null (nothing to average)."""
        value = self.get(*keys)
        if value is None:
            return float("nan")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise HndescError(f"{self.path}: '{'.'.join(keys)}' must be a number, not {value!r}; repeat the evaluation")
        return float(value)
