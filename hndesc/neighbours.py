"""Photos that look alike by a global descriptor: hard negatives for training, rankings for retrieval."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from hndesc.benchmarks.ground_truth import dataset_photos, read_ground_truth
from hndesc.benchmarks.shortlist import Shortlist, write_shortlist
from hndesc.errors import HndescError
from hndesc.global_descriptors.store import RESIZE_MAX, describe_globally, read_global
from hndesc.neighbour_lists import write_neighbours
from hndesc.photos import Photo, list_photos

# Similarities that stand in memory at a time: 64 MB.
BLOCK = 16_000_000


def find_neighbours(
    photos: str | os.PathLike,
    output: str | os.PathLike,
    *,
    descriptor: str = "efficientnet_lite0",
    count: int = 20,
    resize_max: int | None = RESIZE_MAX,
) -> None:
    """List the photos of a folder that look most like each of them.

    Args:
        photos: folder; names are relative to it.
        output: table (`hndesc.neighbour_lists`). Photos that cannot be read are left out of it, with a warning.
        descriptor: name of a global descriptor.
        count: neighbours a photo, at most.
        resize_max: longest side that photos are shrunk to, pixels.

    Raises:
        HndescError: no folder, no photo that can be read.
    """
    listed = list_photos(photos)
    names, vectors, failed, _ = _describe(listed, Path(output), descriptor, resize_max)
    readable = np.array([name not in failed for name in names])
    names, vectors = [name for name in names if name not in failed], vectors[readable]
    ranked = rank(vectors, vectors, count + 1)
    write_neighbours(output, _rows(names, ranked, count))


def make_shortlist(
    root: str | os.PathLike,
    output: str | os.PathLike,
    *,
    descriptor: str = "efficientnet_lite0",
    resize_max: int | None = RESIZE_MAX,
) -> None:
    """Rank the whole database of a retrieval set for each of its queries.

    Args:
        root: retrieval set of the revisited layout.
        output: shortlist (`hndesc.benchmarks.shortlist`). A database photo that cannot be read is in no ranking; the
            ranking of such a query is empty.
        descriptor: name of a global descriptor.
        resize_max: longest side that photos (queries: their box) are shrunk to, pixels.

    Raises:
        HndescError: no ground truth, no photos, none that can be read.
    """
    truth = read_ground_truth(root)
    names, vectors, failed, settings = _describe(dataset_photos(root), Path(output), descriptor, resize_max)
    size = len(truth.database)
    ranks = np.full((len(truth.queries), size), -1, np.int32)
    readable = np.array([name not in failed for name in names])
    rows, columns = np.flatnonzero(readable[size:]), np.flatnonzero(readable[:size])
    if len(columns) == 0:
        raise HndescError(f"{root}: no photo of the database can be read, '{names[0]}' first; see the warnings")
    for row, (order, _) in zip(rows, rank(vectors[size:][rows], vectors[columns]), strict=True):
        ranks[row, : len(columns)] = columns[order]
    shortlist = Shortlist([query.name for query in truth.queries], truth.database, ranks, settings, failed)
    write_shortlist(output, shortlist)


def rank(
    queries: np.ndarray, database: np.ndarray, count: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rank a database for each query by dot product, a block of queries at a time.

    Args:
        queries: Q x D.
        database: N x D.
        count: how many to return; all if None.

    Yields:
        For each query the indices of the most similar rows, the lower index first on ties, and the similarities.
    """
    step = max(1, BLOCK // max(1, len(database)))
    for start in range(0, len(queries), step):
        for similarity in queries[start : start + step] @ database.T:
            order = _descending(similarity, count)
            yield order, similarity[order]


def _descending(values: np.ndarray, count: int | None) -> np.ndarray:
    if count is None or count >= len(values):
        return np.argsort(-values, kind="stable")
    least = np.partition(values, -count)[-count]
    candidates = np.flatnonzero(values >= least)
    return candidates[np.argsort(-values[candidates], kind="stable")][:count]


def _rows(
    names: Sequence[str], ranked: Iterator[tuple[np.ndarray, np.ndarray]], count: int
) -> Iterator[tuple[str, str, float]]:
    for index, (order, similarity) in enumerate(ranked):
        others = [(names[i], float(value)) for i, value in zip(order, similarity, strict=True) if i != index]
        yield from ((names[index], name, value) for name, value in others[:count])


def _describe(
    photos: Sequence[Photo], output: Path, descriptor: str, resize_max: int | None
) -> tuple[list[str], np.ndarray, dict[str, str], dict]:
    # The descriptors stand beside the output only while they are needed; a killed run finds them again.
    store = output.with_name(output.name + ".descriptors")
    names = [photo.name for photo in photos]
    describe_globally(photos, store, descriptor, resize_max)
    try:
        return names, *read_global(store, names)
    finally:
        store.unlink()
