"""The commands of `hndesc` for pairs of images: list them, match them."""

import argparse
from pathlib import Path

from hndesc.cli.options import add_pairing, add_ratio, add_threads
from hndesc.errors import HndescError, counted, printable


def pairs(
    photos: Path,
    output: Path,
    localization: bool,
    exhaustive: int,
    similar: int,
    sequential: int,
    global_descriptor: str,
) -> None:
    """Write the pairs of photos to match, or those of a localization dataset."""
    from hndesc.io.lists import read_pairs

    if localization:
        from hndesc.localization.pairs import list_pairs

        list_pairs(photos, output, covisible=similar, retrieved=similar, descriptor=global_descriptor)
    else:
        from hndesc.datasets.photo_sets import photo_images
        from hndesc.reconstruction.pairs import pair_photos

        numbers = {"exhaustive": exhaustive, "similar": similar, "sequential": sequential}
        pair_photos(photo_images(photos), output, **numbers, descriptor=global_descriptor)
    print(f"{printable(output)}: {counted(sum(1 for _ in read_pairs(output)), 'pair')}")


def match_pairs(features: Path, listed: Path, output: Path, ratio: float | None, threads: int) -> None:
    """Match listed pairs of images and print their number."""
    from hndesc.io.hdf5 import check_hdf5_output
    from hndesc.io.lists import distinct_pairs, read_pairs
    from hndesc.localization.matches import match_listed

    check_hdf5_output(output, [features, listed])
    found = distinct_pairs(read_pairs(listed), printable(listed))
    if not found:
        raise HndescError(f"{printable(listed)}: lists no pair; make it by hndesc pairs")
    match_listed(found, features, output, place=listed, ratio=ratio, threads=threads)
    print(f"{printable(output)}: {counted(len(found), 'pair')}")


def add_pair_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands for pairs of images to the parser."""
    _add_pairs(commands.add_parser("pairs", help="list the pairs of photos to match"))
    _add_match_pairs(commands.add_parser("match-pairs", help="match listed pairs of images with features"))


def _add_pairs(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write pairs of photos, two names a line as in hloc: all pairs of few photos, of more the similar and the "
        "sequential ones. --exhaustive 0 --similar 0 leaves the sequential ones, --exhaustive 0 --sequential 0 the "
        "similar ones. Names are relative to PHOTOS. Example: hndesc pairs photos pairs.txt --exhaustive 100"
    )
    parser.add_argument("photos", metavar="PHOTOS", type=Path, help="folder of photos, with all below it")
    parser.add_argument("output", metavar="OUT.txt", type=Path)
    parser.add_argument(
        "--localization",
        action="store_true",
        help="PHOTOS is a localization dataset: pair each database image with the images that see the same points, "
        "each query with similar ones, --similar of both",
    )
    add_pairing(parser)
    parser.set_defaults(command=pairs)


def _add_match_pairs(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Match pairs of images by mutual nearest neighbors, and write the matches in the form of hloc. An interrupted "
        "run resumes. Example: hndesc match-pairs features.h5 pairs.txt matches.h5"
    )
    parser.add_argument("features", metavar="FEATURES.h5", type=Path, help="features of the images (hndesc extract)")
    parser.add_argument("listed", metavar="PAIRS.txt", type=Path, help="pairs of names (hndesc pairs, or hloc's)")
    parser.add_argument("output", metavar="OUT.h5", type=Path)
    add_ratio(parser)
    add_threads(parser)
    parser.set_defaults(command=match_pairs)
