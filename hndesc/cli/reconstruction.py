"""The command that reconstructs a scene from photos."""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from hndesc.cli.options import (
    add_features,
    add_max_error,
    add_min_inliers,
    add_pairing,
    add_ratio,
    add_seed,
    add_separate_cameras,
    add_threads,
    add_views,
    extraction_settings,
    positive,
    usual_workers,
)
from hndesc.errors import HndescError, counted, printable

_NAMED = 10  # photos that are not registered


def reconstruct(
    photos: Path,
    output: Path,
    ratio: float | None,
    exhaustive: int,
    similar: int,
    sequential: int,
    global_descriptor: str,
    share_cameras: bool,
    threads: int,
    **options: Any,
) -> None:
    """Reconstruct cameras and points from a folder of photos, and print a summary."""
    from hndesc.reconstruction.mapping import ReconstructionSettings
    from hndesc.reconstruction.photos import reconstruct_photos
    from hndesc.visualization.reconstructions import plot_reconstruction

    settings = {field.name: options.pop(field.name) for field in fields(ReconstructionSettings)}
    extraction = extraction_settings(**options)
    summary = reconstruct_photos(
        photos,
        output,
        extraction=extraction,
        pairing={
            "exhaustive": exhaustive,
            "similar": similar,
            "sequential": sequential,
            "descriptor": global_descriptor,
        },
        ratio=ratio,
        share_cameras=share_cameras,
        threads=threads,
        workers=min(threads, usual_workers(extraction["descriptor"])),
        draw=plot_reconstruction,
        **settings,
    )
    print("\n".join(_report(summary, output)))
    if not summary["models"]:
        raise HndescError(f"{printable(output)}: no model; {_cure(summary)}")


def _cure(summary: dict) -> str:
    """Return why photos give no model, and what helps."""
    verified = summary["counts"]["verified_pairs"]
    if verified:
        return f"{counted(verified, 'matching pair')} of photos without depth: take photos from different places"
    return (
        "the photos share too few points: take them with more overlap, or try --max-keypoints 8192, --views or another "
        "--model"
    )


def _report(summary: dict, output: Path) -> list[str]:
    """Return the lines that a user reads about a reconstruction."""
    lines = [f"{summary['registered']} of {summary['images']} photos registered"]
    if missing := summary["not_registered"]:
        more = f" and {len(missing) - _NAMED:,} more, named in reconstruction.json" if len(missing) > _NAMED else ""
        lines.append(f"not registered: {', '.join(map(printable, missing[:_NAMED]))}{more}")
    for number, model in enumerate(summary["models"]):
        place = printable(output / "sparse" / str(number))
        lines.append(
            f"{place}: {counted(model['images'], 'image')}, {counted(model['points'], 'point')}, mean track length "
            f"{model['mean_track_length']:.2f}, mean reprojection error {model['mean_reprojection_error']:.2f} px"
        )
        lines.append(f"{place}/model.html: interactive view; model.png: from above; points.ply: points")
    return lines


def add_reconstruction_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("reconstruct", help="reconstruct cameras and points from a folder of photos")
    parser.description = (
        "Structure from motion of the photos in PHOTOS: features, pairs, matches, verification, incremental mapping. "
        "OUT gets COLMAP's database and models, figures and a summary. An interrupted run resumes."
    )
    parser.add_argument("photos", metavar="PHOTOS", type=Path, help="folder of photos, with all below it")
    parser.add_argument("output", metavar="OUT", type=Path, help="folder to write")
    add_pairing(parser)
    add_views(parser)
    add_separate_cameras(parser)
    parser.add_argument(
        "--refine-principal-point", action="store_true", help="refine principal points, too, as many photos allow"
    )
    add_min_inliers(parser, 15, "fewest verified matches of a pair that is used", "min_num_inliers")
    add_max_error(parser, 4.0, "a verified match")
    parser.add_argument(
        "--min-model-size",
        metavar="N",
        type=positive,
        default=3,
        help="fewest photos of a model; smaller ones are not written (default: %(default)s)",
    )
    add_seed(parser)
    add_threads(parser)
    add_ratio(parser, default=0.9)
    add_features(parser, max_keypoints=4096, resize_max=1600)
    parser.set_defaults(command=reconstruct)
