"""Matching of two photos in files, from reading to the geometry that relates them."""

from pathlib import Path

import numpy as np

from hndesc.extraction.extractor import Extractor
from hndesc.io.exif import camera_matrix, read_exif_camera
from hndesc.io.images import read_image
from hndesc.matching.pair import Matches, match_pair


def match_photos(
    photos: tuple[Path, Path],
    extractor: Extractor,
    *,
    ratio: float | None = None,
    geometry: str | None = None,
    estimator: str = "magsac",
    threshold: float = 3.0,
    intrinsics: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[tuple[np.ndarray, np.ndarray], Matches]:
    """Read and match two photos.

    Args:
        photos: files.
        extractor: what detects and describes keypoints.
        ratio, geometry, estimator, threshold: see `hndesc.matching.pair.match_pair`.
        intrinsics: 3 x 3 each, for an essential matrix; None for the focal lengths of the EXIF data.

    Returns:
        The images, RGB uint8, rotated by their EXIF tags, and their matches.

    Raises:
        HndescError: a file is no image, or a setting is out of bounds.
    """
    images = read_image(photos[0]), read_image(photos[1])
    if geometry == "essential" and intrinsics is None:
        intrinsics = _intrinsics(photos, images)
    found = match_pair(
        extractor(images[0]),
        extractor(images[1]),
        ratio=ratio,
        geometry=geometry,
        estimator=estimator,
        threshold=threshold,
        intrinsics=intrinsics,
    )
    return images, found


def _intrinsics(photos: tuple[Path, Path], images: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    first, second = (
        camera_matrix(read_exif_camera(path).focal_or_usual, (image.shape[1], image.shape[0]))
        for path, image in zip(photos, images, strict=True)
    )
    return first, second
