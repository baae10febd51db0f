"""Which photos to match: all with each other while they are few, else those that look alike or follow each other."""

import itertools
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from hndesc.datasets.image_set import ImageEntry
from hndesc.errors import HndescError, check_count, counted
from hndesc.io.files import check_own_file
from hndesc.io.lists import distinct_pairs, list_name, write_pairs
from hndesc.retrieval.global_descriptors import GLOBAL_DESCRIPTORS
from hndesc.retrieval.global_features import RESIZE_MAX, describe_globally, read_global, scratch_of
from hndesc.retrieval.ranking import rank

logger = logging.getLogger(__name__)

EXHAUSTIVE, SIMILAR, SEQUENTIAL = 40, 20, 5
DESCRIPTOR = "efficientnet_lite0"


def pair_photos(
    photos: Sequence[ImageEntry],
    output: str | os.PathLike,
    *,
    exhaustive: int = EXHAUSTIVE,
    similar: int = SIMILAR,
    sequential: int = SEQUENTIAL,
    descriptor: str = DESCRIPTOR,
    resize_max: int | None = RESIZE_MAX,
) -> None:
    """Write the list of pairs of photos to match, `name name` a line, each pair once.

    Args:
        photos: the photos, in the order in which they were taken.
        output: text file.
        exhaustive: up to this number of photos, all are paired with each other.
        similar: with more photos: photos that each is paired with, the most similar by a global descriptor.
        sequential: with more photos: photos after it that each is paired with.
        descriptor: name of a global descriptor.
        resize_max: longest side of photos for the global descriptor in pixels; None keeps their size.

    Raises:
        HndescError: fewer than two photos, a name that a list cannot hold, or numbers with which nothing is paired.
    """
    names = [photo.name for photo in photos]
    check_pairing(names, output, exhaustive, similar, sequential, descriptor, resize_max)
    check_own_file(output, [photo.path for photo in photos])
    if len(names) <= exhaustive:
        kind, pairs = "all", list(itertools.combinations(names, 2))
    else:
        alike = _similar(photos, Path(output), similar, descriptor, resize_max) if similar else []
        kind, pairs = "similar and sequential", distinct_pairs(itertools.chain(_following(names, sequential), alike))
    logger.info("%s of %s: %s", counted(len(pairs), "pair"), counted(len(names), "photo"), kind)
    write_pairs(output, pairs)


def check_pairing(
    names: Sequence[str],
    place: str | os.PathLike,
    exhaustive: int = EXHAUSTIVE,
    similar: int = SIMILAR,
    sequential: int = SEQUENTIAL,
    descriptor: str = DESCRIPTOR,
    resize_max: int | None = RESIZE_MAX,
) -> None:
    """Check in advance that `pair_photos` can pair and list photos of some names; its other arguments and errors.

    Args:
        names: names of the photos.
        place: where they are from, for messages.
    """
    if len(names) < 2:
        raise HndescError(f"{place}: {counted(len(names), 'photo')}, and two are needed; add photos")
    for name in names:
        list_name(name)
    check_count("resize_max", resize_max)
    if similar:
        GLOBAL_DESCRIPTORS.module(descriptor)
    if len(names) > exhaustive and (min(similar, sequential) < 0 or not similar + sequential):
        raise HndescError(f"{similar} similar and {sequential} sequential photos give no pairs; give more")


def _following(names: Sequence[str], count: int) -> Iterable[tuple[str, str]]:
    for place, name in enumerate(names):
        yield from ((name, other) for other in names[place + 1 : place + 1 + count])


def _similar(
    photos: Sequence[ImageEntry], output: Path, count: int, descriptor: str, resize_max: int | None
) -> list[tuple[str, str]]:
    """Pair each photo with the most similar ones; unreadable photos are in no pair. An interrupted run resumes."""
    store = scratch_of(output)
    names = [photo.name for photo in photos]
    describe_globally(photos, store, descriptor, resize_max)
    try:
        vectors, failed, _ = read_global(store, names)
    finally:
        store.unlink()
    rows = [row for row, name in enumerate(names) if name not in failed]
    ranked = rank(vectors[rows], vectors[rows], count + 1)
    return [
        (names[row], names[rows[other]])
        for row, (order, _) in zip(rows, ranked, strict=True)
        for other in order
        if rows[other] != row
    ]
