"""The score of one image pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hndesc.datasets.homography.types import Pair
from hndesc.evaluation.hpatches.metrics import matching_accuracy, matching_errors, matching_score, visible
from hndesc.evaluation.hpatches.protocols import MATCHING_THRESHOLDS, Protocol
from hndesc.evaluation.hpatches.ranking import CORRECT, correspondences, near_misses
from hndesc.geometry.homography import corner_error
from hndesc.geometry.robust import estimate_homography
from hndesc.io.features import Features
from hndesc.matching.matcher import match_features
from hndesc.matching.ratios import match_ratios
from hndesc.matching.views import in_matching_views


@dataclass(frozen=True)
class Estimate:
    """A homography estimated from the matches.

    Attributes:
        inliers: number of them.
        corner_error: pixels, infinity where no homography was found.
    """

    inliers: int = 0
    corner_error: float = float("inf")


@dataclass(frozen=True)
class PairScore:
    """How well a pair was matched.

    Attributes:
        sequence: its name.
        kind: "v", "i" or "".
        first, second: names of the images.
        estimates: by estimator.
        features: number of keypoints of each image that count.
        matches: number of mutual nearest neighbors.
        accuracy: share of them within each of MATCHING_THRESHOLDS; zeros without matches.
        matching_score: None where the protocol has none.
        failure: why the pair could not be matched at all, or None.
        correct: whether each match is correct, those first that are most clearly the nearest.
        near_misses: see `hndesc.evaluation.hpatches.ranking`, as for `correspondences`.
        correspondences: number of matches that can be correct.
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


def score_pair(
    first: Features,
    second: Features,
    homography: np.ndarray,
    protocol: Protocol,
    estimators: Sequence[str],
    **ransac: float,
) -> dict:
    """Match two images and compare with the truth.

    Args:
        first: features of the first image, of which `keep_strongest` was taken already, as of the second.
        second: features of the other image.
        homography: 3 x 3, from the first one's pixels to the other's.
        protocol: what counts.
        estimators: names that `hndesc.geometry.robust.estimate_homography` takes.
        ransac: its further settings.

    Returns:
        The values of a PairScore that are measured.
    """
    one, other = first, second = in_matching_views(first, second)
    if protocol.shared_only:
        one = first.take(visible(first.keypoints, homography, second.image_size))
        other = second.take(visible(second.keypoints, np.linalg.inv(homography), first.image_size))
    matches = match_features(one, other)
    p1, p2 = one.keypoints[matches[:, 0]], other.keypoints[matches[:, 1]]
    errors = matching_errors(p1, p2, homography)
    order = np.argsort(match_ratios(one.descriptors, other.descriptors, matches), kind="stable")
    estimates = {}
    for estimator in estimators:
        estimate, inliers = estimate_homography(p1, p2, estimator=estimator, **ransac)
        error = corner_error(estimate, homography, second.image_size)
        estimates[estimator] = Estimate(int(inliers.sum()), error)
    score = {
        "estimates": estimates,
        "features": (len(first), len(second)),
        "matches": len(matches),
        "accuracy": matching_accuracy(p1, p2, homography, MATCHING_THRESHOLDS),
        "correct": errors[order] <= CORRECT,
        "near_misses": near_misses(errors),
        "correspondences": correspondences(one.keypoints, other.keypoints, homography),
    }
    if protocol.matching_score:
        keypoints, codes = (first.keypoints, second.keypoints), (first.descriptors, second.descriptors)
        sizes = first.image_size, second.image_size
        score["matching_score"] = matching_score(keypoints, codes, homography, sizes)
    return score


def failed_pair(
    sequence: str, kind: str, pair: Pair, estimators: Sequence[str], protocol: Protocol, why: str
) -> PairScore:
    """Return the score of a pair that could not be matched: nothing is correct."""
    return PairScore(
        sequence,
        kind,
        pair.first,
        pair.second,
        {estimator: Estimate() for estimator in estimators},
        matching_score=0.0 if protocol.matching_score else None,
        failure=why,
    )


def keep_strongest(features: Features, protocol: Protocol) -> Features:
    """Return the features that the protocol counts: so many of the highest scores."""
    if protocol.max_keypoints is None or len(features) <= protocol.max_keypoints:
        return features
    return features.take(np.argsort(-features.scores, kind="stable")[: protocol.max_keypoints])
