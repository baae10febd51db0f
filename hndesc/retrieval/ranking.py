"""Similar images by global descriptors: hard negatives for training, rankings for retrieval."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from hndesc.datasets.image_set import ImageEntry
from hndesc.datasets.listing import list_images
from hndesc.errors import HndescError
from hndesc.io.hdf5 import check_hdf5_output
from hndesc.retrieval import whitening
from hndesc.retrieval.global_features import RESIZE_MAX, describe_globally, read_global, scratch_of, stored_names
from hndesc.retrieval.neighbor_table import write_neighbors
from hndesc.retrieval.shortlist import Shortlist, write_shortlist
from hndesc.retrieval.whitening import read_whitening, write_whitening

# Similarities in memory at a time: 64 MB.
BLOCK = 16_000_000
# Descriptors of the database read at a time.
ROWS = 2000


def find_neighbors(
    photos: str | os.PathLike,
    output: str | os.PathLike,
    *,
    descriptor: str = "efficientnet_lite0",
    count: int = 20,
    resize_max: int | None = RESIZE_MAX,
) -> None:
    """Find the most similar photos of each photo in a folder.

    Args:
        photos: folder; names are relative to it.
        output: neighbor table (`hndesc.retrieval.neighbor_table`); unreadable photos are skipped with a warning.
        descriptor: name of a global descriptor.
        count: maximum number of neighbors per photo.
        resize_max: longest side of the downsized photos in pixels.

    Raises:
        HndescError: the folder is missing, or no photo is readable.
    """
    listed = list_images(photos)
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
    """Learn the PCA whitening of a global descriptor on the photos of a folder.

    Args:
        photos: folder of photos, which must not be those to be ranked.
        output: whitening (`hndesc.retrieval.whitening`).
        descriptor: name of a global descriptor.
        weights: weights file of the descriptor, if it takes one.
        resize_max: longest side of the downsized photos in pixels.
        dimensions: number of output dimensions; see `hndesc.retrieval.whitening.learn`.
        max_photos: maximum number of photos, evenly spaced over the folder.

    Raises:
        HndescError: the folder is missing, or too few photos are readable.
    """
    listed = list_images(photos)
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
        output: shortlist (`hndesc.retrieval.shortlist`). Unreadable database images are in no ranking; the ranking of
            an unreadable query is empty.
        kind: kind of dataset, see `hndesc.datasets.listing.list_images`.
        descriptor: name of a global descriptor.
        weights: weights file of the descriptor, if it takes one.
        resize_max: longest side of the downsized images (of queries: their box) in pixels.
        learned: whitening of this descriptor, or None.
        distractors: folder of images that are added to the database.
        described: files of the global descriptors of all images, in shards; if empty, they are computed here.

    Raises:
        HndescError: the ground truth or the images are missing, no image is readable, or the whitening belongs to
            another descriptor.
    """
    images = list_images(root, kind, distractors)
    check_hdf5_output(output, [entry.path for entry in images])
    names = [entry.name for entry in images]
    database, queries = ([name for name in names if name.startswith(prefix)] for prefix in ("db/", "query/"))
    own = scratch_of(output)
    if not described:
        describe_globally(images, own, descriptor, resize_max, weights)
    stores = {Path(path): stored_names(path) for path in described or [own]}
    try:
        _check_stores(stores, names)
        transform, settings = _whitening(learned, stores)
        similarity, failed = _similarities(stores, queries, database, transform)
    finally:
        if not described:
            own.unlink(missing_ok=True)
    if all(name in failed for name in database):
        raise HndescError(f"{root}: no image of the database is readable (first: '{names[0]}'); see the warnings")
    ranks = np.full(similarity.shape, -1, np.int32)
    for row, values in enumerate(similarity):
        order = _descending(values, None)[: np.isfinite(values).sum()]
        ranks[row, : len(order)] = order
    asked, known = ([name.partition("/")[2] for name in side] for side in (queries, database))
    write_shortlist(output, Shortlist(asked, known, ranks, settings, failed))


def rank(
    queries: np.ndarray, database: np.ndarray, count: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rank a database for each query by dot product, in blocks of queries.

    Args:
        queries: Q x D.
        database: N x D.
        count: number of rows to return; None for all.

    Yields:
        For each query, the indices of the most similar rows (ties by index) and their similarities.
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
            f"{next(iter(stores))}: no global descriptor of '{min(missing)}' in any shard; "
            "compute them for the same images"
        )


def _whitening(
    learned: str | os.PathLike | None, stores: Mapping[Path, Sequence[str]]
) -> tuple[Callable[[np.ndarray], np.ndarray], dict]:
    """Return the transform of descriptors before their comparison, and the settings to record."""
    found = {path: read_global(path, names[:1])[2] for path, names in stores.items()}
    settings = next(iter(found.values()))
    if different := next((path for path, other in found.items() if other != settings), None):
        raise HndescError(f"{different}: made with other settings than the other shards; compute it again")
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
    """Return queries x database dot products, -inf if either image is unreadable, and the reasons.

    The database is read in blocks; memory grows by 4 bytes per query and image.
    """
    similarity = np.full((len(queries), len(database)), -np.inf, np.float32)
    failed: dict[str, str] = {}
    blocks = dict(_blocks(stores, queries, transform, failed))
    rows = [row for block in blocks for row in block]
    for columns, vectors in _blocks(stores, database, transform, failed):
        if rows:
            similarity[np.ix_(rows, columns)] = np.concatenate(list(blocks.values())) @ vectors.T
    return similarity, failed


def _blocks(
    stores: Mapping[Path, Sequence[str]],
    names: Sequence[str],
    transform: Callable[[np.ndarray], np.ndarray],
    failed: dict[str, str],
) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Yield positions in `names` and transformed descriptors in blocks; add images without descriptors to `failed`."""
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
    images: Sequence[ImageEntry],
    output: Path,
    descriptor: str,
    resize_max: int | None,
    weights: str | os.PathLike | None = None,
) -> tuple[list[str], np.ndarray, dict[str, str], dict]:
    # Descriptors are kept in a temporary file next to the output, from which an interrupted run resumes.
    store = scratch_of(output)
    names = [entry.name for entry in images]
    describe_globally(images, store, descriptor, resize_max, weights)
    try:
        return names, *read_global(store, names)
    finally:
        store.unlink()
