"""The commands of `hndesc` that write features and matches in the form of other programs."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from hndesc.cli.options import add_separate_cameras, add_threads
from hndesc.errors import printable


def export_colmap(
    features: Path, matches: Path, output: Path, images: Path | None, share_cameras: bool, verify: bool, threads: int
) -> None:
    """Write features and matches as a COLMAP database."""
    from hndesc.reconstruction.export import export_colmap

    _report(
        output,
        export_colmap(features, matches, output, images, share_cameras=share_cameras, verify=verify, threads=threads),
    )


def export_kapture(features: Path, matches: Path, output: Path, images: Path | None, share_cameras: bool) -> None:
    """Write features and matches as a kapture folder."""
    from hndesc.reconstruction.kapture_export import export_kapture

    _report(output, export_kapture(features, matches, output, images, share_cameras=share_cameras))


def _report(output: Path, counts: Mapping[str, int]) -> None:
    print(f"{printable(output)}: " + ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items()))


def add_export_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands for exports to the parser."""
    _add_colmap(commands.add_parser("export-colmap", help="write features and matches as a COLMAP database"))
    _add_kapture(commands.add_parser("export-kapture", help="write features and matches as a kapture folder"))


def _add_colmap(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write images, cameras, keypoints and matches to a new COLMAP database. Features and matches are files of "
        "hndesc or hloc. COLMAP's mapper needs verified matches: --verify, or COLMAP's own geometric_verifier."
    )
    _add_files(parser)
    parser.add_argument("output", metavar="DATABASE.db", type=Path, help="database to write")
    parser.add_argument("--verify", action="store_true", help="verify the matches, too, as hndesc reconstruct does")
    add_threads(parser)
    parser.set_defaults(command=export_colmap)


def _add_kapture(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write cameras, images, keypoints, descriptors and matches in the form of kapture 1.1. Example: hndesc "
        "export-kapture features.h5 matches.h5 kapture --images photos"
    )
    _add_files(parser)
    parser.add_argument("output", metavar="OUT", type=Path, help="folder to write")
    parser.set_defaults(command=export_kapture)


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("features", metavar="FEATURES.h5", type=Path, help="feature file of hndesc or hloc")
    parser.add_argument("matches", metavar="MATCHES.h5", type=Path, help="match file of hndesc or hloc")
    parser.add_argument(
        "--images",
        metavar="FOLDER",
        type=Path,
        help="folder of the images, whose EXIF data has focal lengths (default: 1.2 times the longer side)",
    )
    add_separate_cameras(parser)
