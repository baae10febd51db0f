"""The commands of `hndesc` for benchmarks: score features on them, and prepare their images."""

import argparse
from pathlib import Path
from typing import Any

from hndesc.cli.options import (
    add_global_descriptor,
    add_min_inliers,
    add_pair_list,
    add_ratio,
    add_result,
    add_seed,
    natural,
    parallel,
    positive,
)
from hndesc.errors import HndescError, printable

RETRIEVAL = ("retrieval", "tokyo247")


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


def make_shortlist(
    root: Path, output: Path, kind: str, ranking: Path | None, distractors: Path | None, global_descriptor: str
) -> None:
    """Rank the database of a retrieval set for each query, or convert a published ranking."""
    if ranking is None:
        from hndesc.retrieval.ranking import make_shortlist

        make_shortlist(root, output, kind=kind, descriptor=global_descriptor, distractors=distractors)
    else:
        from hndesc.retrieval.published_rankings import import_shortlist

        if distractors is not None:
            raise HndescError("--distractors cannot be combined with --ranking, which has none")
        import_shortlist(root, ranking, output, kind=kind)
    print(printable(output))


def score_retrieval(
    kind: str, root: Path, features: Path, shortlist: Path, output: Path, json: Path | None, **settings: Any
) -> None:
    """Re-rank a shortlist by local features and print the scores."""
    from hndesc.datasets.kinds import KINDS
    from hndesc.runtime.plugins import load_place

    load_place(KINDS[kind].score)(root, features, shortlist, output, json, **settings)
    print(output.read_text(encoding="utf-8"), end="")


def score_localization(
    root: Path, features: Path, matches: Path, map_folder: Path, output: Path, json: Path | None, **settings: Any
) -> None:
    """Localize the queries of a dataset in a map, write their poses and print the recall."""
    from hndesc.evaluation.localization.evaluate import localize_queries

    record = localize_queries(root, features, matches, map_folder, output, json, **settings)
    counts = record["figures"]["localized"]
    for condition, count in counts.items():
        recall = record["figures"][condition]["recall"] if condition in record["figures"] else {}
        shares = "".join(f", {100 * share:.1f} % within {limits}" for limits, share in recall.items())
        print(f"{condition}: {count['localized']} of {count['queries']} queries localized{shares}")
    print(printable(output))


def score_reconstruction(root: Path, folder: Path, output: Path, json: Path | None) -> None:
    """Evaluate a reconstruction and print the scores."""
    from hndesc.evaluation.reconstruction.evaluate import score_reconstruction

    score_reconstruction(root, folder, output, json)
    print(output.read_text(encoding="utf-8"), end="")


def add_scoring_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands for benchmarks to the parser."""
    score = commands.add_parser("score", help="evaluate features on a benchmark")
    benchmarks = score.add_subparsers(required=True, metavar="BENCHMARK")
    _add_hpatches(benchmarks.add_parser("hpatches", help="homography sequences: matching accuracy and homographies"))
    helps = ("rOxford5k, rParis6k and sets of the same layout: mAP", "Tokyo 24/7: recall")
    for kind, text in zip(RETRIEVAL, helps, strict=True):
        _add_retrieval(benchmarks.add_parser(kind, help=text), kind)
    _add_localization(benchmarks.add_parser("localization", help="poses of queries in a map: recall and errors"))
    _add_reconstruction(benchmarks.add_parser("reconstruction", help="a reconstruction: registered photos and errors"))
    _add_shortlist(commands.add_parser("shortlist", help="rank the database of a retrieval set for each query"))
    _add_resize(commands.add_parser("resize-sequences", help="resize homography sequences to 640 x 480 pixels"))


def _add_hpatches(hpatches: argparse.ArgumentParser) -> None:
    hpatches.add_argument("root", metavar="ROOT", type=Path, help="folder of the sequences")
    hpatches.add_argument("features", metavar="FEATURES.h5", type=Path)
    add_result(hpatches)
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
    add_ratio(hpatches)
    hpatches.add_argument(
        "--orders",
        metavar="N",
        type=int,
        default=0,
        help="random orders of the matches for mean and deviation of the first estimator's AUC (default: none)",
    )
    hpatches.add_argument("--large-scenes", action="store_true", help="include the 8 very large scenes of HPatches")
    _add_processes(hpatches)
    _add_layout(hpatches)
    hpatches.set_defaults(command=score_hpatches)


def _add_retrieval(parser: argparse.ArgumentParser, kind: str) -> None:
    parser.description = (
        "Re-rank a shortlist by the inliers of local matches; scores before and after are in --json. Make the features "
        f"by hndesc extract --kind {kind}, the shortlist by hndesc shortlist --kind {kind}. Example: hndesc score "
        f"{kind} data/{kind} features.h5 shortlist.h5 --output scores.txt"
    )
    parser.add_argument("root", metavar="ROOT", type=Path, help="folder of the retrieval set")
    parser.add_argument("features", metavar="FEATURES.h5", type=Path)
    parser.add_argument("shortlist", metavar="SHORTLIST.h5", type=Path)
    add_result(parser)
    parser.add_argument(
        "--top", metavar="N", type=positive, default=100, help="images of each query to re-rank (default: %(default)s)"
    )
    parser.add_argument(
        "--estimator", choices=("ransac", "magsac", "poselib"), default="ransac", help="(default: %(default)s)"
    )
    add_ratio(parser, default=0.95)
    add_min_inliers(parser, 8, "fewer inliers count as none", kind=natural)
    _add_processes(parser)
    parser.set_defaults(command=score_retrieval, kind=kind)


def _add_localization(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Localize the queries of a dataset with known poses. Make the features by hndesc extract --kind localization, "
        "the pairs by hndesc pairs --localization, the matches by hndesc match-pairs, the map by hndesc build-map. "
        "OUT.txt gets the poses, world to camera: name qw qx qy qz tx ty tz. Example: hndesc score localization "
        "data/scene features.h5 matches.h5 map --output poses.txt"
    )
    parser.add_argument("root", metavar="ROOT", type=Path, help="folder of the dataset")
    parser.add_argument("features", metavar="FEATURES.h5", type=Path)
    parser.add_argument("matches", metavar="MATCHES.h5", type=Path)
    parser.add_argument("map_folder", metavar="MAP", type=Path, help="output of hndesc build-map")
    add_result(parser)
    add_pair_list(parser)
    parser.add_argument(
        "--method",
        choices=("pnp", "registration"),
        default="pnp",
        help="2D-3D matches, or COLMAP's image registration as published (default: %(default)s)",
    )
    add_seed(parser, "RANSAC")
    parser.set_defaults(command=score_localization)


def _add_reconstruction(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Count the registered photos, and measure the errors where the dataset has poses. Example: hndesc score "
        "reconstruction data/scene scene --output scores.txt"
    )
    parser.add_argument("root", metavar="ROOT", type=Path, help="folder of the photos or of a localization dataset")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="output of hndesc reconstruct")
    add_result(parser)
    parser.set_defaults(command=score_reconstruction)


def _add_shortlist(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write the ranking of all database images for each query: what hndesc score re-ranks. Example: hndesc "
        "shortlist data/roxford5k shortlist.h5"
    )
    parser.add_argument("root", metavar="ROOT", type=Path, help="folder of the retrieval set")
    parser.add_argument("output", metavar="OUT.h5", type=Path)
    parser.add_argument("--kind", choices=RETRIEVAL, default="retrieval", help="(default: %(default)s)")
    parser.add_argument("--ranking", metavar="FILE", type=Path, help="published ranking to convert (.pkl, .mat)")
    parser.add_argument("--distractors", metavar="FOLDER", type=Path, help="images that enlarge the database")
    add_global_descriptor(parser)
    parser.set_defaults(command=make_shortlist)


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


def _add_processes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", metavar="N", type=parallel, default=1, help="number of processes (default: 1)")
