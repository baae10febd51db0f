"""Options that several commands of `hndesc` have."""

import argparse
from pathlib import Path

from hndesc.detectors import DETECTORS
from hndesc.models.bundled import DEFAULT

DETECTOR = "sift"
VIEWS = "also describe images rotated by multiples of 90 degrees and at half size"


def add_features(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose descriptor, detector and resolution."""
    parser.add_argument(
        "--model",
        "--descriptor",
        metavar="NAME_OR_FILE",
        default=DEFAULT,
        help="bundled model, checkpoint (.safetensors), or descriptor such as sift or rootsift (default: %(default)s)",
    )
    parser.add_argument("--weights", metavar="FILE", type=Path, help="pretrained weights of the descriptor")
    detectors = ", ".join(sorted(DETECTORS.places))
    parser.add_argument("--detector", metavar="NAME", help=f"one of {detectors} (default: {DETECTOR})")
    parser.add_argument("--detector-weights", metavar="FILE", type=Path, help="pretrained weights of the detector")
    parser.add_argument(
        "--max-keypoints", metavar="N", type=positive, help="maximum number of keypoints per image (default: all)"
    )
    parser.add_argument(
        "--resize-max", metavar="N", type=positive, help="longest side in pixels (default: full resolution)"
    )


def add_ratio(parser: argparse.ArgumentParser) -> None:
    """Add the option of the ratio test."""
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


def positive(text: str) -> int:
    """Parse a whole number from 1 on."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive integer")
    return int(text)
