"""Conversion of published rankings to shortlists: pickles of the revisited sets, MATLAB files of Tokyo 24/7."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hndesc.datasets.listing import list_images
from hndesc.datasets.revisited import as_array
from hndesc.datasets.tokyo247 import view_name
from hndesc.errors import HndescError
from hndesc.io.hdf5 import check_hdf5_output
from hndesc.io.matlab_files import read_struct_array
from hndesc.io.pickles import load_pickle
from hndesc.retrieval.shortlist import Shortlist, write_shortlist
from hndesc.runtime.provenance import file_hash

KEYS = ("db_images", "q_images", "ranks")


def import_shortlist(
    root: str | os.PathLike, ranking: str | os.PathLike, output: str | os.PathLike, *, kind: str = "retrieval"
) -> None:
    """Convert a published ranking to a shortlist.

    Args:
        root: dataset of the ranking.
        ranking: pickle (.pkl) of `db_images` and `q_images` (file names) and `ranks` (database x queries, best first),
            or MATLAB file (.mat) whose struct array `ImgList` contains for each query its file name and the retrieved
            views, best first.
        output: shortlist (`hndesc.retrieval.shortlist`).
        kind: kind of dataset, see `hndesc.datasets.listing.list_images`.

    Raises:
        HndescError: the file is missing, has another structure, or contains images of another dataset.
    """
    ranking = Path(ranking)
    check_hdf5_output(output, [ranking])
    names = [entry.name.partition("/") for entry in list_images(root, kind)]
    database, queries = ([name for prefix, _, name in names if prefix == side] for side in ("db", "query"))
    if not ranking.is_file():
        raise HndescError(f"{ranking}: no such ranking file; check the key 'ranking'")
    rows = _read_mat(ranking) if ranking.suffix == ".mat" else _read_pickle(ranking)
    ranks = _ranks(rows, database, queries, kind, ranking)
    settings = {"name": ranking.name, "sha256": file_hash(ranking), "source": "published ranking"}
    write_shortlist(output, Shortlist(queries, database, ranks, settings))


def _read_pickle(path: Path) -> Iterator[tuple[str, Sequence[str]]]:
    data = load_pickle(path)
    if not isinstance(data, Mapping) or not set(KEYS) <= data.keys():
        raise HndescError(f"{path}: not a published ranking (a dictionary of {', '.join(KEYS)})")
    images, queries = (_texts(data[key], f"{path}: {key}") for key in KEYS[:2])
    ranks = as_array(data["ranks"])
    if ranks.ndim != 2 or ranks.dtype.kind not in "iuf" or ranks.shape[1] != len(queries):
        raise HndescError(f"{path}: 'ranks' must have a column of indices for each of {len(queries)} queries")
    if ranks.size and not (ranks.min() >= 0 and ranks.max() < len(images)):
        raise HndescError(f"{path}: 'ranks' has indices beyond 'db_images'")
    if ranks.dtype.kind == "f" and (ranks % 1).any():
        raise HndescError(f"{path}: 'ranks' has values that are not integers")
    for query, column in zip(queries, ranks.astype(np.int64).T, strict=True):
        yield query, [images[index] for index in column]


def _read_mat(path: Path) -> Iterator[tuple[str, Sequence[str]]]:
    for entry in read_struct_array(path, "ImgList"):
        query, found, *_ = [*entry.values(), None, None]
        found = [found] if isinstance(found, str) else found
        if not isinstance(query, str) or not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise HndescError(
                f"{path}: 'ImgList' must contain the name of a query and the names of the retrieved views"
            )
        yield query, found


def _ranks(
    rows: Iterator[tuple[str, Sequence[str]]],
    database: Sequence[str],
    queries: Sequence[str],
    kind: str,
    path: Path,
) -> np.ndarray:
    name_of = view_name if kind == "tokyo247" else lambda place, _: PurePosixPath(place).stem
    index = {name: position for position, name in enumerate(database)}
    known: dict[str, list[int]] = {}
    for query, found in rows:
        names = [name_of(place, "database") for place in found]
        if stranger := next((name for name in names if name not in index), None):
            raise HndescError(
                f"{path}: ranks '{stranger}', which is not in this dataset; use the ranking of this dataset"
            )
        if len(set(names)) < len(names):
            raise HndescError(f"{path}: ranks an image twice for the query '{query:.80}'; get the ranking again")
        if (name := name_of(query, "queries")) in known:
            raise HndescError(f"{path}: ranks the query '{name:.80}' twice; get the ranking again")
        known[name] = [index[one] for one in names]
    if missing := [query for query in queries if query not in known]:
        raise HndescError(f"{path}: no ranking of {len(missing)} of {len(queries)} queries (first: '{missing[0]}')")
    ranks = np.full((len(queries), max(map(len, known.values()))), -1, np.int32)
    for row, query in enumerate(queries):
        ranks[row, : len(known[query])] = known[query]
    return ranks


def _texts(values: Any, place: str) -> list[str]:
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise HndescError(f"{place} is not a list of file names")
    return list(values)
