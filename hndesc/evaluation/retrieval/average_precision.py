"""Mean average precision of rankings by the revisited protocol, as pure functions on arrays."""

import numpy as np

from hndesc.datasets.revisited import GroundTruth, Query

# Setup -> labels of positives, labels that are ignored as if they were not in the database.
SETUPS = {
    "easy": (("easy",), ("junk", "hard")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("junk", "easy")),
}
CUTS = (1, 5, 10)


def average_precision(positions: np.ndarray, positives: int) -> float:
    """Return the area under the precision-recall curve by the trapezoid rule of the Oxford protocol.

    Args:
        positions: 0-based ranks of the retrieved positives, ascending, ignoring junk.
        positives: number of positives in the database.
    """
    found = np.arange(len(positions))
    before = np.where(positions > 0, found / np.maximum(positions, 1), 1.0)
    after = (found + 1) / (positions + 1)
    return float((before + after).sum() / (2 * positives))


def precision_at(positions: np.ndarray, cuts: tuple[int, ...] = CUTS) -> list[float]:
    """Return the precision among the first k; as in the protocol, k is limited to the rank of the last positive."""
    if len(positions) == 0:
        return [0.0] * len(cuts)
    ends = [min(cut, int(positions[-1]) + 1) for cut in cuts]
    return [float((positions < end).sum() / end) for end in ends]


def score_query(ranking: np.ndarray, query: Query, setup: str, size: int) -> tuple[float, list[float]] | None:
    """Evaluate one ranking.

    Args:
        ranking: database indices, best first; negative entries (nothing retrieved) are ignored, and entries of `size`
            and above are distractors.
        query: ground truth of the query.
        setup: "easy", "medium" or "hard".
        size: number of database images.

    Returns:
        Average precision and precision at each of CUTS; None for a query without positives in this setup.
    """
    positive, junk = (np.concatenate([getattr(query, label) for label in labels]) for labels in SETUPS[setup])
    if len(positive) == 0:
        return None
    role = np.zeros(size + 1, np.int8)  # the last entry represents all distractors
    role[positive], role[junk] = 1, 2
    roles = role[np.minimum(ranking[ranking >= 0], size)]
    positions = np.flatnonzero(roles[roles != 2] == 1)
    return average_precision(positions, len(positive)), precision_at(positions)


def score_rankings(rankings: np.ndarray, truth: GroundTruth) -> dict[str, dict]:
    """Evaluate the rankings of all queries.

    Args:
        rankings: queries x database, indices of database images, best first (see `score_query`).
        truth: ground truth.

    Returns:
        {"mAP": {setup: value}, "mP@k": {setup: [at 1, 5, 10]}, "queries": {setup: number with positives},
        "per_query": {name: {setup: average precision or None}}}; values in [0, 1], NaN if no query has positives.
    """
    size = len(truth.database)
    result: dict[str, dict] = {"mAP": {}, "mP@k": {}, "queries": {}, "per_query": {q.name: {} for q in truth.queries}}
    for setup in SETUPS:
        scores = [score_query(ranking, q, setup, size) for ranking, q in zip(rankings, truth.queries, strict=True)]
        for query, score in zip(truth.queries, scores, strict=True):
            result["per_query"][query.name][setup] = None if score is None else score[0]
        counted = [score for score in scores if score is not None]
        result["queries"][setup] = len(counted)
        result["mAP"][setup] = float(np.mean([score[0] for score in counted])) if counted else float("nan")
        precisions = np.array([score[1] for score in counted]) if counted else np.full((1, len(CUTS)), np.nan)
        result["mP@k"][setup] = precisions.mean(axis=0).tolist()
    return result
