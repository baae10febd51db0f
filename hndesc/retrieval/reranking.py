"""Re-ranking of shortlists by homography inliers among the mutual nearest neighbors of local features."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from tqdm import tqdm

from hndesc.datasets.image_set import DISTRACTORS
from hndesc.errors import HndescError
from hndesc.geometry.robust import check_settings, estimate_homography
from hndesc.io.described_images import DescribedImages, named_pair
from hndesc.io.features import Features
from hndesc.io.hdf5 import check_hdf5_output
from hndesc.matching.matcher import match_features
from hndesc.retrieval.inlier_counts import read_counts, write_counts
from hndesc.retrieval.shortlist import Shortlist, candidates, read_shortlist
from hndesc.runtime.processes import workers
from hndesc.runtime.shards import block_of

PROTOCOL = "re-ranking by homography inliers among mutual nearest neighbors"
# Candidates of a query verified by one call.
BATCH = 5
logger = logging.getLogger(__name__)


# By default, matches that are hardly nearer than the next do not count, and fewer inliers than these are no evidence.
RATIO, MIN_INLIERS = 0.95, 8


@dataclass(frozen=True)
class Reranked:
    """Rankings before and after (queries x database, as in a shortlist), and the record of the result file.

    Attributes:
        database: names that the rankings refer to, distractors included.
    """

    database: list[str]
    before: np.ndarray
    after: np.ndarray
    record: dict


def rerank_shortlist(
    features: str | os.PathLike,
    shortlist: str | os.PathLike,
    database: Sequence[str],
    queries: Sequence[str],
    *,
    top: int = 100,
    ratio: float | None = RATIO,
    min_inliers: int = MIN_INLIERS,
    estimator: str = "ransac",
    ransac_threshold: float = 5.0,
    iterations: int = 2000,
    confidence: float = 0.995,
    counted: Sequence[str | os.PathLike] = (),
    threads: int = 1,
) -> Reranked:
    """Re-rank the top of the ranking of each query by the number of inliers.

    Args:
        features: local features of "db/<name>" and "query/<name>", in pixels of the original images.
        shortlist: initial rankings (`hndesc.retrieval.shortlist`) of this database, possibly followed by distractors.
        database: names of the database images of the ground truth.
        queries: names of the queries.
        top: number of candidates per query to re-rank; the rest keeps its rank.
        ratio: of the matches of the query, see `hndesc.matching.matcher.match_features`; None as published.
        min_inliers: fewer inliers count as none, since wrong candidates have some by chance; 0 as published.
        estimator: see `hndesc.geometry.robust.estimate_homography`. "magsac" is many times faster if few matches are
            correct.
        ransac_threshold: largest reprojection error of an inlier, in pixels of the original image.
        iterations, confidence: see `hndesc.geometry.robust.estimate_homography`; the defaults are those of OpenCV, as
            in the published evaluation.
        counted: files of all shards written by `count_shortlist` with the same settings; if empty, inliers are counted
            here.
        threads: number of processes that verify batches of pairs (`hndesc.runtime.processes`).

    Raises:
        HndescError: a file is broken or belongs to another dataset. Images recorded as failed are no error: they have
            0 inliers, and are counted and listed.
    """
    start = read_shortlist(shortlist)
    _check_shortlist(start, database, queries, shortlist)
    settings = _settings(ratio, estimator, ransac_threshold, iterations, confidence, top)
    with DescribedImages(features, candidates(start, top)) as reader:
        for name, reason in reader.lost.items():
            logger.warning("%s: no features (%s); its pairs have 0 inliers", name, reason)
        if counted:
            inliers = read_counts(counted, start.ranks[:, :top].shape, _made_by(start, reader, top, settings))
        else:
            inliers = _count_all(start, reader, top, settings, threads)
        after, pairs, empty = _rerank_all(start, inliers, min_inliers)
        record = {
            "settings": {"top": top, "min_inliers": min_inliers, **settings},
            "features": reader.settings,
            "shortlist": dict(start.settings),
            "database": {"photos": len(database), "distractors": len(start.database) - len(database)},
            "pairs": pairs,
            "failures": {
                "features": reader.lost,
                "global_descriptor": dict(start.failed),
                "pairs_without_inliers": empty,
            },
        }
    return Reranked(start.database, start.ranks, after, record)


def count_shortlist(
    features: str | os.PathLike,
    shortlist: str | os.PathLike,
    output: str | os.PathLike,
    *,
    part: str | None = None,
    top: int = 100,
    ratio: float | None = RATIO,
    estimator: str = "ransac",
    ransac_threshold: float = 5.0,
    iterations: int = 2000,
    confidence: float = 0.995,
    threads: int = 1,
) -> None:
    """Count the inliers of the candidates of some queries; the other arguments are those of `rerank_shortlist`.

    Args:
        output: file of inlier counts.
        part: shard "i-of-n" of the queries, possibly empty; None for all.
    """
    check_hdf5_output(output, [features, shortlist])
    whole = read_shortlist(shortlist)
    rows = block_of(range(len(whole.queries)), part)
    mine = replace(whole, queries=[whole.queries[row] for row in rows], ranks=whole.ranks[list(rows)])
    settings = _settings(ratio, estimator, ransac_threshold, iterations, confidence, top)
    with DescribedImages(features, candidates(mine, top)) as reader:
        inliers = _count_all(mine, reader, top, settings, threads)
        write_counts(output, rows, inliers, _made_by(whole, reader, top, settings))


def rerank(ranking: np.ndarray, inliers: np.ndarray) -> np.ndarray:
    """Sort the top of a ranking by inliers in descending order; ties and the rest keep their order."""
    head = np.argsort(-np.asarray(inliers), kind="stable")
    return np.concatenate([ranking[head], ranking[len(head) :]])


def count_inliers(first: Features, second: Features, ratio: float | None = None, **ransac: Any) -> int:
    """Count the matches of two images that are inliers of a homography; 0 if none is found.

    Args:
        first: features of the query.
        second: features of the candidate; errors are measured in its pixels.
        ratio: see `hndesc.matching.matcher.match_features`.
        ransac: settings of `hndesc.geometry.robust.estimate_homography`.
    """
    matches = match_features(first, second, ratio)
    p1, p2 = first.keypoints[matches[:, 0]], second.keypoints[matches[:, 1]]
    return int(estimate_homography(p1, p2, **ransac)[1].sum())


def _settings(
    ratio: float | None, estimator: str, threshold: float, iterations: int, confidence: float, top: int
) -> dict:
    check_settings(threshold, iterations, confidence)
    if top < 1:
        raise HndescError(f"{top} candidates a query cannot be re-ranked; give a number from 1 on")
    ransac = {"estimator": estimator, "threshold": threshold, "iterations": iterations, "confidence": confidence}
    return {"ratio": ratio, **ransac}


def _made_by(shortlist: Shortlist, reader: DescribedImages, top: int, settings: Mapping) -> dict:
    """Return the settings on which counts depend."""
    return {"top": top, **settings, "features": reader.settings, "shortlist": dict(shortlist.settings)}


def _count_all(shortlist: Shortlist, reader: DescribedImages, top: int, settings: Mapping, threads: int) -> np.ndarray:
    """Return the inliers of all candidates, queries x candidates; -1 beyond the end of a ranking."""
    heads = shortlist.ranks[:, :top]
    counts = np.full(heads.shape, -1, np.int32)
    batches = [
        (f"query/{name}", names[start : start + BATCH])
        for name, head in zip(shortlist.queries, heads, strict=True)
        for names in [_names(shortlist, head)]
        for start in range(0, len(names), BATCH)
    ]
    with workers(_Verifier(reader, settings), threads) as verify:
        verified = tqdm(verify(batches), total=len(batches), desc="batches verified", disable=None)
        counts[heads >= 0] = [count for batch in verified for count in batch]
    return counts


def _names(shortlist: Shortlist, head: np.ndarray) -> list[str]:
    return [f"db/{shortlist.database[index]}" for index in head[head >= 0]]


def _rerank_all(shortlist: Shortlist, counts: np.ndarray, min_inliers: int) -> tuple[np.ndarray, int, list[list[str]]]:
    """Return the new ranks, the number of pairs verified, and the names of the pairs without inliers."""
    ranks, pairs, empty = shortlist.ranks.copy(), 0, []
    for row, name in enumerate(shortlist.queries):
        query, inliers = f"query/{name}", counts[row][counts[row] >= 0]
        names = _names(shortlist, ranks[row, : counts.shape[1]])
        ranks[row] = rerank(ranks[row], np.where(inliers < min_inliers, 0, inliers))
        without = [candidate for candidate, count in zip(names, inliers, strict=True) if count == 0]
        pairs += len(names)
        empty += [[query, candidate] for candidate in without]
    if empty:
        count, first = len(empty), " and ".join(empty[0])
        logger.info(
            "%d of %d pairs have no homography, thus 0 inliers: %s, …; the result lists them", count, pairs, first
        )
    return ranks, pairs, empty


class _Verifier:
    """Counts the inliers of a query with some candidates; can be pickled."""

    def __init__(self, reader: DescribedImages, settings: Mapping) -> None:
        self._reader = reader
        self._settings = settings
        self._query = lru_cache(1)(self._prepare)  # batches of a query are consecutive

    def __reduce__(self) -> tuple:
        return _Verifier, (self._reader, self._settings)

    def __call__(self, batch: tuple[str, list[str]]) -> list[int]:
        query, names = batch
        return [self._count(query, name) for name in names]

    def _count(self, query: str, name: str) -> int:
        if {query, name} & self._reader.lost.keys():
            return 0
        with named_pair(query, name):
            return count_inliers(self._query(query), self._reader.read(name), **self._settings)

    def _prepare(self, name: str) -> Features:
        # Converted to single precision once for all candidates.
        features = self._reader.read(name)
        return replace(features, descriptors=np.ascontiguousarray(features.descriptors, np.float32))


def _check_shortlist(
    shortlist: Shortlist, database: Sequence[str], queries: Sequence[str], path: str | os.PathLike
) -> None:
    known, rest = shortlist.database[: len(database)], shortlist.database[len(database) :]
    if known != list(database) or shortlist.queries != list(queries) or not all(map(_is_distractor, rest)):
        raise HndescError(
            f"{path}: ranks images that are not in the ground truth; compute the shortlist of this dataset"
        )


def _is_distractor(name: str) -> bool:
    return name.startswith(f"{DISTRACTORS}/")
