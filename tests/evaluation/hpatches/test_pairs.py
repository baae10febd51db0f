"""One image pair: what is counted under each protocol."""

import math

import numpy as np
import pytest

from hndesc.datasets.homography.types import Pair
from hndesc.errors import HndescError
from hndesc.evaluation.hpatches.pairs import failed_pair, keep_strongest, score_pair
from hndesc.evaluation.hpatches.protocols import PROTOCOLS, find_protocol
from hndesc.geometry.homography import translation, warp_points
from hndesc.geometry.robust import ESTIMATORS

from .conftest import CODES, POINTS, SHEAR, SIZE, make_features

RANSAC = {"threshold": 3.0, "iterations": 1000, "confidence": 0.99}


def score(first, second, homography, protocol="full", estimators=("ransac",)):
    return score_pair(first, second, homography, PROTOCOLS[protocol], estimators, **RANSAC)


def test_pair_by_hand():
    moved = warp_points(translation(3, 0), POINTS)
    found = score(make_features(), make_features(moved), translation(0, 0), estimators=[*ESTIMATORS])
    assert found["matches"] == len(POINTS)
    assert found["features"] == (len(POINTS), len(POINTS))
    assert found["accuracy"].tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 1, 1]
    assert list(found["estimates"]) == ["ransac", "magsac", "poselib"]
    for estimate in found["estimates"].values():
        assert estimate.inliers == len(POINTS)
        assert estimate.corner_error == pytest.approx(3, abs=1e-2)
    assert "matching_score" not in found


def test_repeatability_is_that_of_the_strongest_keypoints():
    scores = np.arange(len(POINTS), dtype=np.float32)
    first, second = make_features(scores=scores), make_features(POINTS + 0.5, scores=scores[::-1].copy())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hndesc.evaluation.hpatches.pairs.BUDGETS", (1, len(POINTS)))
        one, every = score(first, second, np.eye(3))["repeatability"]
    assert (one.share, every.share) == (0, 1)
    assert every.error == pytest.approx(np.sqrt(0.5))


def test_corner_error_is_taken_on_the_corners_of_the_second_image():
    scale = np.diag([1.1, 1.0, 1.0])
    errors = []
    for size in ((101, 50), (201, 50)):
        features = make_features(warp_points(scale, POINTS), size=size)
        errors.append(score(make_features(), features, np.eye(3))["estimates"]["ransac"].corner_error)
    assert errors == pytest.approx([5, 10], abs=1e-2)


def test_only_shared_keypoints_are_matched_under_the_second_protocol():
    # Moved by half the width: a keypoint of the right half leaves the image, unless it is matched with a false one.
    shift = translation(-100, 0)
    second = warp_points(shift, POINTS)
    second[second[:, 0] < 0] = [50.0, 149.5]  # below the last row's centers: not in the image
    first = make_features()
    seen = int((POINTS[:, 0] >= 100).sum())
    found = score(first, make_features(second), shift, "480x640")
    assert found["matches"] == seen < len(POINTS)
    assert found["accuracy"].tolist() == [1.0] * 10
    assert score(first, make_features(second), shift)["matches"] == len(POINTS)


def test_matches_are_sought_among_shared_keypoints_alone():
    # The true partner of keypoint 0 looks a little different; its double outside of the shared part is left out first.
    codes = CODES.copy()
    codes[0] = 0.9 * codes[0] + np.sqrt(0.19) * codes[1]
    second = np.vstack([POINTS, [[180.0, 140.0]]])
    features = make_features(second, np.vstack([codes, CODES[:1]]))
    narrow = make_features(size=(160, 150))
    assert score(narrow, features, np.eye(3), "480x640")["accuracy"][0] == 1.0
    assert score(narrow, features, np.eye(3), "full")["accuracy"][0] < 1.0


def test_matching_score_counts_all_keypoints_under_the_second_protocol():
    first, second = make_features(), make_features(POINTS + np.array([0, 3.5]))
    found = score(first, second, np.eye(3), "480x640")
    assert found["matching_score"] == 0.0
    assert score(first, make_features(POINTS + np.array([0, 2.5])), np.eye(3), "480x640")["matching_score"] == 1.0


def test_strongest_keypoints_are_kept():
    points = np.random.default_rng(0).uniform(0, 100, (1200, 2))
    scores = np.random.default_rng(1).permutation(1200).astype(np.float32)
    features = make_features(points, np.zeros((1200, 2), np.float32), SIZE, scores)
    kept = keep_strongest(features, PROTOCOLS["480x640"])
    assert kept.scores.tolist() == list(range(1199, 199, -1))
    assert keep_strongest(features, PROTOCOLS["full"]) is features


def test_no_shared_keypoint_is_a_wrong_homography():
    found = score(make_features(), make_features(), translation(1000, 0), "480x640")
    assert (found["matches"], found["matching_score"]) == (0, 0.0)
    assert found["estimates"]["ransac"].corner_error == np.inf


def test_unknown_protocol():
    with pytest.raises(HndescError, match="unknown protocol 'vga'; choose one of: full, 480x640"):
        find_protocol("vga")


def test_matches_stand_in_order_of_their_ratio_and_near_misses_are_counted():
    # Keypoint 1 looks nearly like keypoint 0, so that both are least clearly the nearest; they and the last one miss.
    codes = CODES.copy()
    codes[1] = 0.99 * codes[0] + np.sqrt(1 - 0.99**2) * codes[1]
    codes /= np.linalg.norm(codes, axis=1, keepdims=True)
    noisy = codes + np.random.default_rng(1).normal(0, 0.01, codes.shape).astype(np.float32)
    noisy /= np.linalg.norm(noisy, axis=1, keepdims=True)
    second = POINTS.copy()
    second[[0, 1]] += [0.0, 5.0]
    second[-1] += [0.0, 30.0]
    found = score(make_features(codes=codes), make_features(second, noisy), np.eye(3))
    count = len(POINTS)
    assert (found["matches"], found["correct"].sum()) == (count, count - 3)
    assert found["correct"].mean() == pytest.approx(found["accuracy"][2])
    assert found["near_misses"] == pytest.approx(2 / count)
    assert found["correspondences"] == count - 3
    # The last keypoint's place in the order is anywhere; the two that look alike come last.
    assert found["correct"][-2:].tolist() == [False, False]


def test_a_pair_without_keypoints_has_nothing_in_order():
    nothing = make_features(POINTS[:0], CODES[:0])
    found = score(nothing, make_features(), np.eye(3))
    assert (found["correct"].tolist(), found["near_misses"], found["correspondences"]) == ([], 0, 0)


def test_in_orders_the_first_estimator_sees_the_same_matches_rearranged():
    rng = np.random.default_rng(0)
    first = make_features(POINTS, CODES)
    noisy = warp_points(SHEAR, POINTS) + rng.normal(0, 1.5, POINTS.shape)
    noisy[::3] = rng.uniform(0, np.array(SIZE) - 1, noisy[::3].shape)
    estimates = score_pair(
        first, make_features(noisy, CODES), SHEAR, find_protocol("full"), ["ransac", "poselib"], orders=4, **RANSAC
    )["estimates"]
    assert len(set(estimates["ransac"].in_orders)) > 1  # RANSAC depends on the order
    assert all(0 < error < 10 for error in estimates["ransac"].in_orders)
    assert estimates["poselib"].in_orders == ()


def test_a_failed_pair_fails_in_every_order():
    pair = Pair("a", "b", SHEAR)
    estimates = failed_pair("v_x", "v", pair, ["ransac", "poselib"], find_protocol("full"), "lost", 3).estimates
    assert estimates["ransac"].in_orders == (math.inf,) * 3 and estimates["poselib"].in_orders == ()
