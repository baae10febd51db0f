"""The commands of `hndesc` for scenes: reconstruct one from photos, localize photos in one, export."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hndesc.cli.options import (
    DETECTOR,
    add_features,
    add_global_descriptor,
    add_ratio,
    add_views,
    count_cores,
    list_photos,
    natural,
    positive,
    positive_number,
    usual_workers,
)
from hndesc.errors import HndescError, printable

if TYPE_CHECKING:
    from hndesc.datasets.localization.cameras import Intrinsics


def reconstruct(
    photos: Path,
    output: Path,
    model: str,
    detector: str | None,
    detector_weights: Path | None,
    weights: Path | None,
    max_keypoints: int | None,
    resize_max: int | None,
    views: bool,
    ratio: float | None,
    exhaustive: int,
    similar: int,
    sequential: int,
    global_descriptor: str,
    share_cameras: bool,
    threads: int,
    **settings: Any,
) -> None:
    """Reconstruct cameras and points from a folder of photos, and print a summary."""
    from hndesc.reconstruction.photos import reconstruct_photos
    from hndesc.visualization.reconstructions import plot_reconstruction

    summary = reconstruct_photos(
        photos,
        output,
        descriptor=model,
        detector=detector or DETECTOR,
        extraction={
            "weights": detector_weights,
            "max_keypoints": max_keypoints,
            "resize_max": resize_max,
            "descriptor_weights": weights,
            "views": views,
        },
        pairing={
            "exhaustive": exhaustive,
            "similar": similar,
            "sequential": sequential,
            "descriptor": global_descriptor,
        },
        ratio=ratio,
        share_cameras=share_cameras,
        threads=threads,
        processes=min(threads, usual_workers(model)),
        draw=plot_reconstruction,
        **settings,
    )
    print("\n".join(_report(summary, output)))
    if not summary["models"]:
        raise HndescError(
            f"{printable(output)}: no model; the photos share too few points: take them with more overlap, or try "
            "--max-keypoints 8192, --views or another --model"
        )


def _report(summary: dict, output: Path) -> list[str]:
    """Return the lines that a user reads about a reconstruction."""
    lines = [f"{summary['registered']} of {summary['images']} photos registered"]
    if summary["not_registered"]:
        lines.append(f"not registered: {', '.join(map(printable, summary['not_registered']))}")
    for number, model in enumerate(summary["models"]):
        place = printable(output / "sparse" / str(number))
        lines.append(
            f"{place}: {model['images']} images, {model['points']:,} points, mean track length "
            f"{model['mean_track_length']:.2f}, mean reprojection error {model['mean_reprojection_error']:.2f} px"
        )
        lines.append(f"{place}/model.html: interactive view; model.png: from above; points.ply: points")
    return lines


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
    model: str,
    detector: str | None,
    detector_weights: Path | None,
    weights: Path | None,
    max_keypoints: int | None,
    resize_max: int | None,
    views: bool,
    ratio: float | None,
) -> None:
    """Localize photos in a COLMAP model, print their poses and write them."""
    from hndesc.extraction.extractor import Extractor
    from hndesc.io.files import check_own_file, write_json
    from hndesc.io.owned_folders import check_output_folder, replace_folder
    from hndesc.localization import photos as localization
    from hndesc.localization.pnp import PnpSettings

    listed = list_photos(photos)
    folder = images or localization.find_images_folder(model_folder)
    if json is not None:
        check_own_file(json, [entry.path for entry in listed])
    if colmap is not None:
        check_output_folder(colmap, "localize", [model_folder, folder])
    outcomes = localization.localize_photos(
        listed,
        model_folder,
        folder,
        Extractor(model, detector or DETECTOR, detector_weights, max_keypoints, resize_max, weights, views=views),
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


def export_colmap(
    features: Path, matches: Path, output: Path, images: Path | None, share_cameras: bool, verify: bool, threads: int
) -> None:
    """Write features and matches as a COLMAP database."""
    from hndesc.reconstruction.export import export_colmap

    counts = export_colmap(
        features, matches, output, images, share_cameras=share_cameras, verify=verify, threads=threads
    )
    print(f"{printable(output)}: " + ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items()))


def _camera(text: str) -> "Intrinsics":
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


def add_reconstruction_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands for scenes to the parser."""
    _add_reconstruct(commands.add_parser("reconstruct", help="reconstruct cameras and points from a folder of photos"))
    _add_localize(commands.add_parser("localize", help="find the poses of photos in a COLMAP model"))
    _add_export(commands.add_parser("export-colmap", help="write features and matches as a COLMAP database"))


def _add_reconstruct(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Structure from motion of the photos in PHOTOS: features, pairs, matches, verification, incremental mapping. "
        "OUT gets COLMAP's database and models, figures and a summary. An interrupted run resumes."
    )
    parser.add_argument("photos", metavar="PHOTOS", type=Path, help="folder of photos, with all below it")
    parser.add_argument("output", metavar="OUT", type=Path, help="folder to write")
    parser.add_argument(
        "--exhaustive",
        metavar="N",
        type=natural,
        default=40,
        help="match all pairs of up to N photos, and of more only similar and sequential ones (default: %(default)s)",
    )
    parser.add_argument(
        "--similar",
        metavar="N",
        type=natural,
        default=20,
        help="similar photos that each is matched with (default: %(default)s)",
    )
    parser.add_argument(
        "--sequential",
        metavar="N",
        type=natural,
        default=5,
        help="photos that follow by name that each is matched with (default: %(default)s)",
    )
    add_global_descriptor(parser)
    add_views(parser)
    _add_separate_cameras(parser)
    parser.add_argument(
        "--refine-principal-point", action="store_true", help="refine principal points, too, as many photos allow"
    )
    parser.add_argument(
        "--min-inliers",
        dest="min_num_inliers",
        metavar="N",
        type=positive,
        default=15,
        help="fewest verified matches of a pair that is used (default: %(default)s)",
    )
    parser.add_argument(
        "--max-error",
        metavar="PX",
        type=positive_number,
        default=4.0,
        help="largest error of a verified match in pixels (default: %(default)g)",
    )
    parser.add_argument(
        "--min-model-size",
        metavar="N",
        type=positive,
        default=3,
        help="fewest photos of a model; smaller ones are not written (default: %(default)s)",
    )
    parser.add_argument("--seed", metavar="N", type=natural, default=0, help="of all that is random (default: 0)")
    _add_threads(parser)
    add_ratio(parser)
    add_features(parser, max_keypoints=4096, resize_max=1600)
    parser.set_defaults(command=reconstruct)


def _add_localize(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Print the pose of each PHOTO in a COLMAP model, whose images are needed: position, inliers, deviation. "
        " Poses are world to camera, of photos as their files store them (not rotated by EXIF)."
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
        type=_camera,
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
    parser.add_argument(
        "--max-error",
        metavar="PX",
        type=positive_number,
        default=12.0,
        help="largest error of an inlier in pixels (default: %(default)g)",
    )
    parser.add_argument(
        "--min-inliers",
        metavar="N",
        type=positive,
        default=12,
        help="fewest inliers of a pose (default: %(default)s)",
    )
    parser.add_argument("--seed", metavar="N", type=natural, default=0, help="of RANSAC (default: %(default)s)")
    add_views(parser)
    add_ratio(parser)
    add_features(parser, max_keypoints=4096, resize_max=1600)
    parser.set_defaults(command=localize)


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write images, cameras, keypoints and matches to a new COLMAP database. Features and matches are files of "
        "hndesc or hloc. COLMAP's mapper needs verified matches: --verify, or COLMAP's own geometric_verifier."
    )
    parser.add_argument("features", metavar="FEATURES.h5", type=Path, help="feature file")
    parser.add_argument("matches", metavar="MATCHES.h5", type=Path, help="match file")
    parser.add_argument("output", metavar="DATABASE.db", type=Path, help="database to write")
    parser.add_argument(
        "--images",
        metavar="FOLDER",
        type=Path,
        help="folder of the images, whose EXIF data has focal lengths (default: 1.2 times the longer side)",
    )
    _add_separate_cameras(parser)
    parser.add_argument("--verify", action="store_true", help="verify the matches, too, as hndesc reconstruct does")
    _add_threads(parser)
    parser.set_defaults(command=export_colmap)


def _add_separate_cameras(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--separate-cameras",
        dest="share_cameras",
        action="store_false",
        help="do not share a camera among photos of equal size, focal length, make and model",
    )


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads", metavar="N", type=positive, default=count_cores(), help="number of threads (default: all cores)"
    )
