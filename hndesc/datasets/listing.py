"""The images of a dataset, by its kind."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hndesc.datasets.image_set import DISTRACTORS, ImageEntry
from hndesc.datasets.kinds import KINDS
from hndesc.errors import HndescError
from hndesc.io.images import find_images
from hndesc.runtime.plugins import load_place


def list_images(
    root: str | os.PathLike, kind: str = "folder", distractors: str | os.PathLike | None = None, **settings: Any
) -> list[ImageEntry]:
    """List the images of a dataset.

    Args:
        root: folder of the dataset.
        kind: "folder" (all images below), or a kind of benchmark (`hndesc.datasets.kinds`): "hpatches" (the images of
            homography sequences), "retrieval" (database and cropped queries of the revisited layout), "tokyo247"
            (database and queries of Tokyo 24/7) or "localization" (all images in the folders of `posed_folders`).
        distractors: folder of images that are added to the database of a retrieval set.
        **settings: settings of the function; that of `folder` has `upright`, see `ImageEntry`.

    Raises:
        HndescError: the kind is unknown, or distractors are images of the dataset itself.
    """
    if kind not in ("folder", *KINDS):
        raise HndescError(f"unknown kind of dataset '{kind}'; choose one of: folder, {', '.join(KINDS)}")
    list_kind = folder_images if kind == "folder" else load_place(KINDS[kind].images)
    images = list_kind(Path(root), **settings)
    return images if distractors is None else images + _distractors(Path(distractors), images)


def folder_images(root: Path, upright: bool = True) -> list[ImageEntry]:
    """Return all images below a folder."""
    return [ImageEntry(name, root / name, upright=upright) for name in find_images(root)]


def _distractors(folder: Path, images: Sequence[ImageEntry]) -> list[ImageEntry]:
    """Return the images in a folder; a HndescError if one is in the dataset: it would be correct and wrong at once."""
    place = Path(os.path.realpath(folder))
    for own in {os.path.dirname(os.path.realpath(entry.path)) for entry in images}:
        if Path(own).is_relative_to(place):
            raise HndescError(
                f"{folder}: images of the dataset itself ({own}) are among these distractors; choose another folder"
            )
    return [ImageEntry(f"db/{DISTRACTORS}/{name}", folder / name) for name in find_images(folder)]
