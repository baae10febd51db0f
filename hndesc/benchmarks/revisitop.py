"""Retrieval on rOxford5k, rParis6k and sets of the same layout: re-ranking by homographies, mAP and mP@k."""

import logging
import os
from collections.abc import Callable, Mapping

import numpy as np
from tqdm import tqdm

from hndesc.benchmarks.average_precision import CUTS, SETUPS, score_rankings
from hndesc.benchmarks.ground_truth import GroundTruth, dataset_photos, read_ground_truth
from hndesc.benchmarks.results import workers, write_result
from hndesc.benchmarks.shortlist import Shortlist, read_shortlist
from hndesc.errors import HndescError
from hndesc.features import FeatureReader, Features
from hndesc.matching import estimate_homography, match_features

__all__ = ["dataset_photos", "format_result", "read_ground_truth", "rerank", "score_retrieval"]

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
    iterations: int = 5000,
    confidence: float = 0.9995,
    threads: int = 1,
) -> dict:
    """Score local features by how well they re-rank a shortlist.

    Args:
        root: retrieval set (`gnd_*.pkl`).
        features: local features of `dataset_photos(root)`, in pixels of the original photos.
        shortlist: rankings to start from (`hndesc.benchmarks.shortlist`).
        output: text file in the published form, after re-ranking.
        json_output: all figures, before and after.
        top: candidates a query that are re-ranked; the rest keeps its rank.
        estimator: see `hndesc.matching.estimate_homography`, as for `iterations` and `confidence`.
        ransac_threshold: reprojection error of an inlier, in pixels of the original photo.
        threads: pairs verified at a time.

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
    with FeatureReader(features) as reader:
        _check_features(reader, start)
        verifier = _Verifier(reader, ransac)
        reranked = _rerank_all(start, verifier, top, threads)
        feature_settings = reader.settings
    before, after = score_rankings(start.ranks, truth), score_rankings(reranked, truth)
    record = {
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
        "pairs": verifier.pairs,
        "failures": _failures(verifier, start),
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


class _Verifier:
    """Counts the homography inliers of pairs; pairs that fail have 0 and are remembered."""

    def __init__(self, reader: FeatureReader, ransac: Mapping) -> None:
        self.reader = reader
        self.ransac = ransac
        self.failed = reader.failed
        self.pairs = 0
        self.without_homography: list[tuple[str, str]] = []
        self.without_features: list[tuple[str, str]] = []

    def inliers(self, query: str, candidates: list[str], mapper: Callable) -> np.ndarray:
        """Return the number of inliers of each candidate with the query."""
        self.pairs += len(candidates)
        if query in self.failed:
            self.without_features += [(query, name) for name in candidates]
            return np.zeros(len(candidates), np.int64)
        features = self._read(query)
        counts = list(mapper(lambda name: self._count(features, name), candidates))
        lost = [name for name in candidates if name in self.failed]
        empty = [name for name, count in zip(candidates, counts, strict=True) if count == 0 and name not in self.failed]
        self.without_features += [(query, name) for name in lost]
        self.without_homography += [(query, name) for name in empty]
        if empty:
            logger.warning(
                "%s: no homography with %d of %d candidates, which count 0 inliers: %s",
                query, len(empty), len(candidates), ", ".join(empty),
            )  # fmt: skip
        return np.array(counts)

    def _read(self, name: str) -> Features:
        features = self.reader.read(name)
        if features.descriptors is None:
            raise HndescError(f"{self.reader.path}: '{name}' has keypoints without descriptors; describe them first")
        return features

    def _count(self, query: Features, name: str) -> int:
        if name in self.failed:
            return 0
        candidate = self._read(name)
        matches = match_features(query, candidate)
        points = query.keypoints[matches[:, 0]], candidate.keypoints[matches[:, 1]]
        return int(estimate_homography(*points, **self.ransac)[1].sum())


def _rerank_all(shortlist: Shortlist, verifier: _Verifier, top: int, threads: int) -> np.ndarray:
    for name, reason in verifier.failed.items():
        logger.warning("%s: no features (%s); its pairs count 0 inliers", name, reason)
    ranks = shortlist.ranks.copy()
    with workers(threads) as mapper:
        for row, query in enumerate(tqdm(shortlist.queries, desc="queries re-ranked", disable=None)):
            head = ranks[row, :top]
            head = head[head >= 0]
            names = [f"db/{shortlist.database[index]}" for index in head]
            ranks[row] = rerank(ranks[row], verifier.inliers(f"query/{query}", names, mapper))
    return ranks


def _check_shortlist(shortlist: Shortlist, truth: GroundTruth, path: str | os.PathLike) -> None:
    if shortlist.database != truth.database or shortlist.queries != [query.name for query in truth.queries]:
        raise HndescError(f"{path}: ranks other photos than the ground truth lists; make the shortlist of this dataset")


def _check_features(reader: FeatureReader, shortlist: Shortlist) -> None:
    names = [f"db/{name}" for name in shortlist.database] + [f"query/{name}" for name in shortlist.queries]
    failed = reader.failed
    missing = [name for name in names if name not in reader and name not in failed]
    if missing:
        raise HndescError(
            f"{reader.path}: no features of {len(missing)} of {len(names)} photos, '{missing[0]}' first; "
            "extract the features of this dataset"
        )


def _figures(scores: Mapping) -> dict:
    return {key: scores[key] for key in ("mAP", "mP@k", "queries")}


def _failures(verifier: _Verifier, shortlist: Shortlist) -> dict:
    return {
        "features": verifier.failed,
        "global_descriptor": dict(shortlist.failed),
        "pairs_without_features": len(verifier.without_features),
        "pairs_without_homography": [list(pair) for pair in verifier.without_homography],
    }
