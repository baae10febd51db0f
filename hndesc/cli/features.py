"""The command that extracts features."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hndesc.cli.options import (
    MOST_WORKERS,
    add_features,
    add_views,
    extraction_settings,
    list_photos,
    parallel,
    usual_workers,
)
from hndesc.datasets.image_set import ImageEntry
from hndesc.datasets.kinds import KINDS
from hndesc.datasets.listing import list_images
from hndesc.errors import HndescError


def extract(
    images: list[Path],
    output: Path,
    kind: str | None,
    keypoints: Path | None,
    as_stored: bool,
    workers: int | None,
    **features: Any,
) -> None:
    """Describe images, or all in folders, at detected or given keypoints."""
    from hndesc.extraction import description as steps

    if keypoints is not None:
        _refuse_beside_keypoints(features)
    photos = _list(images, kind, as_stored)
    settings = extraction_settings(**features)
    workers = workers or usual_workers(settings["descriptor"])
    if keypoints is not None:
        description = {name: settings[name] for name in ("descriptor", "resize_max", "views")}
        weights = settings["descriptor_weights"]
        steps.describe_keypoints(photos, keypoints, output, **description, workers=workers, weights=weights)
        return
    steps.extract(photos, output, **settings, workers=workers)


def _list(images: list[Path], kind: str | None, as_stored: bool) -> list[ImageEntry]:
    if kind is None:
        return list_photos(images, upright=not as_stored)
    if len(images) > 1 or as_stored:
        raise HndescError(f"--kind {kind} takes one folder, whose images it rotates or not as benchmarks of it do")
    return list_images(images[0], kind)


def _refuse_beside_keypoints(features: Mapping[str, object]) -> None:
    detection = ("detector", "detector_weights", "max_keypoints")
    given = [f"--{name.replace('_', '-')}" for name in detection if features[name] is not None]
    if given:
        raise HndescError(f"{', '.join(given)} cannot be combined with --keypoints, with which nothing is detected")


def add_feature_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command for features to the parser."""
    parser = commands.add_parser("extract", help="extract features of images to an HDF5 file")
    parser.description = (
        "Write the features of all images to a file with one group per image. Its name is the path below IMAGES if "
        "that is a single folder, else the name of the file, or its path where two names are equal. Images are rotated "
        "by their EXIF orientation tags, and keypoints are in pixels of the rotated image. Cameras and poses of COLMAP "
        "refer to images as they are stored: localization rotates such keypoints back."
    )
    parser.add_argument("images", metavar="IMAGES", type=Path, nargs="+", help="a folder, or images and folders")
    parser.add_argument("output", metavar="OUT.h5", type=Path)
    parser.add_argument("--keypoints", metavar="K.h5", type=Path, help="describe these keypoints, detect none")
    parser.add_argument(
        "--kind",
        choices=list(KINDS),
        help="IMAGES is a dataset of this kind: its images, named and cropped as scoring on it asks for",
    )
    parser.add_argument("--as-stored", action="store_true", help="do not rotate images by their EXIF orientation tags")
    add_views(parser, "; matching selects the best view")
    parser.add_argument(
        "--workers",
        metavar="N",
        type=parallel,
        help=f"number of images at a time, each on one core (default: the cores, at most {MOST_WORKERS}; 1 on a GPU)",
    )
    add_features(parser)
    parser.set_defaults(command=extract)
