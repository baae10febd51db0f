"""The commands of `hndesc` for photos: match two of them."""

import argparse
import tempfile
from pathlib import Path

from hndesc.cli.options import DETECTOR, add_features, add_ratio
from hndesc.datasets.image_set import ImageEntry
from hndesc.errors import printable


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
    from hndesc.extraction import description as steps
    from hndesc.io.images import read_image
    from hndesc.visualization.match_figures import plot_matches
    from hndesc.visualization.style import check_figure

    check_figure(output, [first, second])
    detector = detector or DETECTOR
    for path in (first, second):
        read_image(path)  # report unreadable photos before any work
    photos = [ImageEntry(f"A/{printable(first.name)}", first), ImageEntry(f"B/{printable(second.name)}", second)]
    with tempfile.TemporaryDirectory() as folder:
        features = Path(folder) / "features.h5"
        steps.extract(photos, features, model, detector, detector_weights, max_keypoints, resize_max, weights, views)
        names = photos[0].name, photos[1].name
        plot_matches((first, second), names, [features], output, [Path(model).stem], ratio=ratio)
    print(output)


def add_matching_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands for photos to the parser."""
    _add_match(commands.add_parser("match", help="draw the matches of two photos"))


def _add_match(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="A", type=Path, help="photo")
    parser.add_argument("second", metavar="B", type=Path, help="photo")
    parser.add_argument("--output", metavar="FIGURE.png", type=Path, required=True)
    parser.add_argument(
        "--one-view", dest="views", action="store_false", help="describe images in one view: five times as fast"
    )
    add_ratio(parser)
    add_features(parser)
    parser.set_defaults(command=match)
