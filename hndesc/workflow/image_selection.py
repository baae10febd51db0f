"""The images that a job works on: all of a dataset, those of a shortlist, or one shard of them."""

import os
from typing import Any

from hndesc.datasets.image_set import ImageEntry
from hndesc.datasets.listing import list_images
from hndesc.errors import HndescError
from hndesc.retrieval.shortlist import candidates, read_shortlist
from hndesc.runtime.shards import read_part


def select_images(
    root: str | os.PathLike,
    kind: str = "folder",
    *,
    distractors: str | os.PathLike | None = None,
    shortlist: str | os.PathLike | None = None,
    top: int = 100,
    part: str | None = None,
    **settings: Any,
) -> list[ImageEntry]:
    """List the photos of a dataset that a step works on.

    Args:
        root: folder of the dataset.
        kind: see `list_images`, as for `distractors`.
        shortlist: of a retrieval set: only queries and the photos that it lists; None for all.
        top: number of candidates per query that count as retrieved.
        part: "i-of-n", i from 1: every n-th photo from the i-th on; None for all.
        **settings: see `list_images`.

    Raises:
        HndescError: a part that is none, or has no photo.
    """
    photos = list_images(root, kind, distractors, **settings)
    if shortlist is not None:
        wanted = set(candidates(read_shortlist(shortlist), top))
        photos = [photo for photo in photos if photo.name in wanted]
    return photos if part is None else _part(photos, part)


def _part(photos: list[ImageEntry], part: str) -> list[ImageEntry]:
    number, count = read_part(part)
    if number > len(photos):
        raise HndescError(f"part {part} of {len(photos)} photos is empty; ask for at most {len(photos)} shards")
    return photos[number - 1 :: count]
