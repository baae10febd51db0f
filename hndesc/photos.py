"""Which photos a step works on: names in the feature store, files on disk, and the box to cut out, if any."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hndesc.errors import HndescError, ImageError
from hndesc.images import find_images, read_image
from hndesc.parts import read_part
from hndesc.provenance import file_identity
from hndesc.registry import Registry, load_place

# Functions (root, **settings) -> list of Photo, each imported only when it is asked for.
LISTS = Registry(
    "kind of dataset",
    {
        "folder": "hndesc.photos:folder_photos",
        "hpatches": "hndesc.benchmarks.sequences:sequence_photos",
        "retrieval": "hndesc.benchmarks.ground_truth:dataset_photos",
        "tokyo247": "hndesc.benchmarks.tokyo247_views:view_photos",
        "localization": "hndesc.photos:posed_photos",
    },
)
# Photos that enlarge the database of a retrieval set are "db/distractors/<path>".
DISTRACTORS = "distractors"


@dataclass(frozen=True)
class Photo:
    """One photo of a set.

    Attributes:
        name: key in feature files, relative POSIX path.
        path: file on disk.
        box: (x1, y1, x2, y2) in pixels to cut out before anything else (queries of Oxford and Paris), or None.
        upright: turn the photo by its EXIF tag. False for photos with a camera and a pose: COLMAP does not turn them.
    """

    name: str
    path: Path
    box: tuple[float, float, float, float] | None = None
    upright: bool = True

    @property
    def identity(self) -> str:
        """What tells the photo from one that takes its place."""
        return f"{file_identity(self.path)}\t{self.box}"

    def read(self) -> np.ndarray:
        """Read the photo (RGB, uint8, H x W x 3), cut to its box; an ImageError names the file."""
        image = read_image(self.path, self.upright)
        return image if self.box is None else _cut(image, self.box, self.path)


def _cut(image: np.ndarray, box: tuple[float, float, float, float], path: Path) -> np.ndarray:
    height, width = image.shape[:2]
    left, top = (max(0, int(np.floor(value))) for value in box[:2])
    right, bottom = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
    if left >= right or top >= bottom:
        raise ImageError(f"{path}: query box {box} lies outside the {width}x{height} image; check the ground truth")
    return image[top:bottom, left:right]


def list_photos(
    root: str | os.PathLike, kind: str = "folder", distractors: str | os.PathLike | None = None, **settings: Any
) -> list[Photo]:
    """List the photos of a dataset.

    Args:
        root: folder of the dataset.
        kind: "folder" (all images below), "hpatches" (the images of homography sequences), "retrieval" (database and
            cropped queries of the revisited layout), "tokyo247" (database and queries of Tokyo 24/7), "localization"
            (all images below the folders of `posed_folders`), or "module:function" of another list.
        distractors: folder whose images enlarge the database of a retrieval set.
        **settings: of the kind's function.
    """
    photos = (load_place(kind) if ":" in kind else LISTS.load(kind))(Path(root), **settings)
    return photos + _distractors(distractors)


def folder_photos(root: Path) -> list[Photo]:
    """Return all images below a folder."""
    return [Photo(name, root / name) for name in find_images(root)]


def posed_photos(root: Path) -> list[Photo]:
    """Return the images of a localization dataset, as the camera wrote them."""
    return [Photo(name, folder / name, upright=False) for folder in posed_folders(root) for name in find_images(folder)]


def select_photos(
    root: str | os.PathLike,
    kind: str = "folder",
    *,
    distractors: str | os.PathLike | None = None,
    shortlist: str | os.PathLike | None = None,
    top: int = 100,
    part: str | None = None,
    **settings: Any,
) -> list[Photo]:
    """List the photos of a dataset that a step works on.

    Args:
        root: folder of the dataset.
        kind: see `list_photos`, as for `distractors`.
        shortlist: of a retrieval set: only queries and the photos that it puts forward; None for all.
        top: candidates a query that count as put forward.
        part: "i-of-n", i from 1: every n-th photo from the i-th on; None for all.
        **settings: see `list_photos`.

    Raises:
        HndescError: a part that is none, or has no photo.
    """
    photos = list_photos(root, kind, distractors, **settings)
    if shortlist is not None:
        from hndesc.benchmarks.shortlist import candidates, read_shortlist

        wanted = set(candidates(read_shortlist(shortlist), top))
        photos = [photo for photo in photos if photo.name in wanted]
    return photos if part is None else _part(photos, part)


def _part(photos: list[Photo], part: str) -> list[Photo]:
    number, count = read_part(part)
    if number > len(photos):
        raise HndescError(f"part {part} of {len(photos)} photos is empty; ask for at most {len(photos)} shards")
    return photos[number - 1 :: count]


def _distractors(folder: str | os.PathLike | None) -> list[Photo]:
    if folder is None:
        return []
    return [Photo(f"db/{DISTRACTORS}/{name}", Path(folder) / name) for name in find_images(folder)]


def posed_folders(root: Path) -> list[Path]:
    """Return where a localisation dataset has its photos: in one folder, or kapture's mapping and query photos."""
    records = "sensors/records_data"
    parts = [root / "mapping" / records, *sorted(root.glob(f"query*/{records}"))]
    return parts if len(parts) > 1 and parts[0].is_dir() else [upright_folder(root)]


def upright_folder(root: Path) -> Path:
    """Return the one folder of photos of a dataset: Aachen's upright ones, `images`, or kapture's records."""
    names = ("images/images_upright", "images_upright", "images", "sensors/records_data")
    for place in (root / name for name in names):
        if place.is_dir():
            return place
    raise HndescError(f"{root}: no folder {', '.join(names[:-1])} or {names[-1]} in it")
