"""Files of inlier counts, written by the jobs that share the re-ranking of a shortlist.

HDF5 with `rows` (indices of queries in the shortlist), `inliers` (rows x candidates, in the order of the ranking, -1
beyond its end) and the attribute `settings` (JSON).
"""

import json
import os
from collections.abc import Mapping, Sequence

import numpy as np

from hndesc.errors import HndescError
from hndesc.io.hdf5 import named, open_hdf5, read_array, read_text, write_array, write_text, written_hdf5

_OPEN = -2  # a query without counts


def write_counts(path: str | os.PathLike, rows: Sequence[int], inliers: np.ndarray, settings: Mapping) -> None:
    """Write the counts of some queries atomically."""
    with written_hdf5(path) as file:
        write_array(file, "rows", np.asarray(rows, np.int64))
        write_array(file, "inliers", inliers)
        write_text(file, "settings", json.dumps(settings, sort_keys=True))


def read_counts(paths: Sequence[str | os.PathLike], shape: tuple[int, int], settings: Mapping) -> np.ndarray:
    """Merge the counts of all queries; the order of the files does not matter.

    Args:
        paths: files that together contain each query once.
        shape: queries x candidates.
        settings: settings with which the counts must have been made.

    Raises:
        HndescError: a file is broken or has other settings, or a query occurs twice or not at all.
    """
    inliers = np.full(shape, _OPEN, np.int32)
    wanted = json.dumps(settings, sort_keys=True)
    for path in paths:
        rows, counts, found = _read(path)
        if found != wanted or counts.shape != (len(rows), shape[1]) or not np.isin(rows, np.arange(shape[0])).all():
            raise HndescError(
                f"{path}: counts of another shortlist, features or settings; delete the file and compute it again"
            )
        if (inliers[rows] != _OPEN).any():
            raise HndescError(f"{path}: contains queries of another file; give each shard once")
        inliers[rows] = counts
    if (inliers == _OPEN).any():
        raise HndescError(f"{paths[0]} and the other files lack some queries; give all shards")
    return inliers


def _read(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray, str]:
    with open_hdf5(path, "file of inlier counts") as file, named(f"{path}: broken file of inlier counts"):
        rows, counts = read_array(file, "rows"), read_array(file, "inliers")
        if rows.ndim != 1 or counts.ndim != 2 or "f" in (rows.dtype.kind, counts.dtype.kind):
            raise ValueError(f"'rows' and 'inliers' of shapes {rows.shape} and {counts.shape}")
        return rows, counts, read_text(file, "settings", "")
