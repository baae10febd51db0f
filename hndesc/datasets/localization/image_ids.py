"""The ids that a dataset's own COLMAP database gives to its images and cameras."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from hndesc.errors import HndescError

# COLMAP numbers images below it.
MOST_IDS = 2**31 - 1
_LONGEST = 4096  # characters of a name
# A database is other people's work: a query of it may not run for ever. Millions of images take a part of this.
_STEP, _STEPS = 10**6, 100


def read_ids(path: Path) -> dict[str, tuple[int, int]]:
    """Read (image id, camera id) of each image from a COLMAP database of any version, without changing the file.

    Raises:
        HndescError: no such database, or values that are no names and ids.
    """
    try:
        # Immutable: the file may lie on a read-only place, where SQLite could not make its lock files.
        with closing(sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            _limit(connection)
            computed = connection.execute("SELECT 1 FROM pragma_table_xinfo('images') WHERE hidden").fetchone()
            kind = connection.execute("SELECT type FROM sqlite_master WHERE name = 'images' COLLATE NOCASE").fetchone()
            if kind != ("table",) or computed:
                raise HndescError(f"{path}: not a COLMAP database (no table 'images' of plain columns)")
            return _checked(connection.execute("SELECT name, image_id, camera_id FROM images ORDER BY image_id"), path)
    except (sqlite3.Error, OverflowError, MemoryError) as error:
        raise HndescError(f"{path}: not a COLMAP database ({error})") from None


def _limit(connection: sqlite3.Connection) -> None:
    """Bound the time and the memory that a query takes, and what the definitions in the file may do."""
    steps = iter(range(_STEPS))
    connection.set_progress_handler(lambda: next(steps, None) is None, _STEP)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10**6)
    connection.execute("PRAGMA trusted_schema = OFF")


def _checked(rows: Iterable[tuple], path: Path) -> dict[str, tuple[int, int]]:
    ids: dict[str, tuple[int, int]] = {}
    images: set[int] = set()
    for name, image, camera in rows:
        numbered = all(isinstance(number, int) and 0 < number < MOST_IDS for number in (image, camera))
        if not numbered or not isinstance(name, str) or len(name) > _LONGEST:
            raise HndescError(f"{path}: image {name!r:.80} has the ids {image!r:.40} and {camera!r:.40}")
        if name in ids or image in images:
            raise HndescError(f"{path}: image '{name}' or its id {image} is listed twice")
        images.add(image)
        ids[name] = image, camera
    return ids
