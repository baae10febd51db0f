"""Which photos look alike: a table with a row for each neighbour of each photo, the most similar first."""

import csv
import os
from collections.abc import Iterable
from pathlib import Path

from hndesc.errors import HndescError
from hndesc.files import atomic_path

COLUMNS = ("photo", "neighbour", "similarity")


def write_neighbours(path: str | os.PathLike, rows: Iterable[tuple[str, str, float]]) -> None:
    """Write (photo, neighbour, similarity) rows, grouped by photo and ordered by similarity, as tab-separated text."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((photo, neighbour, f"{similarity:.6f}") for photo, neighbour, similarity in rows)


def read_neighbours(path: str | os.PathLike) -> dict[str, list[str]]:
    """Read the neighbours of each photo, the most similar first; photos without neighbours are not in the result.

    Raises:
        HndescError: missing or malformed file.
    """
    path = Path(path)
    neighbours: dict[str, list[str]] = {}
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream, delimiter="\t")
            if tuple(next(reader, ())) != COLUMNS:
                raise HndescError(f"{path}: not a table with the columns {', '.join(COLUMNS)}; make it again")
            for photo, neighbour, _ in reader:
                neighbours.setdefault(photo, []).append(neighbour)
    except FileNotFoundError:
        raise HndescError(f"{path}: no such table of neighbours; the step that finds them has not run") from None
    except ValueError as error:
        raise HndescError(f"{path}: not a table of {len(COLUMNS)} columns ({error}); make it again") from None
    return neighbours
