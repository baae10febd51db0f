"""Measures on an image pair against truth that can be counted or integrated by hand."""

import numpy as np
import pytest

from hndesc.evaluation.hpatches.metrics import area_under_accuracy, matching_accuracy, matching_score, visible
from hndesc.geometry.homography import translation

THRESHOLDS = range(1, 11)


def test_matching_accuracy_by_hand():
    points = np.zeros((4, 2))
    off = np.array([[3.0, 0], [3, 0.5], [3, 4], [3, 40]])  # errors 0, 0.5, 4, 40 after the true shift by (3, 0)
    accuracy = matching_accuracy(points, off, translation(3, 0), THRESHOLDS)
    assert accuracy.tolist() == [0.5, 0.5, 0.5, 0.75, 0.75, 0.75, 0.75, 0.75, 0.75, 0.75]
    assert matching_accuracy(points[:0], off[:0], np.eye(3), THRESHOLDS).tolist() == [0.0] * 10


def test_point_sent_to_infinity_is_no_correct_match_and_not_visible():
    horizon = np.array([[1.0, 0, 0], [0, 1, 0], [1, 0, -1]])
    point = np.array([[1.0, 0]])
    assert matching_accuracy(point, point, horizon, THRESHOLDS).tolist() == [0.0] * 10
    assert visible(point, horizon, (10, 10)).tolist() == [False]


def test_visible_between_the_corners():
    points = np.array([[0.0, 0], [9, 4], [9.1, 4], [9, 4.1], [-0.1, 0], [0, -0.1]])
    assert visible(points, np.eye(3), (10, 5)).tolist() == [True, True, False, False, False, False]
    assert visible(points + 7, translation(-7, -7), (10, 5)).tolist() == visible(points, np.eye(3), (10, 5)).tolist()


@pytest.mark.parametrize("threshold", [1.0, 3.0, 5.0, 10.0])
def test_area_of_equal_errors(threshold):
    # Accuracy jumps from 0 to 1 at the error e: the area from there to t is t - e.
    for error in (0.0, 0.5, 2.5, 7.0, np.inf):
        expected = max(0.0, threshold - error) / threshold
        assert area_under_accuracy([error] * 7, [threshold]) == pytest.approx([expected])


def test_area_of_evenly_spread_errors():
    # Errors uniform in [0, s]: accuracy e / s, then 1. Up to t <= s the area is t / 2 s, beyond it 1 - s / 2 t.
    errors = (np.arange(100_000) + 0.5) / 100_000 * 5
    areas = area_under_accuracy(errors, [3, 5, 10])
    assert areas == pytest.approx([3 / 10, 1 / 2, 3 / 4], abs=1e-5)


def test_area_of_exponential_errors_with_failures():
    # A quarter fails; the others have the distribution 1 - exp(-e / 2), whose integral is t - 2 (1 - exp(-t / 2)).
    ranks = (np.arange(30_000) + 0.5) / 30_000
    errors = np.concatenate([-2 * np.log(1 - ranks), np.full(10_000, np.inf)])
    expected = [0.75 * (t - 2 * (1 - np.exp(-t / 2))) / t for t in (3, 5, 10)]
    assert area_under_accuracy(errors, [3, 5, 10]) == pytest.approx(expected, abs=1e-4)


def test_area_equals_the_sum_over_a_fine_grid():
    errors = np.random.default_rng(0).gamma(1.5, 3, 50)
    grid = (np.arange(100_000) + 0.5) / 100_000 * 10
    expected = (errors[:, None] <= grid).mean()
    assert area_under_accuracy(errors, [10]) == pytest.approx([expected], abs=1e-4)


def test_area_without_pairs_is_nan():
    assert np.isnan(area_under_accuracy([], [3, 5])).all()


SIZES = ((100, 80), (100, 80))


def unit(*rows):
    codes = np.eye(4, dtype=np.float32)[list(rows)]
    return codes


def test_matching_score_of_exact_features_is_one():
    points = np.array([[10.0, 10], [20, 30], [50, 60], [70, 20]])
    moved = points + np.array([5, 3])
    assert matching_score((points, moved), (unit(0, 1, 2, 3), unit(0, 1, 2, 3)), translation(5, 3), SIZES) == 1.0


def test_matching_score_by_hand():
    # The second image shows the first moved by (30, 0). First to second: neighbors 0, 1, 2, 1.
    first = np.array([[10.0, 10], [20, 30], [50, 60], [20, 70]])
    second = np.array([[40.0, 10], [50, 34], [10, 60]])
    codes = unit(0, 1, 2, 1), unit(0, 1, 2)
    # Back in the first image the neighbors lie at (10, 10) exact, (20, 34) 4 px off, (-20, 60) outside, and again
    # (20, 34): 36 px off. One of three seen ones is correct.
    # Second to first: neighbors 0, 1, 2 lie at (40, 10) exact, (50, 30) 4 px off, (80, 60) 70 px off: one of three.
    shift = translation(30, 0)
    assert matching_score((first, second), codes, shift, SIZES) == pytest.approx(1 / 3)
    assert matching_score((first, second), codes, shift, SIZES, threshold=4.0) == pytest.approx(1 / 3)  # exclusive
    assert matching_score((first, second), codes, shift, SIZES, threshold=4.1) == pytest.approx(2 / 3)
    # With a wider first image the neighbor at (-20, 60) stays outside; with a narrower second one (80, 60) leaves.
    assert matching_score((first, second), codes, shift, ((100, 80), (70, 80))) == pytest.approx((1 / 3 + 1 / 2) / 2)


def test_matching_score_is_the_same_from_either_side():
    rng = np.random.default_rng(0)
    points, codes = rng.uniform(0, 80, (60, 2)), rng.normal(size=(60, 4)).astype(np.float32)
    codes /= np.linalg.norm(codes, axis=1, keepdims=True)
    homography = np.array([[0.9, 0.1, 5], [-0.1, 1.1, -8], [1e-4, 0, 1]])
    one = matching_score((points, points[::-1]), (codes, codes[::-1]), homography, SIZES)
    other = matching_score((points[::-1], points), (codes[::-1], codes), np.linalg.inv(homography), SIZES)
    assert one == pytest.approx(other)


def test_matching_score_without_keypoints_or_without_shared_ones_is_zero():
    points = np.array([[10.0, 10], [20, 30]])
    none = points[:0], unit()
    assert matching_score((points, none[0]), (unit(0, 1), none[1]), np.eye(3), SIZES) == 0.0
    assert matching_score((none[0], points), (none[1], unit(0, 1)), np.eye(3), SIZES) == 0.0
    assert matching_score((points, points), (unit(0, 1), unit(0, 1)), translation(500, 0), SIZES) == 0.0
