"""Photos that look alike by a global descriptor: hard negatives for training, rankings for retrieval."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from hndesc.datasets.image_set import ImageEntry
from hndesc.datasets.listing import list_photos
from hndesc.errors import HndescError
from hndesc.retrieval import whitening
from hndesc.retrieval.global_features import RESIZE_MAX, describe_globally, read_global, scratch_of, stored_names
from hndesc.retrieval.neighbor_table import write_neighbors
from hndesc.retrieval.shortlist import Shortlist, write_shortlist
from hndesc.retrieval.whitening import read_whitening, write_whitening

# Similarities that stand in memory at a time: 64 MB.
BLOCK = 16_000_000
# Descriptors of the database that are read at a time.
ROWS = 2000


def find_neighbors(
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
        output: table (`hndesc.retrieval.neighbor_table`). Photos that cannot be read are left out of it, with a
            warning.
        descriptor: name of a global descriptor.
        count: neighbors a photo, at most.
        resize_max: longest side that photos are shrunk to, pixels.

    Raises:
        HndescError: no folder, no photo that can be read.
    """
    listed = list_photos(photos)
    names, vectors, failed, _ = _describe(listed, Path(output), descriptor, resize_max)
    readable = np.array([name not in failed for name in names])
    names, vectors = [name for name in names if name not in failed], vectors[readable]
    ranked = rank(vectors, vectors, count + 1)
    write_neighbors(output, _rows(names, ranked, count))


def learn_whitening(
    photos: str | os.PathLike,
    output: str | os.PathLike,
    *,
    descriptor: str = "efficientnet_lite0",
    weights: str | os.PathLike | None = None,
    resize_max: int | None = RESIZE_MAX,
    dimensions: int | None = None,
    max_photos: int = 5000,
) -> None:
    """Learn the PCA-whitening of a global descriptor on the photos of a folder.

    Args:
        photos: folder, of other photos than those that are to be ranked.
        output: whitening (`hndesc.retrieval.whitening`).
        descriptor: name of a global descriptor.
        weights: file of its weights, where it takes one.
        resize_max: longest side that photos are shrunk to, pixels.
        dimensions: that remain; see `hndesc.retrieval.whitening.learn`.
        max_photos: of a larger folder so many are taken, evenly.

    Raises:
        HndescError: no folder, or too few photos that can be read.
    """
    listed = list_photos(photos)
    listed = listed[:: -(-len(listed) // max_photos)]
    names, vectors, failed, settings = _describe(listed, Path(output), descriptor, resize_max, weights)
    readable = np.array([name not in failed for name in names])
    settings = settings | {"photos": int(readable.sum())}
    write_whitening(output, whitening.learn(vectors[readable], dimensions, settings))


def make_shortlist(
    root: str | os.PathLike,
    output: str | os.PathLike,
    *,
    kind: str = "retrieval",
    descriptor: str = "efficientnet_lite0",
    weights: str | os.PathLike | None = None,
    resize_max: int | None = RESIZE_MAX,
    learned: str | os.PathLike | None = None,
    distractors: str | os.PathLike | None = None,
    described: Sequence[str | os.PathLike] = (),
) -> None:
    """Rank the whole database of a retrieval set for each of its queries.

    Args:
        root: retrieval set.
        output: shortlist (`hndesc.retrieval.shortlist`). A database photo that cannot be read is in no ranking; the
            ranking of such a query is empty.
        kind: of dataset, see `hndesc.datasets.listing.list_photos`.
        descriptor: name of a global descriptor.
        weights: file of its weights, where it takes one.
        resize_max: longest side that photos (queries: their box) are shrunk to, pixels.
        learned: whitening of this descriptor, or None.
        distractors: folder of photos that enlarge the database.
        described: files of the global descriptors of all photos, in shards; none for describing them here.

    Raises:
        HndescError: no ground truth, no photos, none that can be read, a whitening of another descriptor.
    """
    photos = list_photos(root, kind, distractors)
    names = [photo.name for photo in photos]
    database, queries = ([name for name in names if name.startswith(prefix)] for prefix in ("db/", "query/"))
    own = scratch_of(output)
    if not described:
        describe_globally(photos, own, descriptor, resize_max, weights)
    stores = {Path(path): stored_names(path) for path in described or [own]}
    try:
        _check_stores(stores, names)
        transform, settings = _whitening(learned, stores)
        similarity, failed = _similarities(stores, queries, database, transform)
    finally:
        if not described:
            own.unlink(missing_ok=True)
    if all(name in failed for name in database):
        raise HndescError(f"{root}: no photo of the database can be read, '{names[0]}' first; see the warnings")
    ranks = np.full(similarity.shape, -1, np.int32)
    for row, values in enumerate(similarity):
        order = _descending(values, None)[: np.isfinite(values).sum()]
        ranks[row, : len(order)] = order
    asked, known = ([name.partition("/")[2] for name in side] for side in (queries, database))
    write_shortlist(output, Shortlist(asked, known, ranks, settings, failed))


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


def _check_stores(stores: Mapping[Path, Sequence[str]], names: Sequence[str]) -> None:
    missing = set(names).difference(*stores.values())
    if missing:
        raise HndescError(
            f"{next(iter(stores))}: no global descriptor of '{min(missing)}' in it or in the other shards; "
            "make them of the same photos"
        )


def _whitening(
    learned: str | os.PathLike | None, stores: Mapping[Path, Sequence[str]]
) -> tuple[Callable[[np.ndarray], np.ndarray], dict]:
    """Return what to do with descriptors before they are compared, and the settings to tell."""
    found = {path: read_global(path, names[:1])[2] for path, names in stores.items()}
    settings = next(iter(found.values()))
    if different := next((path for path, other in found.items() if other != settings), None):
        raise HndescError(f"{different}: made with other settings than the other shards; make it again")
    if learned is None:
        return lambda vectors: vectors, settings
    known = read_whitening(learned)
    if any(known.settings.get(key) != value for key, value in settings.items()):
        raise HndescError(f"{learned}: learned with other settings of the global descriptor; learn it again")
    return known.apply, settings | {"whitening": {key: known.settings[key] for key in ("dimensions", "photos")}}


def _similarities(
    stores: Mapping[Path, Sequence[str]],
    queries: Sequence[str],
    database: Sequence[str],
    transform: Callable[[np.ndarray], np.ndarray],
) -> tuple[np.ndarray, dict[str, str]]:
    """Return queries x database dot products, -inf where either cannot be read, and why it cannot.

    The database is read in blocks: memory grows by 4 bytes a query and photo.
    """
    similarity = np.full((len(queries), len(database)), -np.inf, np.float32)
    failed: dict[str, str] = {}
    asked = dict(_blocks(stores, queries, transform, failed))
    rows = [row for block in asked for row in block]
    for columns, vectors in _blocks(stores, database, transform, failed):
        if rows:
            similarity[np.ix_(rows, columns)] = np.concatenate(list(asked.values())) @ vectors.T
    return similarity, failed


def _blocks(
    stores: Mapping[Path, Sequence[str]],
    names: Sequence[str],
    transform: Callable[[np.ndarray], np.ndarray],
    failed: dict[str, str],
) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Yield positions in `names` and transformed descriptors, block by block; fill `failed` with photos without any."""
    index = {name: position for position, name in enumerate(names)}
    for path, stored in stores.items():
        known = [name for name in stored if name in index]
        for start in range(0, len(known), ROWS):
            block = known[start : start + ROWS]
            vectors, broken, _ = read_global(path, block)
            failed |= broken
            readable = [row for row, name in enumerate(block) if name not in broken]
            if readable:
                yield tuple(index[block[row]] for row in readable), transform(vectors[readable])


def _describe(
    photos: Sequence[ImageEntry],
    output: Path,
    descriptor: str,
    resize_max: int | None,
    weights: str | os.PathLike | None = None,
) -> tuple[list[str], np.ndarray, dict[str, str], dict]:
    # The descriptors stand beside the output only while they are needed; a killed run finds them again.
    store = scratch_of(output)
    names = [photo.name for photo in photos]
    describe_globally(photos, store, descriptor, resize_max, weights)
    try:
        return names, *read_global(store, names)
    finally:
        store.unlink()
