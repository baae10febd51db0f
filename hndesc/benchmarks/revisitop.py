"""Retrieval on rOxford5k, rParis6k and sets of the same layout: re-ranking by homographies, mAP and mP@k."""

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hndesc.benchmarks.average_precision import CUTS, SETUPS, score_rankings
from hndesc.benchmarks.common import DescribedImages, workers, write_result
from hndesc.benchmarks.ground_truth import GroundTruth, dataset_photos, read_ground_truth
from hndesc.benchmarks.shortlist import Shortlist, read_shortlist
from hndesc.errors import HndescError
from hndesc.features import Features
from hndesc.matching import estimate_homography, match_features

__all__ = ["count_inliers", "dataset_photos", "format_result", "read_ground_truth", "rerank", "score_retrieval"]

PROTOCOL = "revisited Oxford/Paris; re-ranking by homography inliers among mutual nearest neighbours"
logger = logging.getLogger(__name__)


def score_retrieval(
    root: str | os.PathLike,
    features: str | os.PathLike,
    shortlist: str | os.PathLike,
    output: str | os.PathLike,
    json_output: str | os.PathLike,
    *,
    top: int = 100,
    estimator: str = "ransac",
    ransac_threshold: float = 5.0,
    iterations: int = 2000,
    confidence: float = 0.995,
    threads: int = 1,
    name: str | None = None,
) -> dict:
    """Score local features by how well they re-rank a shortlist.

    Args:
        root: retrieval set (`gnd_*.pkl`).
        features: local features of `dataset_photos(root)`, in pixels of the original photos.
        shortlist: rankings to start from (`hndesc.benchmarks.shortlist`).
        output: text file in the published form, after re-ranking.
        json_output: all figures, before and after.
        top: candidates a query that are re-ranked; the rest keeps its rank.
        estimator: see `hndesc.matching.estimate_homography`, as for `iterations` and `confidence`, whose defaults are
            OpenCV's as in the published evaluation. "magsac" is many times faster where few matches are right.
        ransac_threshold: reprojection error of an inlier, in pixels of the original photo.
        threads: pairs verified at a time.
        name: of the benchmark; the folder's if None.

    Returns:
        What is written to `json_output`.

    Raises:
        HndescError: files of another dataset, broken files. Photos listed as failed in the files are no error: they
            have 0 inliers, and are counted and named.
    """
    truth = read_ground_truth(root)
    start = read_shortlist(shortlist)
    _check_shortlist(start, truth, shortlist)
    ransac = {
        "estimator": estimator,
        "threshold": ransac_threshold,
        "iterations": iterations,
        "confidence": confidence,
    }
    names = [f"db/{name}" for name in start.database] + [f"query/{name}" for name in start.queries]
    with DescribedImages(features, names) as reader:
        for photo, reason in reader.lost.items():
            logger.warning("%s: no features (%s); its pairs have 0 inliers", photo, reason)
        reranked, pairs, empty = _rerank_all(start, reader, top, ransac, threads)
        lost, feature_settings = reader.lost, reader.settings
    before, after = score_rankings(start.ranks, truth), score_rankings(reranked, truth)
    record = {
        "benchmark": name or Path(root).resolve().name,
        "kind": "retrieval",
        "protocol": PROTOCOL,
        "figures": _figures(after),
        "figures_before": _figures(before),
        "per_query": {
            name: {"before": before["per_query"][name], "after": scores} for name, scores in after["per_query"].items()
        },
        "settings": {"top": top, **ransac},
        "features": feature_settings,
        "shortlist": dict(start.settings),
        "pairs": pairs,
        "failures": {"features": lost, "global_descriptor": dict(start.failed), "pairs_without_inliers": empty},
    }
    write_result(output, json_output, format_result(after), record)
    return record


def rerank(ranking: np.ndarray, inliers: np.ndarray) -> np.ndarray:
    """Order the head of a ranking by inliers, most first; equals keep their order, and the rest its place."""
    head = np.argsort(-np.asarray(inliers), kind="stable")
    return np.concatenate([ranking[head], ranking[len(head) :]])


def format_result(scores: Mapping) -> str:
    """Return the text of a result file in the published form, in percent with two decimals."""
    names = {setup: setup[0].upper() for setup in SETUPS}
    lines = ["mAP benchmark:"]
    lines.append(", ".join(f"{letter}: {100 * scores['mAP'][setup]:.2f}" for setup, letter in names.items()))
    lines.append(f"mP@k {list(CUTS)} benchmark:")
    for setup, letter in names.items():
        lines.append(f"{letter}: [{', '.join(f'{100 * value:.2f}' for value in scores['mP@k'][setup])}]")
    return "\n".join(lines) + "\n"


def count_inliers(first: Features, second: Features, **ransac) -> int:
    """Count the matches of two images that agree with a homography; 0 where none is found.

    Args:
        first: features of the query.
        second: features of the candidate; errors are measured in its pixels.
        ransac: settings of `hndesc.matching.estimate_homography`.
    """
    matches = match_features(first, second)
    p1, p2 = first.keypoints[matches[:, 0]], second.keypoints[matches[:, 1]]
    return int(estimate_homography(p1, p2, **ransac)[1].sum())


def _rerank_all(
    shortlist: Shortlist, reader: DescribedImages, top: int, ransac: Mapping, threads: int
) -> tuple[np.ndarray, int, list[list[str]]]:
    """Return the new ranks, the number of pairs verified, and the names of the pairs without inliers."""
    ranks, pairs, empty = shortlist.ranks.copy(), 0, []
    with workers(threads) as mapper:
        for row, name in enumerate(tqdm(shortlist.queries, desc="queries re-ranked", disable=None)):
            query = f"query/{name}"
            head = ranks[row, :top]
            candidates = [f"db/{shortlist.database[index]}" for index in head[head >= 0]]
            inliers = _inliers(query, candidates, reader, ransac, mapper)
            ranks[row] = rerank(ranks[row], inliers)
            without = [candidate for candidate, count in zip(candidates, inliers, strict=True) if count == 0]
            if without:
                logger.warning("%s: no homography, thus 0 inliers, with %s", query, ", ".join(without))
            pairs += len(candidates)
            empty += [[query, candidate] for candidate in without]
    return ranks, pairs, empty


def _inliers(
    query: str, candidates: list[str], reader: DescribedImages, ransac: Mapping, mapper: Callable
) -> np.ndarray:
    if query in reader.lost:
        return np.zeros(len(candidates), np.int64)
    features = reader.read(query)

    def count(candidate: str) -> int:
        return 0 if candidate in reader.lost else count_inliers(features, reader.read(candidate), **ransac)

    return np.fromiter(mapper(count, candidates), np.int64, len(candidates))


def _check_shortlist(shortlist: Shortlist, truth: GroundTruth, path: str | os.PathLike) -> None:
    if shortlist.database != truth.database or shortlist.queries != [query.name for query in truth.queries]:
        raise HndescError(f"{path}: ranks other photos than the ground truth lists; make the shortlist of this dataset")


def _figures(scores: Mapping) -> dict:
    return {key: scores[key] for key in ("mAP", "mP@k", "queries")}
