"""Matching of two photos in files, from reading to the geometry that relates them."""

from pathlib import Path

import numpy as np

from hndesc.extraction.extractor import Extractor
from hndesc.io.exif import exif_matrix
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
        intrinsics = _intrinsics(photos[0], images[0]), _intrinsics(photos[1], images[1])
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


def _intrinsics(photo: Path, image: np.ndarray) -> np.ndarray:
    return exif_matrix(photo, (image.shape[1], image.shape[0]))
