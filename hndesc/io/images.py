"""Reading, writing and resizing images, and the one place that states the pixel-center convention.

Convention of the whole package: keypoints are (x, y) in pixels and the center of the top-left pixel is (0, 0).
Resizing an image by a factor s moves a point to x' = (x + 0.5) * s - 0.5.
"""

import os

import cv2
import numpy as np
from PIL import Image

from hndesc.errors import check_count
from hndesc.io.files import atomic_path
from hndesc.io.image_listing import SUFFIXES, find_images
from hndesc.io.image_reading import image_orientation, image_size, read_image

__all__ = [
    "SUFFIXES",
    "find_images",
    "image_orientation",
    "image_size",
    "read_image",
    "resize_longest",
    "scale_points",
    "stored_points",
    "to_gray",
    "upright_points",
    "write_image",
]


def to_gray(image: np.ndarray) -> np.ndarray:
    """Return the luma (ITU-R 601) of an RGB uint8 H x W x 3 image as uint8 H x W."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def write_image(path: str | os.PathLike, image: np.ndarray, quality: int = 95) -> None:
    """Write an RGB (H x W x 3) or gray (H x W) uint8 image atomically; the suffix names the format."""
    with atomic_path(path) as temporary:
        options = {"quality": quality, "subsampling": 0} if temporary.suffix.lower() in (".jpg", ".jpeg") else {}
        Image.fromarray(image).save(temporary, **options)


def resize_longest(image: np.ndarray, longest: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Shrink an image so that its longer side has at most `longest` pixels (None: leave it).

    Returns:
        The image and the factors (sx, sy), new size over old, that `scale_points` takes.
    """
    check_count("resize_max", longest)
    height, width = image.shape[:2]
    if longest is None or max(height, width) <= longest:
        return image, np.ones(2)
    factor = longest / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return resized, np.array([size[0] / width, size[1] / height])


def scale_points(points: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Move N x 2 points into an image resized by `factors` (sx, sy): x' = (x + 0.5) * s - 0.5, as float64."""
    return (np.asarray(points, np.float64) + 0.5) * factors - 0.5


def stored_points(points: np.ndarray, size: tuple[int, int], orientation: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Return points of a photo that was rotated by its EXIF tag in pixels of the photo as the file stores it.

    Args:
        points: N x 2 pixels of the rotated photo.
        size: its (width, height).
        orientation: value of the tag, 1 to 8.

    Returns:
        N x 2 float64, and the size of the stored photo.
    """
    x, y = np.asarray(points, np.float64).reshape(-1, 2).T
    if orientation in (2, 3, 6, 7):
        x = size[0] - 1 - x
    if orientation in (3, 4, 7, 8):
        y = size[1] - 1 - y
    if orientation in (5, 6, 7, 8):
        x, y, size = y, x, size[::-1]
    return np.stack([x, y], axis=1), size


def upright_points(points: np.ndarray, size: tuple[int, int], orientation: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Return points of a photo as the file stores it in pixels of the photo rotated by its EXIF tag.

    The inverse of `stored_points`; `size` is that of the stored photo, the result that of the rotated one.
    """
    x, y = np.asarray(points, np.float64).reshape(-1, 2).T
    if orientation in (5, 6, 7, 8):
        x, y, size = y, x, size[::-1]
    if orientation in (3, 4, 7, 8):
        y = size[1] - 1 - y
    if orientation in (2, 3, 6, 7):
        x = size[0] - 1 - x
    return np.stack([x, y], axis=1), size
