"""The images of a dataset, by its kind."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hndesc.datasets.image_set import DISTRACTORS, ImageEntry
from hndesc.errors import HndescError
from hndesc.io.images import find_images
from hndesc.runtime.plugins import Registry, load_place

# Functions (root, **settings) -> list of ImageEntry, each imported only when it is asked for.
LISTS = Registry(
    "kind of dataset",
    {
        "folder": "hndesc.datasets.listing:folder_photos",
        "hpatches": "hndesc.datasets.homography.sequences:sequence_photos",
        "retrieval": "hndesc.datasets.revisited:dataset_photos",
        "tokyo247": "hndesc.datasets.tokyo247:view_photos",
        "localization": "hndesc.datasets.localization.images:posed_photos",
    },
)


def list_photos(
    root: str | os.PathLike, kind: str = "folder", distractors: str | os.PathLike | None = None, **settings: Any
) -> list[ImageEntry]:
    """List the photos of a dataset.

    Args:
        root: folder of the dataset.
        kind: "folder" (all images below), "hpatches" (the images of homography sequences), "retrieval" (database and
            cropped queries of the revisited layout), "tokyo247" (database and queries of Tokyo 24/7), "localization"
            (all images below the folders of `posed_folders`), or "module:function" of another list.
        distractors: folder whose images enlarge the database of a retrieval set.
        **settings: of the kind's function: of a folder `upright`, see `ImageEntry`.

    Raises:
        HndescError: no dataset of that kind, or distractors that are images of the set.
    """
    photos = (load_place(kind) if ":" in kind else LISTS.load(kind))(Path(root), **settings)
    return photos if distractors is None else photos + _distractors(Path(distractors), photos)


def folder_photos(root: Path, upright: bool = True) -> list[ImageEntry]:
    """Return all images below a folder."""
    return [ImageEntry(name, root / name, upright=upright) for name in find_images(root)]


def _distractors(folder: Path, photos: Sequence[ImageEntry]) -> list[ImageEntry]:
    """Return the images below a folder, none of which may be one of the set: it would be right and wrong at once."""
    place = Path(os.path.realpath(folder))
    for own in {os.path.dirname(os.path.realpath(photo.path)) for photo in photos}:
        if Path(own).is_relative_to(place):
            raise HndescError(
                f"{folder}: the images of the set itself ({own}) are among these distractors; name others"
            )
    return [ImageEntry(f"db/{DISTRACTORS}/{name}", folder / name) for name in find_images(folder)]
