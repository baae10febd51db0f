"""The command `hndesc`, a thin layer over the step functions of the package."""

import argparse
import io
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hndesc import __version__
from hndesc.cli.models import add_model_commands
from hndesc.datasets.image_set import ImageEntry
from hndesc.detectors import DETECTORS
from hndesc.errors import HndescError, MissingWeightsError, printable
from hndesc.models.bundled import DEFAULT
from hndesc.runtime.logs import step

_DETECTOR = "sift"
_VIEWS = "also describe images rotated by multiples of 90 degrees and at half size"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `hndesc`; invalid input ends it with one line on stderr and exit status 1."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # prints the name of any file
    options = vars(_parser().parse_args(arguments))
    command = options.pop("command")
    with step():
        try:
            command(**options)
            sys.stdout.flush()
        except MissingWeightsError as error:
            solution = "give the file by --weights, that of a detector by --detector-weights"
            raise HndescError(f"{error.args[0]}; {solution}") from None
        except BrokenPipeError:  # as in `hndesc datasets | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)


def extract(
    images: Path,
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
) -> None:
    """Describe all images in a folder, at detected or given keypoints."""
    from hndesc.datasets.listing import list_images
    from hndesc.extraction import steps

    if keypoints is not None:
        _refuse_beside_keypoints(
            {"--detector": detector, "--detector-weights": detector_weights, "--max-keypoints": max_keypoints}
        )
    photos = list_images(images, upright=not as_stored)
    if keypoints is not None:
        steps.describe_keypoints(photos, keypoints, output, model, resize_max, views=views, weights=weights)
    else:
        detector = detector or _DETECTOR
        steps.extract(photos, output, model, detector, detector_weights, max_keypoints, resize_max, weights, views)


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


def match(
    first: Path,
    second: Path,
    output: Path,
    model: str,
    detector: str | None,
    detector_weights: Path | None,
    weights: Path | None,
    max_keypoints: int | None,
    resize_max: int | None,
    views: bool,
    ratio: float | None,
) -> None:
    """Draw the matches of two photos: inliers of a homography green, outliers red."""
    from hndesc.extraction import steps
    from hndesc.io.images import read_image
    from hndesc.visualization.match_figures import plot_matches
    from hndesc.visualization.style import check_figure

    check_figure(output, [first, second])
    detector = detector or _DETECTOR
    for path in (first, second):
        read_image(path)  # report unreadable photos before any work
    photos = [ImageEntry(f"A/{printable(first.name)}", first), ImageEntry(f"B/{printable(second.name)}", second)]
    with tempfile.TemporaryDirectory() as folder:
        features = Path(folder) / "features.h5"
        steps.extract(photos, features, model, detector, detector_weights, max_keypoints, resize_max, weights, views)
        names = photos[0].name, photos[1].name
        plot_matches((first, second), names, [features], output, [Path(model).stem], ratio=ratio)
    print(output)


def list_datasets(data: Path, registry: Path | None) -> None:
    """Print the entries of the registry and their state."""
    from hndesc.datasets.fetch import install

    listed = install.list_datasets(data, registry)
    width = max(len(entry.name) for entry, _ in listed)
    for entry, state in listed:
        size = "?" if entry.size is None else f"{entry.size / 1e6:,.1f} MB"
        print(f"{entry.name:{width}}  {state:18}  {size:>12}  {entry.title}; {entry.license}")


def get_dataset(
    name: str, data: Path, registry: Path | None, mirrors: list[str] | None, checksums: Path | None
) -> None:
    """Download, unpack and verify a dataset or a weights file, and print its path."""
    from hndesc.datasets.fetch import install

    checksums = checksums or Path(install.CHECKSUMS)
    print(install.get_dataset(name, data, registry=registry, mirrors=mirrors or (), checksums=checksums))


def gather_free_photos(unpacked: Path, output: Path) -> None:
    """Gather photographs under free licenses from unpacked packages."""
    from hndesc.datasets import free_photos

    free_photos.gather_free_photos(unpacked, output)
    print(output)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hndesc", description="Local image descriptors: extraction, evaluation and figures."
    )
    parser.add_argument("--version", action="version", version=f"hndesc {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_extract(commands.add_parser("extract", help="extract features of all images in a folder to an HDF5 file"))
    _add_score(commands.add_parser("score", help="evaluate features on a benchmark"))
    _add_resize(commands.add_parser("resize-sequences", help="resize homography sequences to 640 x 480 pixels"))
    _add_match(commands.add_parser("match", help="draw the matches of two photos"))
    add_model_commands(commands)
    _add_datasets(commands.add_parser("datasets", help="list or download datasets and weights"))
    _add_free_photos(commands.add_parser("free-photos", help="collect photographs under free licenses from packages"))
    return parser


def _add_extract(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write the features of all images in IMAGES to a file with one group per relative path. Images are rotated by "
        "their EXIF orientation tags, and keypoints are in pixels of the rotated image. Cameras and poses of COLMAP "
        "refer to images as they are stored: localization refuses features of rotated images."
    )
    parser.add_argument("images", metavar="IMAGES", type=Path, help="folder")
    parser.add_argument("output", metavar="OUT.h5", type=Path)
    parser.add_argument("--keypoints", metavar="K.h5", type=Path, help="describe these keypoints, detect none")
    parser.add_argument("--as-stored", action="store_true", help="do not rotate images by their EXIF orientation tags")
    parser.add_argument(
        "--views", action="store_true", help=f"{_VIEWS}; matching selects the best view (four times the work)"
    )
    _add_features(parser)
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
    _add_ratio(hpatches)
    hpatches.add_argument("--large-scenes", action="store_true", help="include the 8 very large scenes of HPatches")
    hpatches.add_argument("--threads", metavar="N", type=_positive, default=1, help="number of processes (default: 1)")
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


def _add_match(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="A", type=Path, help="photo")
    parser.add_argument("second", metavar="B", type=Path, help="photo")
    parser.add_argument("--output", metavar="FIGURE.png", type=Path, required=True)
    parser.add_argument(
        "--one-view", dest="views", action="store_false", help="describe images in one view: five times as fast"
    )
    _add_ratio(parser)
    _add_features(parser)
    parser.set_defaults(command=match)


def _add_datasets(parser: argparse.ArgumentParser) -> None:
    parser.description = "Without a command, list all datasets and weights with their state."
    parser.add_argument("--data", metavar="FOLDER", type=Path, default=Path("data"), help="default: %(default)s")
    parser.add_argument("--registry", metavar="FILE.yaml", type=Path, help="further entries")
    parser.set_defaults(command=list_datasets)
    get = parser.add_subparsers(metavar="COMMAND").add_parser("get", help="download, unpack and verify one")
    get.add_argument("name", metavar="NAME")
    get.add_argument("--mirror", metavar="URL", dest="mirrors", action="append", help="mirror to try first")
    get.add_argument("--checksums", metavar="FILE.tsv", type=Path, help="default: checksums.tsv")
    get.set_defaults(command=get_dataset)


def _add_free_photos(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("unpacked", metavar="UNPACKED", type=Path, help="folder with one folder per Debian package")
    parser.add_argument("output", metavar="OUT", type=Path)
    parser.set_defaults(command=gather_free_photos)


def _add_features(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        "--descriptor",
        metavar="NAME_OR_FILE",
        default=DEFAULT,
        help="bundled model, checkpoint (.safetensors), or descriptor such as sift or rootsift (default: %(default)s)",
    )
    parser.add_argument("--weights", metavar="FILE", type=Path, help="pretrained weights of the descriptor")
    detectors = ", ".join(sorted(DETECTORS.places))
    parser.add_argument("--detector", metavar="NAME", help=f"one of {detectors} (default: {_DETECTOR})")
    parser.add_argument("--detector-weights", metavar="FILE", type=Path, help="pretrained weights of the detector")
    parser.add_argument(
        "--max-keypoints", metavar="N", type=_positive, help="maximum number of keypoints per image (default: all)"
    )
    parser.add_argument(
        "--resize-max", metavar="N", type=_positive, help="longest side in pixels (default: full resolution)"
    )


def _add_ratio(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ratio",
        metavar="R",
        type=_ratio,
        help="drop matches farther than this share of the distance to the second nearest keypoint (default: none)",
    )


def _ratio(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0 and at most 1")
    return value


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive integer")
    return int(text)
