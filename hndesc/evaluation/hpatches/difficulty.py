"""Scores of image pairs by how far the images differ: in-plane rotation, change of scale, kind of illumination change.

Rotation and scale are those of the true homography at the center of the first image. Illumination changes are those in
the names of sequences made by `hndesc.datasets.synthetic_sequences`, `i_<change>_<photo>`.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hndesc.evaluation.hpatches.metrics import area_under_accuracy
from hndesc.evaluation.hpatches.pairs import PairScore
from hndesc.evaluation.hpatches.protocols import MATCHING_THRESHOLDS

# Upper limit of each class, exclusive: degrees of rotation, factor of scale.
TURNS = {"below 15": 15, "15 to 45": 45, "45 to 90": 90, "90 to 180": math.inf}
ZOOMS = {"below 1.25": 1.25, "1.25 to 2": 2, "above 2": math.inf}
_PIXELS = 3  # of matching accuracy
_AREA = 5  # pixels, of the area under homography accuracy
_CHANGE = re.compile("i_([a-z]+)_.")


def by_difficulty(pairs: Sequence[PairScore]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the scores of pairs by class of difficulty, NaN for a class without pairs.

    Returns:
        {"turn": the pairs that are not of class i by in-plane rotation, "zoom": these by change of scale, larger or
        smaller, "light": the pairs of class i by change, if each is shared by two sequences or more}, each {name of the
        class: {"pairs": number, "mma": MMA@3, "near_misses": mean, "homography_auc": {estimator: AUC@5}}}.
    """
    geometric = [pair for pair in pairs if pair.kind != "i"]
    light = [pair for pair in pairs if pair.kind == "i"]
    turns = [_class(abs(pair.turn), TURNS) for pair in geometric]
    zooms = [_class(max(pair.zoom, 1 / pair.zoom), ZOOMS) for pair in geometric]
    return {
        "turn": _grouped(geometric, turns, list(TURNS)),
        "zoom": _grouped(geometric, zooms, list(ZOOMS)),
        "light": _grouped(light, changes, sorted(set(changes))) if (changes := _changes(light)) else {},
    }


def _class(value: float, limits: Mapping[str, float]) -> str:
    # The last class holds NaN, too, of a homography that is singular at the center of the image.
    return next((name for name, limit in limits.items() if value < limit), list(limits)[-1])


def _changes(pairs: Sequence[PairScore]) -> list[str]:
    """Return the change of each pair; nothing if the names of the sequences do not state it."""
    found = [_CHANGE.match(pair.sequence) for pair in pairs]
    changes = [match[1] for match in found if match]
    sequences = {(change, pair.sequence) for change, pair in zip(changes, pairs, strict=False)}
    shared = [change for change, _ in sequences]
    if len(changes) < len(pairs) or any(shared.count(change) < 2 for change in set(changes)):
        return []
    return changes


def _grouped(pairs: Sequence[PairScore], classes: Sequence[str], order: Sequence[str]) -> dict[str, dict[str, Any]]:
    groups = {name: [pair for pair, own in zip(pairs, classes, strict=True) if own == name] for name in order}
    estimators = list(pairs[0].estimates) if pairs else []
    return {name: _scores(group, estimators) for name, group in groups.items()}


def _scores(pairs: Sequence[PairScore], estimators: Sequence[str]) -> dict[str, Any]:
    row = MATCHING_THRESHOLDS.index(_PIXELS)
    errors = {name: [pair.estimates[name].corner_error for pair in pairs] for name in estimators}
    return {
        "pairs": len(pairs),
        "mma": _mean([pair.accuracy[row] for pair in pairs]),
        "near_misses": _mean([pair.near_misses for pair in pairs]),
        "homography_auc": {name: float(area_under_accuracy(own, [_AREA])[0]) for name, own in errors.items()},
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
