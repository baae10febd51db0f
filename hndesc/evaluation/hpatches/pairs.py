"""Evaluation of one image pair."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hndesc.datasets.homography.types import Pair
from hndesc.evaluation.hpatches.metrics import matching_accuracy, matching_errors, matching_score, visible
from hndesc.evaluation.hpatches.protocols import BUDGETS, MATCHING_THRESHOLDS, REPEATED, Protocol
from hndesc.evaluation.hpatches.ranking import CORRECT, correspondences, near_misses
from hndesc.geometry.homography import corner_error, turn_and_zoom
from hndesc.geometry.repeatability import Repeatability, measure_repeatability
from hndesc.geometry.robust import estimate_homography
from hndesc.io.features import Features
from hndesc.matching.matcher import match_and_rank
from hndesc.matching.views import descriptors_in_view, in_matching_views


@dataclass(frozen=True)
class Estimate:
    """A homography estimated from the matches.

    Attributes:
        inliers: number of inliers.
        corner_error: corner error in pixels, infinity if no homography was found.
        in_orders: corner errors of the homographies from the matches in other orders.
    """

    inliers: int = 0
    corner_error: float = float("inf")
    in_orders: tuple[float, ...] = ()


@dataclass(frozen=True)
class PairScore:
    """The scores of an image pair.

    Attributes:
        sequence: name of the sequence.
        kind: "v", "i" or "".
        first, second: names of the images.
        estimates: homography by estimator.
        features: number of evaluated keypoints of each image.
        matches: number of mutual nearest neighbors.
        accuracy: share of matches within each of MATCHING_THRESHOLDS; zeros without matches.
        matching_score: matching score, or None if it is not part of the protocol.
        failure: reason why the pair could not be matched, or None.
        correct: whether each match is correct, the most distinctive match first.
        near_misses: see `hndesc.evaluation.hpatches.ranking`.
        correspondences: number of matches that can be correct, see `hndesc.evaluation.hpatches.ranking`.
        repeatability: of the strongest keypoints, for each of BUDGETS.
        turn, zoom: of the true homography, see `hndesc.geometry.homography.turn_and_zoom`.
    """

    sequence: str
    kind: str
    first: str
    second: str
    estimates: Mapping[str, Estimate]
    features: tuple[int, int] = (0, 0)
    matches: int = 0
    accuracy: np.ndarray = field(default_factory=lambda: np.zeros(len(MATCHING_THRESHOLDS)))
    matching_score: float | None = None
    failure: str | None = None
    correct: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    near_misses: float = 0.0
    correspondences: int = 0
    repeatability: tuple[Repeatability, ...] = (Repeatability(),) * len(BUDGETS)
    turn: float = 0.0
    zoom: float = 1.0


def score_pair(
    first: Features,
    second: Features,
    homography: np.ndarray,
    protocol: Protocol,
    estimators: Sequence[str],
    ratio: float | None = None,
    orders: int = 0,
    **ransac: Any,
) -> dict:
    """Match two images and compare the matches with the true homography.

    Args:
        first: features of the first image, after `keep_strongest`.
        second: features of the second image, after `keep_strongest`.
        homography: 3 x 3, from pixels of the first image to those of the second.
        protocol: evaluation protocol.
        estimators: estimators of `hndesc.geometry.robust.estimate_homography`.
        ratio: see `hndesc.matching.matcher.match_features`.
        orders: number of random orders of the matches in which the first estimator is repeated.
        ransac: further settings of `estimate_homography`.

    Returns:
        The measured attributes of a PairScore.
    """
    one, other = first, second = in_matching_views(first, second)
    if protocol.shared_only:
        one = first.take(visible(first.keypoints, homography, second.image_size))
        other = second.take(visible(second.keypoints, np.linalg.inv(homography), first.image_size))
    matches, ratios = match_and_rank(descriptors_in_view(one, 0), descriptors_in_view(other, 0), ratio)
    p1, p2 = one.keypoints[matches[:, 0]], other.keypoints[matches[:, 1]]
    errors = matching_errors(p1, p2, homography)
    turn, zoom = _difficulty(homography, first.image_size)
    order = np.argsort(ratios, kind="stable")
    score = {
        "estimates": _estimates(p1, p2, homography, second.image_size, estimators, orders, ransac),
        "features": (len(first), len(second)),
        "matches": len(matches),
        "accuracy": matching_accuracy(p1, p2, homography, MATCHING_THRESHOLDS),
        "correct": errors[order] <= CORRECT,
        "near_misses": near_misses(errors),
        "correspondences": correspondences(one.keypoints, other.keypoints, homography),
        "repeatability": tuple(_repeatability(first, second, homography, budget) for budget in BUDGETS),
        "turn": turn,
        "zoom": zoom,
    }
    if protocol.matching_score:
        keypoints = first.keypoints, second.keypoints
        codes = descriptors_in_view(first, 0), descriptors_in_view(second, 0)
        sizes = first.image_size, second.image_size
        score["matching_score"] = matching_score(keypoints, codes, homography, sizes)
    return score


def _repeatability(first: Features, second: Features, homography: np.ndarray, budget: int) -> Repeatability:
    one, other = (image.keypoints[_strongest(image, budget)] for image in (first, second))
    return measure_repeatability(one, other, homography, (first.image_size, second.image_size), REPEATED)


def _difficulty(homography: np.ndarray, size: tuple[int, int]) -> tuple[float, float]:
    return turn_and_zoom(homography, ((size[0] - 1) / 2, (size[1] - 1) / 2))


def _estimates(
    p1: np.ndarray,
    p2: np.ndarray,
    homography: np.ndarray,
    size: tuple[int, int],
    estimators: Sequence[str],
    orders: int,
    ransac: Mapping[str, Any],
) -> dict[str, Estimate]:
    """Return the homography of each estimator from K matches (K x 2 pixels each), the first in other orders, too."""

    def estimate(name: str, order: np.ndarray | slice = slice(None)) -> tuple[int, float]:
        found, inliers = estimate_homography(p1[order], p2[order], estimator=name, **ransac)
        return int(inliers.sum()), corner_error(found, homography, size)

    first = estimators[0]
    shuffled = [np.random.default_rng(number).permutation(len(p1)) for number in range(orders)]
    estimates = {name: Estimate(*estimate(name)) for name in estimators}
    in_orders = tuple(estimate(first, order)[1] for order in shuffled)
    return {**estimates, first: replace(estimates[first], in_orders=in_orders)}


def failed_pair(
    sequence: str, kind: str, pair: Pair, estimators: Sequence[str], protocol: Protocol, reason: str, orders: int = 0
) -> PairScore:
    """Return the scores of a pair that could not be matched, which count as errors."""
    failed = Estimate(in_orders=(math.inf,) * orders)
    turn, zoom = _difficulty(pair.homography, (1, 1))  # at the first pixel: the size of a lost image is unknown
    return PairScore(
        sequence,
        kind,
        pair.first,
        pair.second,
        {estimator: failed if number == 0 else Estimate() for number, estimator in enumerate(estimators)},
        matching_score=0.0 if protocol.matching_score else None,
        failure=reason,
        turn=turn,
        zoom=zoom,
    )


def keep_strongest(features: Features, protocol: Protocol) -> Features:
    """Return the features with the highest scores, as many as the protocol evaluates."""
    if protocol.max_keypoints is None or len(features) <= protocol.max_keypoints:
        return features
    return features.take(_strongest(features, protocol.max_keypoints))


def _strongest(features: Features, count: int | None) -> np.ndarray:
    return np.argsort(-features.scores, kind="stable")[:count]
