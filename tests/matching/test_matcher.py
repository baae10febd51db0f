"""Matching of features, and homographies against the truth."""

import numpy as np
import pytest

from hndesc.errors import HndescError
from hndesc.geometry.robust import ESTIMATORS, estimate_homography
from hndesc.io.features import Features
from hndesc.matching.matcher import match_and_rank, match_features
from hndesc.matching.ratios import match_ratios

H_TRUE = np.array([[0.9, 0.1, 20], [-0.12, 1.1, 5], [1e-4, -2e-4, 1]])


def unit(count: int, dim: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def test_match_features_takes_their_descriptors():
    descriptors = unit(5, 8, 0)
    a = Features(np.zeros((5, 2)), (9, 9), np.ones(5), descriptors)
    b = a.take(np.array([3, 1]))
    assert match_features(a, b).tolist() == [[1, 1], [3, 0]]
    with pytest.raises(HndescError, match="without descriptors"):
        match_features(a, Features(np.zeros((5, 2)), (9, 9), np.ones(5)))


def test_a_ratio_leaves_the_matches_that_are_clear_to_the_first_image():
    def at(*degrees: float) -> Features:
        angles = np.radians(degrees)
        codes = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
        return Features(np.zeros((len(codes), 2)), (9, 9), np.ones(len(codes)), codes)

    # Distances on the unit circle are 2 sin(angle / 2): the first keypoint's nearest two are 10 and 20 degrees away,
    # the second one's 4 and 84; the other way round 10 and 90, 4 and 76.
    a, b = at(0, 80), at(10, 76, -20)
    clear = np.sin(np.radians(5)) / np.sin(np.radians(10))
    assert match_features(a, b).tolist() == [[0, 0], [1, 1]]
    assert match_features(a, b, clear + 1e-4).tolist() == [[0, 0], [1, 1]]
    assert match_features(a, b, clear - 1e-4).tolist() == [[1, 1]]
    assert match_features(b, a, clear - 1e-4).tolist() == [[0, 0], [1, 1]]
    for ratio in (None, clear + 1e-4, clear - 1e-4):
        matches, ratios = match_and_rank(a.descriptors, b.descriptors, ratio)
        assert matches.tolist() == match_features(a, b, ratio).tolist()
        assert ratios.tolist() == match_ratios(a.descriptors, b.descriptors, matches).tolist()
    for wrong in (0, 1.1, float("nan")):
        with pytest.raises(HndescError, match="a ratio of distances of"):
            match_features(a, b, wrong)


def project(points: np.ndarray) -> np.ndarray:
    mapped = np.column_stack([points, np.ones(len(points))]) @ H_TRUE.T
    return mapped[:, :2] / mapped[:, 2:]


def correspondences(outliers: int, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    p1 = rng.uniform(0, 500, (200, 2))
    p2 = project(p1) + rng.normal(size=(200, 2)) * noise
    p2[:outliers] = rng.uniform(0, 500, (outliers, 2))
    return p1, p2


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_homography_is_found_among_outliers(estimator):
    p1, p2 = correspondences(outliers=100)
    homography, inliers = estimate_homography(p1, p2, estimator=estimator)
    np.testing.assert_allclose(homography, H_TRUE, rtol=1e-3, atol=1e-6)
    assert inliers.dtype == bool
    assert inliers[100:].all()
    assert inliers[:100].sum() <= 2


def test_float32_points_will_do():
    p1, p2 = correspondences(outliers=0)
    np.testing.assert_allclose(
        estimate_homography(p1.astype(np.float32), p2.astype(np.float32))[0], H_TRUE, rtol=1e-3, atol=1e-6
    )


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_same_input_same_estimate(estimator):
    p1, p2 = correspondences(outliers=150, noise=1.0)
    first = estimate_homography(p1, p2, estimator=estimator)
    estimate_homography(p2, p1, estimator=estimator)  # moves OpenCV's random state on
    second = estimate_homography(p1, p2, estimator=estimator)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_inliers_are_those_within_the_threshold(estimator):
    p1, p2 = correspondences(outliers=60, noise=1.0)
    homography, inliers = estimate_homography(p1, p2, 3.0, estimator=estimator)
    mapped = np.column_stack([p1, np.ones(len(p1))]) @ homography.T
    errors = np.linalg.norm(mapped[:, :2] / mapped[:, 2:] - p2, axis=1)
    assert homography[2, 2] == 1
    # MAGSAC++ refines after it has told the inliers.
    assert np.mean(inliers == (errors <= 3.0)) >= 0.95


@pytest.mark.parametrize("estimator", ["ransac", "poselib"])
def test_threshold_decides_who_is_an_inlier(estimator):
    p1, p2 = correspondences(outliers=0, noise=2.0)
    counts = [
        estimate_homography(p1, p2, threshold=threshold, estimator=estimator)[1].sum() for threshold in (1.0, 3.0, 10.0)
    ]
    assert counts[0] < counts[1] < counts[2] == 200


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_fewer_than_four_matches_give_none(estimator, count):
    p1, p2 = (points[:count] for points in correspondences(outliers=0))
    homography, inliers = estimate_homography(p1, p2, estimator=estimator)
    assert homography is None
    assert inliers.tolist() == [False] * count


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("kind", ["one point", "line", "collapsed"])
def test_degenerate_points_give_none(estimator, kind):
    along = np.linspace(0, 100, 30)
    line = np.stack([along, 2 * along + 3], axis=1)
    spread = np.random.default_rng(0).uniform(0, 100, (30, 2))
    p1, p2 = {
        "one point": (np.full((30, 2), 5.0), np.full((30, 2), 7.0)),
        "line": (line, line + 10),
        "collapsed": (spread, np.full((30, 2), 7.0)),
    }[kind]
    homography, inliers = estimate_homography(p1, p2, estimator=estimator)
    assert homography is None
    assert inliers.shape == (30,)
    assert not inliers.any()


def test_unknown_estimator():
    with pytest.raises(HndescError, match=r"'lmeds'; choose one of: magsac, poselib, ransac"):
        estimate_homography(np.zeros((5, 2)), np.zeros((5, 2)), estimator="lmeds")
