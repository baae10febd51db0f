"""Results of benchmarks as text and JSON."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hndesc.io.files import write_json, write_text
from hndesc.runtime.provenance import versions


def write_result(output: str | os.PathLike, json_output: str | os.PathLike | None, text: str, record: Mapping) -> None:
    """Write a result as text in the published format and as JSON with all scores and their origin.

    Args:
        output: text file to write.
        json_output: JSON file to write, or None.
        text: text in the published format.
        record: benchmark, kind, protocol, figures, settings, …; NaN and infinity become null.
    """
    if json_output is not None:
        write_json(json_output, _jsonable({**record, "versions": versions()}))
    write_text(output, text)


def describe(root: str | os.PathLike, name: str | None, kind: str, protocol: str) -> dict[str, Any]:
    """Return the head of a result: the benchmark's name, by default that of its folder, its kind and its protocol."""
    return {"benchmark": name or Path(root).resolve().name, "kind": kind, "protocol": protocol}


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
