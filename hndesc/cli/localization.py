"""The commands of `hndesc` for localization: find the poses of photos, build the map of a benchmark."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hndesc.cli.options import (
    add_features,
    add_global_descriptor,
    add_max_error,
    add_min_inliers,
    add_pair_list,
    add_ratio,
    add_seed,
    add_threads,
    add_views,
    camera,
    extraction_settings,
    list_photos,
    positive,
)
from hndesc.errors import counted, printable

if TYPE_CHECKING:
    from hndesc.datasets.localization.cameras import Intrinsics


def localize(
    model_folder: Path,
    photos: list[Path],
    images: Path | None,
    camera: "Intrinsics | None",
    json: Path | None,
    colmap: Path | None,
    retrieved: int,
    global_descriptor: str,
    max_error: float,
    min_inliers: int,
    seed: int,
    ratio: float | None,
    **features: Any,
) -> None:
    """Localize photos in a COLMAP model, print their poses and write them."""
    from hndesc.extraction.extractor import Extractor
    from hndesc.io.files import check_json_file, write_json
    from hndesc.io.owned_folders import check_output_folder, replace_folder
    from hndesc.localization import photos as localization
    from hndesc.localization.pnp import PnpSettings

    listed = list_photos(photos)
    folder = images or localization.find_images_folder(model_folder)
    if json is not None:
        check_json_file(json, [entry.path for entry in listed])
    if colmap is not None:
        check_output_folder(colmap, "localize", [model_folder, folder])
    outcomes = localization.localize_photos(
        listed,
        model_folder,
        folder,
        Extractor(**extraction_settings(**features)),
        camera=camera,
        retrieved=retrieved,
        descriptor=global_descriptor,
        ratio=ratio,
        settings=PnpSettings(max_error, min_inliers),
        seed=seed,
    )
    for outcome in outcomes:
        print(localization.describe(outcome))
    if json is not None:
        write_json(json, {"photos": [localization.to_record(outcome) for outcome in outcomes]})
        print(printable(json))
    if colmap is not None:
        with replace_folder(colmap, "localize", [model_folder, folder]) as part:
            localization.write_colmap_text(outcomes, part)
        print(printable(colmap))


def build_map(
    root: Path, features: Path, matches: Path, output: Path, pairs: Path | None, seed: int, threads: int
) -> None:
    """Build the map of a localization benchmark and print its size."""
    from hndesc.localization import mapping

    mapping.build_map(root, features, matches, output, pairs=pairs, seed=seed, threads=threads)
    figures = mapping.read_map(output)[0]["figures"]
    print(f"{printable(output)}: {counted(figures['images'], 'image')}, {counted(figures['points'], 'point')}")


def add_localization_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands for localization to the parser."""
    _add_localize(commands.add_parser("localize", help="find the poses of photos in a COLMAP model"))
    _add_map(commands.add_parser("build-map", help="triangulate the map of a localization benchmark"))


def _add_localize(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Print the pose of each PHOTO in a COLMAP model, whose images are needed: position, inliers, deviation. "
        "Poses are world to camera, of photos as their files store them (not rotated by EXIF)."
    )
    parser.add_argument(
        "model_folder", metavar="MODEL", type=Path, help="folder of a COLMAP model, or one that has it in sparse/0"
    )
    parser.add_argument("photos", metavar="PHOTO", type=Path, nargs="+", help="photos, or folders of photos")
    parser.add_argument(
        "--images",
        metavar="FOLDER",
        type=Path,
        help="images of the model (default: MODEL/images, or the photos of hndesc reconstruct)",
    )
    parser.add_argument(
        "--camera",
        metavar="CAMERA",
        type=camera,
        help="intrinsics of the photos, 'MODEL WIDTH HEIGHT PARAMETERS' as in COLMAP (default: from EXIF data, else "
        "the focal length is estimated)",
    )
    parser.add_argument("--json", metavar="OUT.json", type=Path, help="file of poses, inliers and deviations")
    parser.add_argument(
        "--colmap", metavar="FOLDER", type=Path, help="poses as a COLMAP model in text form: cameras.txt, images.txt"
    )
    parser.add_argument(
        "--retrieved",
        metavar="N",
        type=positive,
        default=20,
        help="images of the model that a photo is matched with, the most similar ones (default: %(default)s)",
    )
    add_global_descriptor(parser)
    add_max_error(parser, 12.0, "an inlier")
    add_min_inliers(parser, 12, "fewest inliers of a pose")
    add_seed(parser, "RANSAC")
    add_views(parser)
    add_ratio(parser)
    add_features(parser, max_keypoints=4096, resize_max=1600)
    parser.set_defaults(command=localize)


def _add_map(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Triangulate the matches of a dataset with known poses: the map in which hndesc score localization localizes. "
        "Example: hndesc build-map data/scene features.h5 matches.h5 map"
    )
    parser.add_argument("root", metavar="ROOT", type=Path, help="folder of a localization dataset")
    parser.add_argument("features", metavar="FEATURES.h5", type=Path)
    parser.add_argument("matches", metavar="MATCHES.h5", type=Path)
    parser.add_argument("output", metavar="OUT", type=Path, help="folder to write")
    add_pair_list(parser)
    add_seed(parser)
    add_threads(parser)
    parser.set_defaults(command=build_map)
