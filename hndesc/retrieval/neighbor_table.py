"""Which photos look alike: a table with a row for each neighbour of each photo, the most similar first."""

import os
from collections.abc import Iterable

from hndesc.io.lists import read_table, write_table

COLUMNS = ("photo", "neighbour", "similarity")


def write_neighbours(path: str | os.PathLike, rows: Iterable[tuple[str, str, float]]) -> None:
    """Write (photo, neighbour, similarity) rows, grouped by photo and ordered by similarity, as tab-separated text."""
    write_table(path, COLUMNS, ((photo, neighbour, f"{similarity:.6f}") for photo, neighbour, similarity in rows))


def read_neighbours(path: str | os.PathLike) -> dict[str, list[str]]:
    """Read the neighbours of each photo, the most similar first; photos without neighbours are not in the result.

    Raises:
        HndescError: missing or malformed file.
    """
    neighbours: dict[str, list[str]] = {}
    for photo, neighbour, _ in read_table(path, COLUMNS, "find the neighbours again"):
        neighbours.setdefault(photo, []).append(neighbour)
    return neighbours
