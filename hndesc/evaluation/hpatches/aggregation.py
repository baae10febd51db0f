"""Aggregation of the scores of pairs by class and sequence."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np

from hndesc.evaluation.hpatches.difficulty import by_difficulty
from hndesc.evaluation.hpatches.metrics import area_under_accuracy
from hndesc.evaluation.hpatches.pairs import PairScore
from hndesc.evaluation.hpatches.protocols import AREA_THRESHOLDS, BUDGETS, MATCHING_THRESHOLDS, Protocol
from hndesc.evaluation.hpatches.ranking import RECALL_LEVELS, average_precision, pack, precision_at_recall
from hndesc.geometry.repeatability import Repeatability

CLASSES = ("v", "i")
Means = dict[str, float]


def summarize(pairs: Iterable[PairScore], protocol: Protocol) -> dict[str, dict]:
    """Return the scores of a benchmark: means over the pairs of each class, NaN for a class without pairs.

    Returns:
        Means are dictionaries {"v", "i", "all": over all pairs}, for "mma" also "avg": average of v and i.
        {"mma": {threshold: means}, "homography_accuracy": {threshold: means}, "homography_auc" (see
        `area_under_accuracy`): {threshold: means}, "estimators": {name: the previous two}, "matching_score": means, if
        part of the protocol, "features": mean keypoints per image, "matches", "correct_matches": mean matches per pair,
        and those within 3 pixels, "near_misses", "average_precision", "recall" (see
        `hndesc.evaluation.hpatches.ranking`): means, "precision_at_recall": {level: means}, "repeatability" and
        "localization_error" (pixels, over the pairs with corresponding keypoints; see
        `hndesc.geometry.repeatability`): {number of keypoints: means}, "difficulty": see
        `hndesc.evaluation.hpatches.difficulty.by_difficulty`}. The figures of the first estimator are also at the top
        level; if it was repeated, it has "homography_auc_mean" and "homography_auc_deviation" over the orders, too.
    """
    pairs = list(pairs)
    groups = {kind: [pair for pair in pairs if pair.kind == kind] for kind in CLASSES} | {"all": pairs}

    def means(measure: Callable[[list[PairScore]], np.ndarray], thresholds: Sequence[float]) -> dict[str, Means]:
        columns = {kind: measure(group) for kind, group in groups.items()}
        return {str(t): {kind: float(columns[kind][row]) for kind in groups} for row, t in enumerate(thresholds)}

    def mean(value: Callable[[PairScore], Any]) -> Means:
        return {kind: _mean([value(pair) for pair in group], 1)[0] for kind, group in groups.items()}

    mma = means(lambda group: _mean([pair.accuracy for pair in group], len(MATCHING_THRESHOLDS)), MATCHING_THRESHOLDS)
    figures: dict[str, Any] = {"mma": {t: {**one, "avg": (one["v"] + one["i"]) / 2} for t, one in mma.items()}}
    estimators = {
        name: {
            "homography_accuracy": means(
                partial(homography_accuracy, estimator=name, protocol=protocol), protocol.corner_thresholds
            ),
            "homography_auc": means(partial(homography_auc, estimator=name), AREA_THRESHOLDS),
        }
        for name in pairs[0].estimates
    }
    first = next(iter(estimators))

    def over_orders(measure: Callable[..., Any], group: list[PairScore]) -> np.ndarray:
        return measure(_auc_in_orders(group, first), axis=0)

    if pairs[0].estimates[first].in_orders:
        spread: dict[str, Callable[..., Any]] = {"mean": np.mean, "deviation": partial(np.std, ddof=1)}
        for name, measure in spread.items():
            estimators[first][f"homography_auc_{name}"] = means(partial(over_orders, measure), AREA_THRESHOLDS)
    figures |= {**estimators[first], "estimators": estimators}
    if protocol.matching_score:
        figures["matching_score"] = mean(lambda pair: pair.matching_score)
    figures["features"] = mean(lambda pair: sum(pair.features) / 2)
    figures["matches"] = mean(lambda pair: pair.matches)
    figures["correct_matches"] = mean(lambda pair: int(pair.correct.sum()))
    figures["near_misses"] = mean(lambda pair: pair.near_misses)
    figures["average_precision"] = mean(lambda pair: average_precision(pair.correct, pair.correspondences))
    figures["precision_at_recall"] = means(
        lambda group: _mean(
            [precision_at_recall(pair.correct, pair.correspondences, RECALL_LEVELS) for pair in group],
            len(RECALL_LEVELS),
        ),
        RECALL_LEVELS,
    )
    for figure, measure in (("repeatability", lambda one: one.share), ("localization_error", lambda one: one.error)):
        figures[figure] = means(partial(_of_keypoints, measure=measure), BUDGETS)
    figures["difficulty"] = by_difficulty(pairs)
    figures["recall"] = mean(lambda pair: pair.correct.sum() / max(pair.correspondences, 1))
    return figures


def homography_accuracy(pairs: Sequence[PairScore], estimator: str, protocol: Protocol) -> np.ndarray:
    """Return the share of pairs whose homography is correct at each corner threshold of the protocol."""
    thresholds = np.array(protocol.corner_thresholds)
    errors = np.array([pair.estimates[estimator].corner_error for pair in pairs])[:, None]
    correct = errors <= thresholds if protocol.inclusive else errors < thresholds
    return _mean(list(correct), len(thresholds))


def homography_auc(pairs: Sequence[PairScore], estimator: str) -> np.ndarray:
    """Return the area under homography accuracy up to each of AREA_THRESHOLDS."""
    return area_under_accuracy([pair.estimates[estimator].corner_error for pair in pairs], AREA_THRESHOLDS)


def _of_keypoints(pairs: Sequence[PairScore], measure: Callable[[Repeatability], float]) -> np.ndarray:
    """Return the mean of a measure of repeatability for each of BUDGETS, without the pairs where it is NaN."""
    values = np.array([[measure(one) for one in pair.repeatability] for pair in pairs]).reshape(-1, len(BUDGETS))
    known = [column[~np.isnan(column)] for column in values.T]
    return np.array([column.mean() if len(column) else np.nan for column in known])


def _auc_in_orders(pairs: Sequence[PairScore], estimator: str) -> np.ndarray:
    """Return the area under homography accuracy for each order of the matches, orders x thresholds."""
    errors = [pair.estimates[estimator].in_orders for pair in pairs]
    if not errors:
        return np.full((2, len(AREA_THRESHOLDS)), np.nan)
    return np.stack([area_under_accuracy(own, AREA_THRESHOLDS) for own in zip(*errors, strict=True)])


def describe_sequences(pairs: Iterable[PairScore], protocol: Protocol) -> dict[str, dict]:
    """Return the scores of each sequence: means over its pairs, and the counts of each pair."""
    return {name: _describe(list(group), protocol) for name, group in groupby(pairs, key=lambda pair: pair.sequence)}


def _describe(pairs: list[PairScore], protocol: Protocol) -> dict:
    estimators = list(pairs[0].estimates)
    record = {
        "class": pairs[0].kind,
        "pairs": [[pair.first, pair.second] for pair in pairs],
        "features": [list(pair.features) for pair in pairs],
        "matches": [pair.matches for pair in pairs],
        "correct_matches": [int(pair.correct.sum()) for pair in pairs],
        "near_misses": [pair.near_misses for pair in pairs],
        "correspondences": [pair.correspondences for pair in pairs],
        "correct_in_order": [pack(pair.correct) for pair in pairs],
        "mma": np.mean([pair.accuracy for pair in pairs], axis=0).tolist(),
        "homography_accuracy": {name: homography_accuracy(pairs, name, protocol).tolist() for name in estimators},
        "homography_auc": {name: homography_auc(pairs, name).tolist() for name in estimators},
        "inliers": {name: [pair.estimates[name].inliers for pair in pairs] for name in estimators},
        "corner_error": {name: [pair.estimates[name].corner_error for pair in pairs] for name in estimators},
        "corner_error_in_orders": [list(pair.estimates[estimators[0]].in_orders) for pair in pairs],
        "turn": [pair.turn for pair in pairs],
        "zoom": [pair.zoom for pair in pairs],
    }
    if protocol.matching_score:
        record["matching_score"] = [pair.matching_score for pair in pairs]
    return record


def failures(pairs: Iterable[PairScore]) -> list[dict]:
    """Return the pairs that could not be matched, and the reasons."""
    return [
        {"sequence": pair.sequence, "pair": [pair.first, pair.second], "reason": pair.failure}
        for pair in pairs
        if pair.failure
    ]


def _mean(rows: list, width: int) -> np.ndarray:
    return np.mean(rows, axis=0).reshape(width) if rows else np.full(width, np.nan)
