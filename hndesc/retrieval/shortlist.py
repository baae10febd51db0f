"""The shortlist file: the ranking of the database images for each query of a retrieval set.

HDF5 with `queries` and `database` (names), `ranks` (queries x database, indices into `database`, -1 beyond the end of a
ranking) and the attributes `settings` and `failed` (JSON), as in feature files.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from hndesc.errors import HndescError
from hndesc.io.hdf5 import (
    check_stored,
    find,
    named,
    open_hdf5,
    read_array,
    read_json,
    write_array,
    write_text,
    written_hdf5,
)


@dataclass(frozen=True)
class Shortlist:
    """Rankings of a database, one row per query.

    Attributes:
        queries: names of the queries.
        database: names of the database images.
        ranks: queries x database, int32, best first, padded with -1.
        settings: settings of the ranking.
        failed: images without a global descriptor, and the reasons.
    """

    queries: list[str]
    database: list[str]
    ranks: np.ndarray
    settings: Mapping = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)


def write_shortlist(path: str | os.PathLike, shortlist: Shortlist) -> None:
    """Write a shortlist atomically."""
    with written_hdf5(path) as file:
        for key, names in (("queries", shortlist.queries), ("database", shortlist.database)):
            encoded = np.array([name.encode() for name in names], np.bytes_)
            write_array(file, key, encoded.astype(h5py.string_dtype("utf-8", encoded.itemsize)))
        write_array(file, "ranks", shortlist.ranks.astype(np.int32), chunks=True, compression="gzip", shuffle=True)
        write_text(file, "settings", json.dumps(shortlist.settings, sort_keys=True))
        write_text(file, "failed", json.dumps(shortlist.failed, sort_keys=True))


def read_shortlist(path: str | os.PathLike) -> Shortlist:
    """Read a shortlist; a missing, truncated or inconsistent file raises a HndescError."""
    path = Path(path)
    what = "shortlist; the step that ranks the database has not run"
    with open_hdf5(path, what) as file, named(f"{path}: not a complete shortlist"):
        shortlist = Shortlist(
            queries=_read_names(file, "queries"),
            database=_read_names(file, "database"),
            ranks=read_array(file, "ranks"),
            settings=read_json(file, "settings"),
            failed=read_json(file, "failed"),
        )
    _check(shortlist, path)
    return shortlist


def _read_names(file: h5py.File, key: str) -> list[str]:
    item = find(file, key)
    if not isinstance(item, h5py.Dataset) or item.ndim != 1 or h5py.check_string_dtype(item.dtype) is None:
        raise ValueError(f"'{key}' is not a list of names")
    check_stored(item, key)
    return [name.decode() for name in item[()]]


def candidates(shortlist: Shortlist, top: int) -> list[str]:
    """Return the images whose features are needed for re-ranking: all queries and their top candidates."""
    heads = np.unique(shortlist.ranks[:, :top])
    return [f"query/{name}" for name in shortlist.queries] + [
        f"db/{shortlist.database[index]}" for index in heads if index >= 0
    ]


def _check(shortlist: Shortlist, path: Path) -> None:
    ranks, size = shortlist.ranks, len(shortlist.database)
    if ranks.ndim != 2 or len(ranks) != len(shortlist.queries) or ranks.dtype.kind not in "iu":
        raise HndescError(f"{path}: 'ranks' must have a row of indices for each query; compute the file again")
    for query, row in zip(shortlist.queries, ranks, strict=True):
        ranked = row[row >= 0]
        if len(np.unique(ranked)) != len(ranked) or (len(ranked) and ranked.max() >= size):
            raise HndescError(f"{path}: the ranking of '{query}' contains an image twice, or one that does not exist")
