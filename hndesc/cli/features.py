"""The command that extracts features."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from hndesc.cli.options import (
    DETECTOR,
    MOST_WORKERS,
    add_features,
    add_views,
    list_photos,
    positive,
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
    model: str,
    detector: str | None,
    detector_weights: Path | None,
    weights: Path | None,
    keypoints: Path | None,
    max_keypoints: int | None,
    resize_max: int | None,
    as_stored: bool,
    views: bool,
    workers: int | None,
) -> None:
    """Describe images, or all in folders, at detected or given keypoints."""
    from hndesc.extraction import description as steps

    if keypoints is not None:
        _refuse_beside_keypoints(
            {"--detector": detector, "--detector-weights": detector_weights, "--max-keypoints": max_keypoints}
        )
    photos = _list(images, kind, as_stored)
    processes = workers or usual_workers(model)
    if keypoints is not None:
        steps.describe_keypoints(
            photos, keypoints, output, model, resize_max, views=views, processes=processes, weights=weights
        )
        return
    detector = detector or DETECTOR
    steps.extract(
        photos, output, model, detector, detector_weights, max_keypoints, resize_max, weights, views, processes
    )


def _list(images: list[Path], kind: str | None, as_stored: bool) -> list[ImageEntry]:
    if kind is None:
        return list_photos(images, upright=not as_stored)
    if len(images) > 1 or as_stored:
        raise HndescError(f"--kind {kind} takes one folder, whose images it rotates or not as benchmarks of it do")
    return list_images(images[0], kind)


def _refuse_beside_keypoints(options: Mapping[str, object]) -> None:
    given = [name for name, value in options.items() if value is not None]
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
        type=positive,
        help=f"number of processes, each with one thread (default: the cores, at most {MOST_WORKERS}; 1 on a GPU)",
    )
    add_features(parser)
    parser.set_defaults(command=extract)
