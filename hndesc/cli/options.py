"""Options that several commands of `hndesc` have."""

import argparse
import os
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hndesc.datasets.image_set import ImageEntry
from hndesc.datasets.listing import list_images
from hndesc.detectors import DETECTORS
from hndesc.errors import LARGEST, HndescError
from hndesc.io.images import SUFFIXES, find_images
from hndesc.models.bundled import DEFAULT
from hndesc.retrieval.global_descriptors import GLOBAL_DESCRIPTORS

if TYPE_CHECKING:
    from hndesc.datasets.localization.cameras import Intrinsics

DETECTOR = "sift"
MOST_WORKERS = 8  # each takes about half a gigabyte
_THREADS_OF_A_CORE = 8


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
    return natural(text)


def positive_number(text: str) -> float:
    """Parse a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return value


def natural(text: str) -> int:
    """Parse a whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 0 on")
    if int(text) > LARGEST:
        raise argparse.ArgumentTypeError(f"{text} is more than {LARGEST}")
    return int(text)


def parallel(text: str) -> int:
    """Parse a number of threads or processes that does not overload this machine."""
    value, most = positive(text), _THREADS_OF_A_CORE * count_cores()
    if value > most:
        raise argparse.ArgumentTypeError(f"{text} is more than {most}, {_THREADS_OF_A_CORE} times the number of cores")
    return value


def _global_descriptor(text: str) -> str:
    try:
        GLOBAL_DESCRIPTORS.module(text)
    except HndescError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def add_features(
    parser: argparse.ArgumentParser, max_keypoints: int | None = None, resize_max: int | None = None
) -> None:
    """Add the options that choose descriptor, detector and resolution, the latter two with their defaults."""
    parser.add_argument(
        "--model",
        "--descriptor",
        metavar="NAME_OR_FILE",
        default=DEFAULT,
        help="bundled model, checkpoint (.safetensors), or descriptor such as sift or rootsift (default: %(default)s)",
    )
    parser.add_argument("--weights", metavar="FILE", type=Path, help="pretrained weights of the descriptor")
    add_detection(parser, max_keypoints, resize_max)


def add_detection(
    parser: argparse.ArgumentParser, max_keypoints: int | None = None, resize_max: int | None = None
) -> None:
    """Add the options that choose detector and resolution, with their defaults."""
    detectors = ", ".join(sorted(DETECTORS.places))
    parser.add_argument("--detector", metavar="NAME", help=f"one of {detectors} (default: {DETECTOR})")
    parser.add_argument("--detector-weights", metavar="FILE", type=Path, help="pretrained weights of the detector")
    parser.add_argument(
        "--max-keypoints",
        metavar="N",
        type=positive,
        default=max_keypoints,
        help=f"maximum number of keypoints per image (default: {max_keypoints or 'all'})",
    )
    parser.add_argument(
        "--resize-max",
        metavar="N",
        type=positive,
        default=resize_max,
        help=f"longest side in pixels (default: {resize_max or 'full resolution'})",
    )


def extraction_settings(
    model: str,
    detector: str | None,
    detector_weights: Path | None,
    weights: Path | None,
    max_keypoints: int | None,
    resize_max: int | None,
    views: bool = False,
) -> dict[str, Any]:
    """Return the arguments of `Extractor` that the options of `add_features` and `add_views` give."""
    return {
        "descriptor": model,
        "detector": detector or DETECTOR,
        "weights": detector_weights,
        "max_keypoints": max_keypoints,
        "resize_max": resize_max,
        "descriptor_weights": weights,
        "views": views,
    }


def add_views(parser: argparse.ArgumentParser, use: str = "") -> None:
    """Add the option that describes images in further views; `use` says what comes of it."""
    what = "also describe images rotated by multiples of 90 degrees and at half size"
    parser.add_argument(
        "--views", action="store_true", help=f"{what}{use} (4.5 times as long, 1.4 times by a model with a steerer)"
    )


def add_global_descriptor(parser: argparse.ArgumentParser) -> None:
    """Add the option that chooses what finds similar photos."""
    parser.add_argument(
        "--global-descriptor",
        metavar="NAME",
        type=_global_descriptor,
        default="efficientnet_lite0",
        help="what finds similar photos: efficientnet_lite0 or color_gradient (default: %(default)s)",
    )


def list_photos(paths: Sequence[Path], upright: bool = True) -> list[ImageEntry]:
    """Return photos, and those below folders, by names that differ.

    Args:
        paths: files and folders. Names are relative to a single folder, else those of files, or paths.
        upright: see `ImageEntry`.
    """
    if len(paths) == 1 and not paths[0].is_file() and paths[0].suffix.lower() not in SUFFIXES:
        return list_images(paths[0], upright=upright)
    found = [
        path
        for given in paths
        for path in ([given / name for name in find_images(given)] if given.is_dir() else [given])
    ]
    counts = Counter(path.name for path in found)
    names = [path.name if counts[path.name] == 1 else os.path.abspath(path).lstrip(os.sep) for path in found]
    return [ImageEntry(name, path, upright=upright) for name, path in dict(zip(names, found, strict=True)).items()]


def add_settings(parser: argparse.ArgumentParser, section: str) -> None:
    """Add the options that give the settings of a section of the configuration."""
    parser.add_argument(
        "--config",
        metavar="FILE.yaml",
        type=Path,
        action="append",
        default=[],
        help=f"configuration whose section '{section}' has the settings; a later file is laid over earlier ones",
    )
    parser.add_argument(
        "--set",
        dest="changes",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a setting, laid over those of --config; docs/configuration.md lists all",
    )


def add_ratio(parser: argparse.ArgumentParser, default: float | None = None) -> None:
    """Add the option of the ratio test."""
    parser.add_argument(
        "--ratio",
        metavar="R",
        type=_ratio,
        default=default,
        help="drop matches farther than this share of the distance to the second nearest keypoint; 1 keeps all "
        f"(default: {default or 1:g})",
    )


def add_pairing(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose pairs of photos, and the global descriptor that finds similar ones."""
    parser.add_argument(
        "--exhaustive",
        metavar="N",
        type=natural,
        default=40,
        help="pair all of up to N photos with each other, and of more only similar and sequential ones "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--similar",
        metavar="N",
        type=natural,
        default=20,
        help="similar photos that each is paired with (default: %(default)s)",
    )
    parser.add_argument(
        "--sequential",
        metavar="N",
        type=natural,
        default=5,
        help="photos that follow by name that each is paired with (default: %(default)s)",
    )
    add_global_descriptor(parser)


def add_max_error(parser: argparse.ArgumentParser, default: float, what: str, option: str = "--max-error") -> None:
    """Add the option of the largest error in pixels."""
    parser.add_argument(
        option,
        metavar="PX",
        type=positive_number,
        default=default,
        help=f"largest error of {what} in pixels (default: %(default)g)",
    )


def add_min_inliers(
    parser: argparse.ArgumentParser,
    default: int,
    what: str,
    name: str = "min_inliers",
    kind: Callable[[str], int] = positive,
) -> None:
    """Add the option of the fewest inliers that count; `name` is that of the setting, `kind` parses the number."""
    parser.add_argument(
        "--min-inliers", dest=name, metavar="N", type=kind, default=default, help=f"{what} (default: %(default)s)"
    )


def add_seed(parser: argparse.ArgumentParser, what: str = "all that is random") -> None:
    """Add the option of the seed."""
    parser.add_argument("--seed", metavar="N", type=natural, default=0, help=f"of {what} (default: %(default)s)")


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add the option of the number of threads."""
    parser.add_argument(
        "--threads", metavar="N", type=parallel, default=count_cores(), help="number of threads (default: all cores)"
    )


def add_result(parser: argparse.ArgumentParser) -> None:
    """Add the options of the files of a result."""
    parser.add_argument("--output", metavar="OUT.txt", type=Path, required=True)
    parser.add_argument("--json", metavar="OUT.json", type=Path, help="all scores with their origin")


def add_separate_cameras(parser: argparse.ArgumentParser) -> None:
    """Add the option that gives each photo a camera of its own."""
    parser.add_argument(
        "--separate-cameras",
        dest="share_cameras",
        action="store_false",
        help="do not share a camera among photos of equal size, focal length, make and model",
    )


def camera(text: str) -> "Intrinsics":
    """Parse "MODEL WIDTH HEIGHT PARAMETERS…", as in COLMAP's cameras.txt without the id."""
    from hndesc.datasets.localization.cameras import read_camera

    model, *fields = text.replace(",", " ").split() or [""]
    try:
        found = read_camera(model, fields, f"--camera '{text}'") if len(fields) > 2 else None
    except HndescError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if found is None:
        raise argparse.ArgumentTypeError(f"'{text}' is no camera; write MODEL WIDTH HEIGHT PARAMETERS, as COLMAP does")
    return found


def add_pair_list(parser: argparse.ArgumentParser) -> None:
    """Add the option of a list of pairs that replaces that of a localization dataset."""
    parser.add_argument(
        "--pairs", metavar="PAIRS.txt", type=Path, help="list of pairs of images (default: that of the dataset)"
    )


def usual_workers(model: str) -> int:
    """Return the number of cores; 1 on a GPU, for a user's class, or without the packages of the extra `workflow`."""
    from hndesc.descriptors import is_class
    from hndesc.runtime.devices import choose_device

    installed = find_spec("loky") is not None and find_spec("threadpoolctl") is not None
    if is_class(model) or choose_device().type != "cpu" or not installed:
        return 1
    return min(count_cores(), MOST_WORKERS)


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
