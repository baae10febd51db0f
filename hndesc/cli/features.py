"""The commands of `hndesc` for features: extract, evaluate, prepare benchmark images."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hndesc.cli.options import (
    DETECTOR,
    MOST_WORKERS,
    add_features,
    add_ratio,
    add_views,
    list_photos,
    positive,
    usual_workers,
)
from hndesc.errors import HndescError


def extract(
    images: list[Path],
    output: Path,
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
    photos = list_photos(images, upright=not as_stored)
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


def _refuse_beside_keypoints(options: Mapping[str, object]) -> None:
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise HndescError(f"{', '.join(given)} cannot be combined with --keypoints, with which nothing is detected")


def score_hpatches(
    root: Path,
    features: Path,
    output: Path,
    json: Path | None,
    table: Path | None,
    sequences: Path | None,
    **settings: Any,
) -> None:
    """Evaluate features on homography sequences and print the result."""
    from hndesc.evaluation.hpatches.evaluate import score_hpatches

    score_hpatches(root, features, output, json, table, sequences, **settings)
    print(output.read_text(), end="")


def resize_sequences(root: Path, output: Path, layout: str | None) -> None:
    """Copy homography sequences at 640 x 480 pixels."""
    from hndesc.datasets.homography.resizing import resize_sequences

    resize_sequences(root, output, layout=layout)
    print(output)


def add_feature_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands for features to the parser."""
    _add_extract(commands.add_parser("extract", help="extract features of images to an HDF5 file"))
    _add_score(commands.add_parser("score", help="evaluate features on a benchmark"))
    _add_resize(commands.add_parser("resize-sequences", help="resize homography sequences to 640 x 480 pixels"))


def _add_extract(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write the features of all images to a file with one group per image. Its name is the path below IMAGES if "
        "that is a single folder, else the name of the file, or its path where two names are equal. Images are rotated "
        "by their EXIF orientation tags, and keypoints are in pixels of the rotated image. Cameras and poses of COLMAP "
        "refer to images as they are stored: localization rotates such keypoints back."
    )
    parser.add_argument("images", metavar="IMAGES", type=Path, nargs="+", help="a folder, or images and folders")
    parser.add_argument("output", metavar="OUT.h5", type=Path)
    parser.add_argument("--keypoints", metavar="K.h5", type=Path, help="describe these keypoints, detect none")
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


def _add_score(parser: argparse.ArgumentParser) -> None:
    benchmarks = parser.add_subparsers(required=True, metavar="BENCHMARK")
    hpatches = benchmarks.add_parser("hpatches", help="homography sequences: matching accuracy and homographies")
    hpatches.add_argument("root", metavar="ROOT", type=Path, help="folder of the sequences")
    hpatches.add_argument("features", metavar="FEATURES.h5", type=Path)
    hpatches.add_argument("--output", metavar="OUT.txt", type=Path, required=True)
    hpatches.add_argument("--json", metavar="OUT.json", type=Path, help="all scores with their origin")
    hpatches.add_argument("--csv", metavar="OUT.csv", dest="table", type=Path, help="all scores")
    hpatches.add_argument("--sequences", metavar="OUT.csv", type=Path, help="scores of each sequence")
    hpatches.add_argument(
        "--protocol",
        default="full",
        metavar="NAME",
        help="full, or 480x640 for resized sequences (default: %(default)s)",
    )
    hpatches.add_argument(
        "--estimator",
        nargs="+",
        default=["ransac"],
        metavar="NAME",
        help="one or more of ransac, magsac and poselib (default: ransac)",
    )
    add_ratio(hpatches)
    hpatches.add_argument(
        "--orders",
        metavar="N",
        type=int,
        default=0,
        help="random orders of the matches for mean and deviation of the first estimator's AUC (default: none)",
    )
    hpatches.add_argument("--large-scenes", action="store_true", help="include the 8 very large scenes of HPatches")
    hpatches.add_argument("--threads", metavar="N", type=positive, default=1, help="number of processes (default: 1)")
    _add_layout(hpatches)
    hpatches.set_defaults(command=score_hpatches)


def _add_resize(parser: argparse.ArgumentParser) -> None:
    parser.description = "Resize homography sequences to 640 x 480 pixels, for evaluation with --protocol 480x640."
    parser.add_argument("root", metavar="ROOT", type=Path, help="folder of the sequences")
    parser.add_argument("output", metavar="OUT", type=Path, help="folder to write")
    _add_layout(parser)
    parser.set_defaults(command=resize_sequences)


def _add_layout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--layout", metavar="NAME", help="hpatches, oxford_affine or pairs (default: detected from the files)"
    )
