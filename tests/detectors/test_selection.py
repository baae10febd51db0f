"""Which keypoints are kept: suppression of neighbors, borders, top-k."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hndesc.detectors.selection import inside, strongest, suppress, thin

# Few values, so that there are many ties; zeros and negative ones can never survive.
maps = arrays(
    np.float32, st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.integers(-1, 6).map(lambda v: v / 8)
)
radii = st.integers(0, 4)


def greedy(scores: np.ndarray, radius: int) -> np.ndarray:
    """Take the highest pixel left, strike out its window, and so on."""
    left, kept = np.where(scores > 0, scores, 0), np.zeros(scores.shape, bool)
    while left.max(initial=0) > 0:
        y, x = np.unravel_index(left.argmax(), left.shape)
        kept[y, x] = True
        left[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1] = 0
    return kept


@settings(max_examples=150, deadline=None)
@given(maps, radii)
def test_suppression_to_the_end_is_greedy(scores, radius):
    np.testing.assert_array_equal(suppress(scores, radius, rounds=200), greedy(scores, radius))


@settings(max_examples=150, deadline=None)
@given(maps, radii, st.integers(1, 4))
def test_no_survivors_within_the_radius_and_a_higher_one_near_the_others(scores, radius, rounds):
    kept = suppress(scores, radius, rounds)
    assert (scores[kept] > 0).all()
    points = np.argwhere(kept)
    apart = np.abs(points[:, None] - points[None]).max(axis=2)
    assert (apart + np.eye(len(points)) * 99 > radius).all()
    for y, x in np.argwhere((scores > 0) & ~kept):
        window = scores[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
        here = np.zeros(scores.shape, bool)
        here[y, x] = True
        assert window.max() > scores[y, x] or (window == scores[y, x]).sum() > 1


def test_survivors_of_later_rounds():
    """5 covers 4, so that 3, covered by 4 alone, survives in the second round; 1 is covered by 2, which 3 covers."""
    row = np.array([[5, 0, 4, 0, 3, 0, 2, 0, 1]], np.float32)
    assert np.flatnonzero(suppress(row, 2, rounds=1)).tolist() == [0]
    assert np.flatnonzero(suppress(row, 2, rounds=2)).tolist() == [0, 4]
    assert np.flatnonzero(suppress(row, 2, rounds=3)).tolist() == [0, 4, 8]


def test_of_equal_neighbors_the_first_survives():
    np.testing.assert_array_equal(np.argwhere(suppress(np.ones((3, 3), np.float32), 2)), [[0, 0]])


@pytest.mark.parametrize("shape", [(0, 0), (5, 5)])
def test_blank_map_has_no_survivor(shape):
    kept = suppress(np.zeros(shape, np.float32), 3)
    assert kept.shape == shape
    assert not kept.any()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 40), st.integers(0, 2**32 - 1), radii)
def test_thinned_points_lie_apart_and_the_strongest_stays(count, seed, radius):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-5, 30, (count, 2)).astype(np.float32)
    scores = rng.integers(-3, 3, count).astype(np.float32)
    rows = thin(points, scores, radius)
    assert (np.diff(rows) > 0).all()
    pixels = np.round(points)
    apart = np.abs(pixels[rows][:, None] - pixels[rows][None]).max(axis=2)
    assert (apart + np.eye(len(rows)) * 99 > radius).all()
    for row in set(range(count)) - set(rows.tolist()):
        near = rows[np.abs(pixels[rows] - pixels[row]).max(axis=1) <= radius]
        assert scores[near].max() >= scores[row]


def test_inside():
    points = np.array([[4, 4], [3.9, 9], [9, 3.9], [15.9, 25.9], [16, 9], [9, 26]])
    assert inside(points, (20, 30), 4).tolist() == [True, False, False, True, False, False]


def test_strongest():
    scores = np.array([0.1, 0.5, 0.3, 0.5])
    assert strongest(scores, 3).tolist() == [1, 3, 2]
    assert strongest(scores, None).tolist() == [1, 3, 2, 0]
    assert strongest(scores, 0).tolist() == []
