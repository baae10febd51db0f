"""Evaluation of place recognition on Tokyo 24/7: recall at n within 25 m, before and after re-ranking."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from hndesc.datasets.tokyo247 import Views, read_views
from hndesc.evaluation.result import describe
from hndesc.evaluation.retrieval.reranked import score_reranked
from hndesc.retrieval import reranking

CUTS = (1, 5, 10, 20)
PROTOCOL = f"Tokyo 24/7, recall over all queries, every view of a panorama counts; {reranking.PROTOCOL}"


def score_tokyo247(
    root: str | os.PathLike,
    features: str | os.PathLike,
    shortlist: str | os.PathLike,
    output: str | os.PathLike,
    json_output: str | os.PathLike | None,
    *,
    name: str | None = None,
    **settings: Any,
) -> dict:
    """Evaluate local features by re-ranking a shortlist of Tokyo 24/7.

    Args:
        root: dataset (`hndesc.datasets.tokyo247`).
        features: local features of at least the shortlisted images, in pixels of the original images.
        shortlist: initial rankings (`hndesc.retrieval.shortlist`). The published ones have 100 views per query.
        output: text file to write, with the recall before and after re-ranking.
        json_output: JSON file to write, or None, with all scores.
        name: name of the benchmark; by default that of the folder.
        settings: settings of `hndesc.retrieval.reranking.rerank_shortlist`.

    Returns:
        The content of the JSON file.

    Raises:
        HndescError: a file is broken or belongs to another dataset.
    """
    views = read_views(root)
    return score_reranked(
        features,
        shortlist,
        output,
        json_output,
        benchmark=describe(root, name, "tokyo247", PROTOCOL),
        images=(views.database, views.queries),
        score=lambda *ranks: _compare(views, *(first_hits(each, views) for each in ranks)),
        label=lambda row, index: "correct" if within_distance(views, row, np.array([index]))[0] else "wrong",
        text=format_result,
        settings=settings,
    )


def _compare(views: Views, before: np.ndarray, after: np.ndarray) -> dict:
    return {
        "figures": _figures(after),
        "figures_before": _figures(before),
        "distance": views.distance,
        "per_query": {
            query: {"before": _or_none(first), "after": _or_none(second)}
            for query, first, second in zip(views.queries, before, after, strict=True)
        },
    }


def first_hits(ranks: np.ndarray, views: Views) -> np.ndarray:
    """Return for each query the 0-based rank of the first view within the distance; -1 if there is none.

    Args:
        ranks: queries x database, indices of views, best first, padded with -1; indices beyond the views are
            distractors.
        views: ground truth.
    """
    firsts = np.full(len(ranks), -1, np.int64)
    for row, ranking in enumerate(ranks):
        hits = np.flatnonzero(within_distance(views, row, ranking[ranking >= 0]))
        if len(hits):
            firsts[row] = hits[0]
    return firsts


def within_distance(views: Views, query: int, indices: np.ndarray) -> np.ndarray:
    """Return for K indices of views whether each is correct for a query; indices beyond the views are distractors."""
    correct = np.zeros(len(indices), bool)
    known = indices < len(views.database)
    distances = np.linalg.norm(views.database_positions[indices[known]] - views.query_positions[query], axis=1)
    correct[known] = distances <= views.distance
    return correct


def recall(firsts: np.ndarray, cuts: tuple[int, ...] = CUTS) -> dict[str, float]:
    """Return the share of queries whose first hit is among the first n, for each n."""
    return {str(cut): float(((firsts >= 0) & (firsts < cut)).mean()) for cut in cuts}


def format_result(record: Mapping) -> str:
    """Return the text of a result file, in percent with two decimals."""
    lines = ["recall benchmark:"]
    for title, key in (("before", "figures_before"), ("after", "figures")):
        values = ", ".join(f"{100 * value:.2f}" for value in record[key]["recall"].values())
        lines.append(f"recall@{list(CUTS)} {title} re-ranking: [{values}]")
    return "\n".join(lines) + "\n"


def _figures(firsts: np.ndarray) -> dict:
    return {"recall": recall(firsts), "queries": len(firsts)}


def _or_none(rank: int) -> int | None:
    return None if rank < 0 else int(rank)
