"""The commands of `hndesc` for pairs of photos: match two, find similar ones."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hndesc.cli.options import (
    add_features,
    add_global_descriptor,
    add_max_error,
    add_ratio,
    camera,
    extraction_settings,
    list_photos,
    positive,
)
from hndesc.errors import HndescError, printable
from hndesc.geometry.robust import ESTIMATORS
from hndesc.geometry.two_view import GEOMETRIES
from hndesc.io.images import image_size
from hndesc.matching.ratios import MATCH_RATIO

if TYPE_CHECKING:
    import numpy as np

    from hndesc.datasets.localization.cameras import Intrinsics


def match(
    first: Path,
    second: Path,
    output: Path | None,
    matches: Path | None,
    geometry: str | None,
    estimator: str,
    threshold: float,
    ratio: float | None,
    cameras: "list[Intrinsics]",
    **features: Any,
) -> None:
    """Match two photos; print the matches and the estimate, write and draw them."""
    from hndesc.extraction.extractor import Extractor
    from hndesc.extraction.photo_pair import match_photos
    from hndesc.matching.pair import check_matches_output
    from hndesc.matching.report import report

    if cameras and geometry != "essential":
        raise HndescError("--camera is for --geometry essential, which alone depends on cameras")
    if output is not None:
        from hndesc.visualization.style import check_figure

        check_figure(output, [first, second])
    if matches is not None:
        check_matches_output(matches)
    for photo in (first, second):
        image_size(photo)  # refuses what is no image before a model is loaded
    extractor = Extractor(**extraction_settings(**features))
    images, found = match_photos(
        (first, second),
        extractor,
        ratio=ratio,
        geometry=geometry,
        estimator=estimator,
        threshold=threshold,
        intrinsics=_intrinsics((first, second), cameras) if cameras else None,
    )
    names = _titles(first, second)
    print("\n".join(report(names, found, estimator, threshold)))
    if matches is not None:
        found.save(matches)
        print(printable(matches))
    if output is not None:
        from hndesc.visualization.match_figures import plot_pair

        plot_pair(images, names, found, output)
        print(printable(output))


def _intrinsics(photos: tuple[Path, Path], cameras: "list[Intrinsics]") -> "tuple[np.ndarray, np.ndarray]":
    """Return the intrinsics of two photos as matrices, given for both or for each."""
    from hndesc.datasets.localization.pycolmap_border import pinhole_matrix
    from hndesc.io.images import image_orientation

    if len(cameras) > 2:
        raise HndescError(f"--camera is given {len(cameras)} times; give one for both photos, or two")
    first, second = (
        pinhole_matrix(given, image_size(path), image_orientation(path), printable(path))
        for given, path in zip((cameras[0], cameras[-1]), photos, strict=True)
    )
    return first, second


def _titles(first: Path, second: Path) -> tuple[str, str]:
    """Return the names of two files, their paths if the names are equal."""
    if first.name == second.name:
        return printable(first), printable(second)
    return printable(first.name), printable(second.name)


def similar(
    photos: Path,
    query: list[Path] | None,
    count: int,
    rerank: bool,
    candidates: int,
    global_descriptor: str,
    table: Path | None,
    figure: Path | None,
    **features: Any,
) -> None:
    """Find the photos of a folder that look alike, or like others; print, write and draw them."""
    from hndesc.datasets.listing import list_images
    from hndesc.extraction.extractor import Extractor
    from hndesc.io.files import check_own_file
    from hndesc.io.lists import aligned, check_cell, write_table
    from hndesc.retrieval.similar import find_similar

    entries = list_images(photos)
    queries = None if query is None else list_photos(query)
    inputs = [entry.path for entry in (*entries, *(queries or ()))]
    if figure is not None:
        from hndesc.visualization.style import check_figure

        check_figure(figure, inputs)
    if table is not None:
        check_own_file(table, inputs)
        for entry in (*entries, *(queries or ())):
            check_cell(entry.name, table)
    found = find_similar(
        entries,
        queries,
        count=count,
        descriptor=global_descriptor,
        extractor=Extractor(**extraction_settings(**features)) if rerank else None,
        candidates=candidates,
    )
    rows = [
        (name, one.name, f"{one.similarity:.4f}", *([] if one.inliers is None else [str(one.inliers)]))
        for name, neighbors in found.items()
        for one in neighbors
    ]
    columns = ("photo", "similar", "similarity", *(["inliers"] if rerank else []))
    print("\n".join(aligned([[printable(cell) for cell in row] for row in (columns, *rows)], left=len(columns))))
    if table is not None:
        write_table(table, columns, rows)
        print(printable(table))
    if figure is not None:
        from hndesc.visualization.similar_figures import plot_similar

        plot_similar(found, entries, queries or entries, figure)
        print(printable(figure))


def add_matching_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands for pairs of photos to the parser."""
    _add_match(commands.add_parser("match", help="match two photos and estimate the geometry that relates them"))
    _add_similar(commands.add_parser("similar", help="find the photos of a folder that look alike, or like a photo"))


def _add_match(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Print the numbers of keypoints, matches and inliers of two photos, and the matrix that relates them. Pixels "
        "are (x, y) with the center of the top-left pixel at (0, 0); photos are rotated by their EXIF orientation tags."
    )
    parser.add_argument("first", metavar="A", type=Path, help="photo")
    parser.add_argument("second", metavar="B", type=Path, help="photo")
    parser.add_argument("--output", metavar="FIGURE", type=Path, help="figure of the matches (.png, .jpg, .svg, .pdf)")
    parser.add_argument(
        "--matches", metavar="FILE", type=Path, help="file of keypoints, matches and the estimate (.npz, .json, .h5)"
    )
    parser.add_argument(
        "--geometry",
        choices=GEOMETRIES,
        help="what relates the photos (default: fundamental, or homography if it explains the matches as well)",
    )
    parser.add_argument(
        "--camera",
        dest="cameras",
        metavar="CAMERA",
        type=camera,
        action="append",
        default=[],
        help="intrinsics for --geometry essential, 'MODEL WIDTH HEIGHT PARAMETERS' as in COLMAP, of both photos, or "
        "given twice, of each (default: from EXIF data, else a focal length of 1.2 times the longer side)",
    )
    parser.add_argument(
        "--estimator", choices=list(ESTIMATORS), default="magsac", help="robust estimator (default: %(default)s)"
    )
    add_max_error(parser, 3.0, "an inlier", "--threshold")
    parser.add_argument(
        "--one-view",
        dest="views",
        action="store_false",
        help="describe images in one view: 4.5 times as fast, 1.4 times with a steerer",
    )
    add_ratio(parser, default=MATCH_RATIO)
    add_features(parser)
    parser.set_defaults(command=match)


def _add_similar(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Print the photos in PHOTOS that are most similar to each photo of --query, or to each other, by global "
        "descriptors; with --rerank, the nearest ones in the order of the inliers of local matches."
    )
    parser.add_argument("photos", metavar="PHOTOS", type=Path, help="folder of photos, with all below it")
    parser.add_argument(
        "--query", metavar="PHOTO", type=Path, nargs="+", help="photos to search for (default: each photo in PHOTOS)"
    )
    parser.add_argument(
        "--count", metavar="N", type=positive, default=5, help="similar photos of each (default: %(default)s)"
    )
    parser.add_argument("--rerank", action="store_true", help="sort the nearest photos by inliers of local matches")
    parser.add_argument(
        "--candidates",
        metavar="N",
        type=positive,
        default=20,
        help="nearest photos that --rerank sorts (default: %(default)s)",
    )
    add_global_descriptor(parser)
    parser.add_argument("--table", metavar="OUT.tsv", type=Path, help="table of the similar photos, tab-separated")
    parser.add_argument(
        "--figure", metavar="FIGURE", type=Path, help="grid of photos and similar ones (.png, .jpg, .svg, .pdf)"
    )
    add_features(parser, max_keypoints=2048, resize_max=1024)
    parser.set_defaults(command=similar)
