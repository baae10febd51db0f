"""The ids of images and cameras in the COLMAP database of a dataset."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from hndesc.errors import HndescError

# Upper bound of image ids in COLMAP.
MOST_IDS = 2**31 - 1
_LONGEST = 4096  # characters of a name
# Limit on the steps of a query, since the database is untrusted. Millions of images need a fraction of it.
_STEP, _STEPS = 10**6, 100


def read_ids(path: Path) -> dict[str, tuple[int, int]]:
    """Read (image id, camera id) of each image from a COLMAP database of any version, without changing the file.

    Raises:
        HndescError: the file is not such a database, or values are not names and ids.
    """
    try:
        # Immutable, since SQLite cannot create lock files on read-only storage.
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
    """Limit time and memory of queries, and distrust the schema of the file."""
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
