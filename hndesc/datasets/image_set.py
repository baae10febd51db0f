"""The images of a step: names in feature files, paths on disk, and optional crop boxes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hndesc.errors import ImageError
from hndesc.io.images import image_orientation, read_image
from hndesc.runtime.provenance import file_identity

# Distractors of a retrieval set are named "db/distractors/<path>".
DISTRACTORS = "distractors"


@dataclass(frozen=True)
class ImageEntry:
    """One image of a set.

    Attributes:
        name: key in feature files, relative POSIX path.
        path: file on disk.
        box: (x1, y1, x2, y2) in pixels, to which the image is cropped (queries of Oxford and Paris), or None.
        upright: whether to rotate the image by its EXIF tag; False for posed images, which COLMAP does not rotate.
    """

    name: str
    path: Path
    box: tuple[float, float, float, float] | None = None
    upright: bool = True

    @property
    def identity(self) -> str:
        """A string that changes when the file is replaced."""
        return f"{file_identity(self.path)}\t{self.box}"

    @property
    def orientation(self) -> int:
        """The value of the EXIF tag by which the image is rotated; errors as those of `read`."""
        return image_orientation(self.path) if self.upright else 1

    def read(self) -> np.ndarray:
        """Read the image (RGB, uint8, H x W x 3), cropped to its box; an ImageError names the file."""
        image = read_image(self.path, self.upright)
        return image if self.box is None else _cut(image, self.box, self.path)


def _cut(image: np.ndarray, box: tuple[float, float, float, float], path: Path) -> np.ndarray:
    height, width = image.shape[:2]
    left, top = (max(0, int(np.floor(value))) for value in box[:2])
    right, bottom = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
    if left >= right or top >= bottom:
        raise ImageError(f"{path}: query box {box} lies outside the {width}x{height} image; check the ground truth")
    return image[top:bottom, left:right]
