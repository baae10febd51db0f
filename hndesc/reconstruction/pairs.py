"""Which photos to match: all with each other while they are few, else those that look alike or follow each other."""

import itertools
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hndesc.datasets.image_set import ImageEntry
from hndesc.errors import HndescError, check_count, counted
from hndesc.io.files import check_own_file
from hndesc.io.lists import distinct_pairs, list_name, write_pairs
from hndesc.retrieval.global_descriptors import GLOBAL_DESCRIPTORS
from hndesc.retrieval.global_features import RESIZE_MAX, describe_globally, read_global, scratch_of
from hndesc.retrieval.ranking import rank

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pairing:
    """Which photos are paired.

    Attributes:
        exhaustive: up to this number of photos, all are paired with each other.
        similar: with more photos: photos that each is paired with, the most similar by a global descriptor.
        sequential: with more photos: photos after it that each is paired with.
        descriptor: name of a global descriptor.
        resize_max: longest side of photos for the global descriptor in pixels; None keeps their size.
    """

    exhaustive: int = 40
    similar: int = 20
    sequential: int = 5
    descriptor: str = "efficientnet_lite0"
    resize_max: int | None = RESIZE_MAX

    def check(self, names: Sequence[str], place: str | os.PathLike) -> None:
        """Check that photos can be paired and listed.

        Args:
            names: names of the photos.
            place: where they are from, for messages.

        Raises:
            HndescError: fewer than two photos, a name that a list cannot hold, or settings that pair nothing.
        """
        if len(names) < 2:
            raise HndescError(f"{place}: {counted(len(names), 'photo')}, and two are needed; add photos")
        for name in names:
            list_name(name)
        check_count("resize_max", self.resize_max)
        if self.similar:
            GLOBAL_DESCRIPTORS.module(self.descriptor)
        if len(names) > self.exhaustive and (
            min(self.similar, self.sequential) < 0 or not self.similar + self.sequential
        ):
            raise HndescError(
                f"{self.similar} similar and {self.sequential} sequential photos give no pairs; give more"
            )


def pair_photos(photos: Sequence[ImageEntry], output: str | os.PathLike, **settings: Any) -> None:
    """Write the list of pairs of photos to match, `name name` a line, each pair once.

    Args:
        photos: the photos, in the order in which they were taken.
        output: text file.
        **settings: of `Pairing`.

    Raises:
        HndescError: the photos cannot be paired; see `Pairing.check`.
    """
    pairing = Pairing(**settings)
    names = [photo.name for photo in photos]
    pairing.check(names, output)
    check_own_file(output, [photo.path for photo in photos])
    if len(names) <= pairing.exhaustive:
        kind, pairs = "all", list(itertools.combinations(names, 2))
    else:
        alike = _similar(photos, Path(output), pairing) if pairing.similar else []
        following = _following(names, pairing.sequential)
        kind, pairs = "similar and sequential", distinct_pairs(itertools.chain(following, alike))
    logger.info("%s of %s: %s", counted(len(pairs), "pair"), counted(len(names), "photo"), kind)
    write_pairs(output, pairs)


def _following(names: Sequence[str], count: int) -> Iterable[tuple[str, str]]:
    for place, name in enumerate(names):
        yield from ((name, other) for other in names[place + 1 : place + 1 + count])


def _similar(photos: Sequence[ImageEntry], output: Path, pairing: Pairing) -> list[tuple[str, str]]:
    """Pair each photo with the most similar ones; unreadable photos are in no pair. An interrupted run resumes."""
    store = scratch_of(output)
    names = [photo.name for photo in photos]
    describe_globally(photos, store, pairing.descriptor, pairing.resize_max)
    try:
        vectors, failed, _ = read_global(store, names)
    finally:
        store.unlink()
    rows = [row for row, name in enumerate(names) if name not in failed]
    ranked = rank(vectors[rows], vectors[rows], pairing.similar + 1)
    return [
        (names[row], names[rows[other]])
        for row, (order, _) in zip(rows, ranked, strict=True)
        for other in order
        if rows[other] != row
    ]
