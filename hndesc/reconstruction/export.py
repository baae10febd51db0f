"""Features and matches as a COLMAP database, for COLMAP and other programs that read it."""

import os
from pathlib import Path

from hndesc.datasets.image_set import ImageEntry
from hndesc.errors import HndescError
from hndesc.io.exif import ExifCamera
from hndesc.io.features import FeatureReader
from hndesc.io.files import atomic_path
from hndesc.localization.database import write_matched_images
from hndesc.localization.matches import MatchReader, check_made_from
from hndesc.reconstruction.cameras import PhotoCameras, group_cameras, read_cameras
from hndesc.reconstruction.mapping import ReconstructionSettings, verify_pairs


def export_colmap(
    features: str | os.PathLike,
    matches: str | os.PathLike,
    output: str | os.PathLike,
    images: str | os.PathLike | None = None,
    *,
    share_cameras: bool = True,
    verify: bool = False,
    threads: int = 1,
) -> dict[str, int]:
    """Write images, cameras, keypoints and matches to a new COLMAP database.

    Args:
        features: feature file of this package or of hloc.
        matches: match file of this package or of hloc.
        output: database to write; an existing file is not replaced.
        images: folder of the images, whose EXIF data has focal lengths; None for 1.2 times the longer side.
        share_cameras: see `hndesc.reconstruction.cameras.read_cameras`.
        verify: whether to verify the matches by two-view geometry, too.
        threads: of verification.

    Returns:
        Counts: those of `hndesc.localization.database.write_matched_images`, and `verified_pairs` if they are verified.

    Raises:
        HndescError: a file is missing or broken, matches of other features, or `output` exists.
    """
    if os.path.lexists(output):
        raise HndescError(f"{output}: exists; move it away or choose another name")
    with FeatureReader(features) as feature_reader, MatchReader(matches) as match_reader:
        check_made_from(match_reader, feature_reader)
        names = feature_reader.names()
        cameras = cameras_of_features(feature_reader, names, images, share_cameras)
        pairs = match_reader.pairs(names)
        with atomic_path(output) as temporary:
            temporary.unlink()
            paths = temporary, cameras.intrinsics, cameras.ids, pairs, feature_reader, match_reader
            counts = write_matched_images(*paths, place=matches, guessed=cameras.guessed)
            if verify:
                numbers = cameras.numbered(pairs)
                counts["verified_pairs"] = verify_pairs(temporary, numbers, ReconstructionSettings(), threads)
    return counts


def cameras_of_features(
    features: FeatureReader, names: list[str], images: str | os.PathLike | None, share: bool
) -> PhotoCameras:
    """Return the cameras of images by their EXIF data, or by the sizes that features are of; arguments as above."""
    if not names:
        raise HndescError(f"{features.path}: has no features of any image")
    if images is not None:
        entries = [ImageEntry(name, Path(images) / name) for name in names]
        return read_cameras(entries, share)
    found = {}
    for name in names:
        entry = features.read(name)
        size = entry.image_size if entry.orientation < 5 else entry.image_size[::-1]
        if min(size) < 1:
            raise HndescError(f"{features.path}: does not say the size of '{name}'; give the folder of the images")
        found[name] = ExifCamera(size, None, "")
    return group_cameras(found, share)
