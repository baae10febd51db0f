"""Results as text in the published format, and as CSV tables."""

import csv
import io
import math
from collections.abc import Mapping

import numpy as np

from hndesc.evaluation.hpatches.protocols import AREA_THRESHOLDS, MATCHING_THRESHOLDS, find_protocol

PUBLISHED_ESTIMATOR = "ransac"
_COUNTS = ("features", "matches")
_FURTHER = ("matching_score", *_COUNTS, "correct_matches", "near_misses", "average_precision", "recall")

_OF_KEYPOINTS = ("repeatability", "localization_error")  # "threshold" is the number of keypoints


def format_result(figures: Mapping) -> str:
    """Return the text of a result file in the published format.

    As published, the "avg" of matches is the average of v and i, and that of homographies is over all pairs. Estimators
    other than OpenCV's RANSAC are named in the heading. Without classes, each line has one number, over all pairs.
    """
    classes = not all(math.isnan(figures["mma"]["1"][kind]) for kind in "vi")

    def row(label: str, means: Mapping, average: str = "all") -> str:
        if not classes:
            return f"{label}: {means['all']:.3f}"
        return f"{label} v/i/avg: {means['v']:.3f} / {means['i']:.3f} / {means[average]:.3f}"

    lines = ["PCK benchmark:"]
    lines += [row(f"MMA@{threshold}", means, "avg") for threshold, means in figures["mma"].items()]
    for estimator, own in figures["estimators"].items():
        name = "" if estimator == PUBLISHED_ESTIMATOR else f" ({estimator})"
        lines.append(f"Homography benchmark{name}:")
        lines += [row(f"th: {threshold}", means) for threshold, means in own["homography_accuracy"].items()]
    if "matching_score" in figures:
        lines += ["Matching score:", row("th: 3", figures["matching_score"])]
    return "\n".join(lines) + "\n"


def summary_table(record: Mapping) -> str:
    """Return a CSV of all scores of a result, with a line per score, threshold and estimator and a column per class."""
    figures = record["figures"]
    rows = [("mma", "", threshold, means) for threshold, means in figures["mma"].items()]
    for estimator, own in figures["estimators"].items():
        for figure, thresholds in own.items():
            rows += [(figure, estimator, threshold, means) for threshold, means in thresholds.items()]
    for figure in _OF_KEYPOINTS:
        rows += [(figure, "", budget, means) for budget, means in figures.get(figure, {}).items()]
    rows += [(figure, "", "", figures[figure]) for figure in _FURTHER if figure in figures]
    kinds = ("v", "i", "avg", "all")
    lines = [("benchmark", "protocol", "figure", "estimator", "threshold", *kinds)]
    for figure, estimator, threshold, means in rows:
        digits = 1 if figure in (*_COUNTS, "correct_matches") else 6
        values = [_number(means.get(kind), digits) for kind in kinds]
        lines.append((record["benchmark"], record["settings"]["protocol"], figure, estimator, threshold, *values))
    return _csv(lines)


def sequence_table(record: Mapping) -> str:
    """Return a CSV with the means over the pairs of each sequence, one line per sequence."""
    protocol = find_protocol(record["settings"]["protocol"])
    heads = ["sequence", "class", "pairs", *_COUNTS, *(f"mma@{t}" for t in MATCHING_THRESHOLDS)]
    for estimator in record["settings"]["estimators"]:
        heads += [f"{estimator} accuracy@{t}" for t in protocol.corner_thresholds]
        heads += [f"{estimator} auc@{t}" for t in AREA_THRESHOLDS]
        heads.append(f"{estimator} inliers")
    heads += ["matching_score"] if protocol.matching_score else []
    lines = [heads]
    for name, one in record["per_sequence"].items():
        values = [np.mean(one["features"]), np.mean(one["matches"]), *one["mma"]]
        for estimator in record["settings"]["estimators"]:
            values += [*one["homography_accuracy"][estimator], *one["homography_auc"][estimator]]
            values.append(np.mean(one["inliers"][estimator]))
        values += [np.mean(one["matching_score"])] if protocol.matching_score else []
        lines.append([name, one["class"], str(len(one["pairs"])), *(_number(value, 6) for value in values)])
    return _csv(lines)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _csv(lines: list) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(lines)
    return stream.getvalue()
