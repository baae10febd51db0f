"""Repeatability and localization error of points whose correspondences are known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hndesc.geometry.homography import translation, warp_points
from hndesc.geometry.repeatability import measure_repeatability

SIZES = ((100, 80), (100, 80))
GRID = np.stack(np.meshgrid(np.arange(10, 90, 10.0), np.arange(10, 70, 10.0)), axis=-1).reshape(-1, 2)


def test_all_points_are_found_again_at_their_distance():
    found = measure_repeatability(GRID, GRID + np.array([1.2, 1.6]), np.eye(3), SIZES, 3.0)
    assert found.compared == (48, 48)
    assert found.share == 1.0
    assert found.error == pytest.approx(2.0)


def test_threshold_is_inclusive_and_beyond_it_nothing_corresponds():
    moved = GRID + np.array([3, 0])
    assert measure_repeatability(GRID, moved, np.eye(3), SIZES, 3.0).share == 1.0
    none = measure_repeatability(GRID, moved, np.eye(3), SIZES, 2.99)
    assert none.share == 0.0 and math.isnan(none.error)


def test_points_that_the_other_image_does_not_show_are_left_out():
    shift = translation(-45, 0)  # the columns at 10 to 40 leave the second image
    second = warp_points(shift, GRID[GRID[:, 0] > 40])
    found = measure_repeatability(GRID, np.vstack([second, [[90.0, 10.0]]]), shift, SIZES, 3.0)
    assert found.compared == (24, 24)  # (90, 10) is at 135 in the first
    assert found.share == 1.0


def test_a_point_corresponds_once_and_the_nearest_pair_comes_first():
    first = np.array([[20.0, 20.0], [22.0, 20.0]])
    second = np.array([[21.5, 20.0]])
    found = measure_repeatability(first, second, np.eye(3), SIZES, 3.0)
    assert found.distances.tolist() == [0.5]
    assert found.compared == (2, 1) and found.share == 1.0


def test_smaller_count_divides():
    found = measure_repeatability(GRID, GRID[:5], np.eye(3), SIZES, 3.0)
    assert found.share == 1.0
    assert measure_repeatability(GRID[:2], GRID[1:], np.eye(3), SIZES, 3.0).share == 0.5


def test_distances_are_in_pixels_of_the_second_image():
    double = np.diag([2.0, 2.0, 1.0])
    found = measure_repeatability(GRID[:1], 2 * GRID[:1] + np.array([1, 0]), double, (SIZES[0], (200, 160)), 3.0)
    assert found.error == pytest.approx(1.0)


@pytest.mark.parametrize("counts", [(0, 5), (5, 0), (0, 0)])
def test_without_points_nothing_is_found_again(counts):
    found = measure_repeatability(GRID[: counts[0]], GRID[: counts[1]], np.eye(3), SIZES, 3.0)
    assert found.share == 0.0 and math.isnan(found.error)


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 60))
def test_swapping_images_of_equal_scale_changes_nothing(seed, number, other):
    generator = np.random.default_rng(seed)
    first, second = (generator.uniform(0, (99, 79), (count, 2)) for count in (number, other))
    shift = translation(5, -3)
    one = measure_repeatability(first, second, shift, SIZES, 3.0)
    back = measure_repeatability(second, first, np.linalg.inv(shift), SIZES, 3.0)
    assert one.compared == back.compared[::-1]
    np.testing.assert_allclose(one.distances, back.distances, atol=1e-9)
    assert len(one.distances) <= min(one.compared)
