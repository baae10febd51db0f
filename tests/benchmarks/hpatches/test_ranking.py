"""Matches in order: what can be counted by hand."""

import numpy as np
import pytest

from hndesc.evaluation.hpatches.ranking import (
    accuracy_at_yield,
    average_precision,
    correspondences,
    near_misses,
    pack,
    precision_at_recall,
    precision_recall,
    unpack,
)
from hndesc.geometry.homography import translation


@pytest.mark.parametrize(
    ("errors", "share"),
    [
        ([], 0),
        ([0, 1, 3], 0),
        ([3.001, 10], 1),
        ([10.001, 500, np.nan], 0),
        ([1, 2, 5, 50], 0.25),
    ],
)
def test_near_misses_lie_between_3_and_10_pixels(errors, share):
    assert near_misses(np.array(errors, float)) == share


def test_correspondences_have_a_keypoint_where_the_truth_puts_them():
    first = np.array([[0.0, 0], [10, 0], [20, 0], [30, 0]])
    second = np.array([[5.0, 3], [15, 3.1], [500, 500]])  # the first lies 3 pixels from its place, the second 3.1
    assert correspondences(first, second, translation(5, 0)) == 1
    assert correspondences(first, second, translation(5, 0.1)) == 2
    assert correspondences(first[:0], second, np.eye(3)) == correspondences(first, second[:0], np.eye(3)) == 0


def test_two_keypoints_may_share_a_counterpart():
    assert correspondences(np.array([[0.0, 0], [1, 0]]), np.array([[0.5, 0]]), np.eye(3)) == 2


def test_points_sent_to_infinity_have_no_counterpart():
    horizon = np.array([[1.0, 0, 0], [0, 1, 0], [1, 0, -1]])
    assert correspondences(np.array([[1.0, 0]]), np.array([[1.0, 0]]), horizon) == 0


def test_precision_and_recall_by_hand():
    precision, recall = precision_recall(np.array([True, False, True, True]), 5)
    assert precision == pytest.approx([1, 1 / 2, 2 / 3, 3 / 4])
    assert recall == pytest.approx([0.2, 0.2, 0.4, 0.6])
    assert [len(one) for one in precision_recall(np.zeros(0, bool), 5)] == [0, 0]


@pytest.mark.parametrize(
    ("correct", "possible", "expected"),
    [
        ("1011", 5, (1 + 2 / 3 + 3 / 4) / 5),
        ("1111", 4, 1),
        ("1111", 8, 0.5),
        ("0000", 4, 0),
        ("", 4, 0),
        ("", 0, 0),
        ("0011", 2, (1 / 3 + 1 / 2) / 2),
    ],
)
def test_average_precision_by_hand(correct, possible, expected):
    flags = np.array([one == "1" for one in correct], bool)
    assert average_precision(flags, possible) == pytest.approx(expected)


def test_average_precision_of_a_random_order_is_the_share_of_correct_ones():
    # With a share p correct in random order, every precision is p in the mean.
    flags = np.random.default_rng(0).random(100_000) < 0.3
    assert average_precision(flags, int(flags.sum())) == pytest.approx(0.3, abs=0.01)


def test_average_precision_of_the_best_order_is_the_recall():
    flags = np.arange(100) < 40
    assert average_precision(flags, 80) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("correct", "possible", "expected"),
    [
        ("1111111111", 10, [1, 1, 1, 1]),
        ("1111100000", 10, [1, 1, 1, 0]),
        ("0000011111", 10, [0.5, 0.5, 0.5, 0]),  # precision rises to 5 of 10 at the end
        ("1101010000", 5, [1, 1, 3 / 4, 0]),  # recall 0.1, 0.3, 0.5 by 1, 2, 3 correct ones; 4 of 5 at most
        ("", 10, [0, 0, 0, 0]),
        ("000", 0, [0, 0, 0, 0]),
    ],
)
def test_precision_at_recall_by_hand(correct, possible, expected):
    flags = np.array([one == "1" for one in correct], bool)
    assert precision_at_recall(flags, possible, (0.1, 0.3, 0.5, 0.9)) == pytest.approx(expected)


def test_precision_at_recall_of_a_random_order_is_flat():
    flags = np.random.default_rng(0).random(100_000) < 0.3
    assert precision_at_recall(flags, int(flags.sum()), (0.1, 0.5, 0.9)) == pytest.approx([0.3] * 3, abs=0.01)


def test_accuracy_at_a_yield_counts_the_first_matches():
    correct = np.array([True, True, False, True])
    assert [accuracy_at_yield(correct, count) for count in (1, 2, 3, 4)] == pytest.approx([1, 1, 2 / 3, 3 / 4])
    assert accuracy_at_yield(correct, 6) == pytest.approx(3 / 6)  # what is missing is not correct
    assert np.isnan(accuracy_at_yield(correct, 0))
    assert accuracy_at_yield(correct[:0], 3) == 0


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1301])
def test_flags_survive_as_text(count):
    flags = np.random.default_rng(count).random(count) < 0.5
    text = pack(flags)
    assert unpack(text, count).tolist() == flags.tolist()
    assert len(text) <= count / 6 + 4


@pytest.mark.parametrize(("text", "count"), [("", 1), ("AA==", 9), ("!!", 1), ("A", 1), ("AA==", -1), ("AA==", 10**12)])
def test_text_of_too_few_flags_is_refused(text, count):
    with pytest.raises(ValueError):
        unpack(text, count)
