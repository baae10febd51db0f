"""What all benchmarks share: scoring on several threads, and writing a result as text and as JSON."""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from hndesc.files import write_json, write_text
from hndesc.provenance import versions

Item = TypeVar("Item")
Value = TypeVar("Value")


@contextmanager
def workers(threads: int) -> Iterator[Callable[[Callable[[Item], Value], Iterable[Item]], Iterator[Value]]]:
    """Yield a `map` that keeps the order and runs on `threads` threads, whose linear algebra takes no more of them."""
    with threadpool_limits(1), ThreadPoolExecutor(max(1, threads)) as pool:
        yield pool.map


def write_result(output: str | os.PathLike, json_output: str | os.PathLike, text: str, record: Mapping) -> None:
    """Write the published text form and, beside it, all figures with where they came from.

    Args:
        output: text file; its stem is the name of the benchmark.
        json_output: JSON file.
        text: the published form.
        record: kind, protocol, figures, settings, …; NaN and infinity become null.
    """
    name = Path(output).stem
    write_json(json_output, _jsonable({"benchmark": name, **record, "versions": versions()}))
    write_text(output, text)


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
