"""The neighbor table: one row per neighbor of each photo, the most similar first."""

import os
from collections.abc import Iterable

from hndesc.io.lists import read_table, write_table

COLUMNS = ("photo", "neighbor", "similarity")


def write_neighbors(path: str | os.PathLike, rows: Iterable[tuple[str, str, float]]) -> None:
    """Write (photo, neighbor, similarity) rows, grouped by photo and ordered by similarity, as tab-separated text."""
    write_table(path, COLUMNS, ((photo, neighbor, f"{similarity:.6f}") for photo, neighbor, similarity in rows))


def read_neighbors(path: str | os.PathLike) -> dict[str, list[str]]:
    """Read the neighbors of each photo, the most similar first; photos without neighbors are not in the result.

    Raises:
        HndescError: the file is missing or malformed.
    """
    neighbors: dict[str, list[str]] = {}
    for photo, neighbor, _ in read_table(path, COLUMNS, "compute the neighbors again"):
        neighbors.setdefault(photo, []).append(neighbor)
    return neighbors
