"""Which photos a step works on: names in the feature store, files on disk, and the box to cut out, if any."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hndesc.errors import HndescError, ImageError
from hndesc.images import find_images, read_image

KINDS = ("folder", "hpatches", "retrieval", "localization")


@dataclass(frozen=True)
class Photo:
    """One photo of a set.

    Attributes:
        name: key in feature files, relative POSIX path.
        path: file on disk.
        box: (x1, y1, x2, y2) in pixels to cut out before anything else (queries of Oxford and Paris), or None.
    """

    name: str
    path: Path
    box: tuple[float, float, float, float] | None = None

    def read(self) -> np.ndarray:
        """Read the photo (RGB, uint8, H x W x 3), cut to its box; an ImageError names the file."""
        image = read_image(self.path)
        return image if self.box is None else _cut(image, self.box, self.path)


def _cut(image: np.ndarray, box: tuple[float, float, float, float], path: Path) -> np.ndarray:
    height, width = image.shape[:2]
    left, top = (max(0, int(np.floor(value))) for value in box[:2])
    right, bottom = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
    if left >= right or top >= bottom:
        raise ImageError(f"{path}: query box {box} lies outside the {width}x{height} image; check the ground truth")
    return image[top:bottom, left:right]


def list_photos(root: str | os.PathLike, kind: str = "folder") -> list[Photo]:
    """List the photos of a dataset.

    Args:
        root: folder of the dataset.
        kind: "folder" or "hpatches" (all images below), "retrieval" (database and cropped queries of the revisited
            layout) or "localization" (all images below `images_upright`).
    """
    root = Path(root)
    if kind not in KINDS:
        raise HndescError(f"unknown kind of dataset '{kind}'; choose one of: {', '.join(KINDS)}")
    if kind == "retrieval":
        from hndesc.benchmarks.ground_truth import dataset_photos

        return dataset_photos(root)
    if kind == "localization":
        root = upright_folder(root)
    return [Photo(name, root / name) for name in find_images(root)]


def upright_folder(root: Path) -> Path:
    """Return the folder of photos of a localisation dataset: Aachen's upright ones, or `images` of a posed scene."""
    for place in (root / "images" / "images_upright", root / "images_upright", root / "images"):
        if place.is_dir():
            return place
    raise HndescError(f"{root}: no folder images/images_upright, images_upright or images in it")
