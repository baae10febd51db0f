"""The shortlist file: for each query of a retrieval set, the database photos from the most to the least similar.

HDF5 with `queries` and `database` (names), `ranks` (queries x database, indices into `database`, -1 where nothing more
was retrieved) and the attributes `settings` and `failed` (JSON), as feature files have them.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from hndesc.errors import HndescError
from hndesc.files import atomic_path


@dataclass(frozen=True)
class Shortlist:
    """Rankings of a database, one row a query.

    Attributes:
        queries: names of the queries.
        database: names of the database photos.
        ranks: queries x database, int32, best first; -1 fills up rows that rank fewer photos.
        settings: what made it.
        failed: photos without a global descriptor, with the reason.
    """

    queries: list[str]
    database: list[str]
    ranks: np.ndarray
    settings: Mapping = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)


def write_shortlist(path: str | os.PathLike, shortlist: Shortlist) -> None:
    """Write a shortlist atomically."""
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.create_dataset("queries", data=shortlist.queries, dtype=h5py.string_dtype())
        file.create_dataset("database", data=shortlist.database, dtype=h5py.string_dtype())
        file.create_dataset("ranks", data=shortlist.ranks.astype(np.int32), compression="gzip", shuffle=True)
        file.attrs["settings"] = json.dumps(shortlist.settings, sort_keys=True)
        file.attrs["failed"] = json.dumps(shortlist.failed, sort_keys=True)


def read_shortlist(path: str | os.PathLike) -> Shortlist:
    """Read a shortlist; a missing, cut-short or inconsistent file is a HndescError."""
    path = Path(path)
    if not path.is_file():
        raise HndescError(f"{path}: no such shortlist; the step that ranks the database has not run")
    try:
        with h5py.File(path, "r") as file:
            names = {key: [name.decode() for name in file[key][()]] for key in ("queries", "database")}
            attributes = {key: json.loads(file.attrs.get(key, "{}")) for key in ("settings", "failed")}
            shortlist = Shortlist(**names, ranks=file["ranks"][()], **attributes)
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise HndescError(f"{path}: not a complete shortlist ({error}); delete it and make it again") from None
    _check(shortlist, path)
    return shortlist


def candidates(shortlist: Shortlist, top: int) -> list[str]:
    """Return the photos whose features re-ranking reads: all queries, and the heads of their rankings."""
    heads = np.unique(shortlist.ranks[:, :top])
    return [f"query/{name}" for name in shortlist.queries] + [
        f"db/{shortlist.database[index]}" for index in heads if index >= 0
    ]


def _check(shortlist: Shortlist, path: Path) -> None:
    ranks, size = shortlist.ranks, len(shortlist.database)
    if ranks.ndim != 2 or len(ranks) != len(shortlist.queries) or ranks.dtype.kind not in "iu":
        raise HndescError(f"{path}: 'ranks' must hold a row of indices for each query; make the file again")
    for query, row in zip(shortlist.queries, ranks, strict=True):
        ranked = row[row >= 0]
        if len(np.unique(ranked)) != len(ranked) or (len(ranked) and ranked.max() >= size):
            raise HndescError(f"{path}: the ranking of '{query}' repeats a photo or ranks one that does not exist")
