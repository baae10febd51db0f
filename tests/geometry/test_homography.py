"""Homographies and poses against analytic truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hndesc.geometry.homography import (
    corner_error,
    corners,
    homography_of_corners,
    translation,
    turn_and_zoom,
    warp_points,
)
from hndesc.geometry.pose import camera_center, pose_error, rotation_angle


def rotation_about(axis: np.ndarray, degrees: float) -> np.ndarray:
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def test_warp_points_divides_by_depth():
    homography = np.array([[2.0, 0, 1], [0, 3, -1], [0.5, 0, 1]])
    assert np.allclose(warp_points(homography, np.array([[2.0, 4.0], [0, 0]])), [[5 / 2, 11 / 2], [1, -1]])


def test_warp_points_of_nothing_is_empty():
    assert warp_points(np.eye(3), np.zeros((0, 2))).shape == (0, 2)


def test_a_point_at_infinity_is_nan():
    homography = np.array([[1.0, 0, 0], [0, 1, 0], [1, 0, -2]])
    warped = warp_points(homography, np.array([[2.0, 0], [3, 0]]))
    assert np.isnan(warped[0]).all()
    assert np.allclose(warped[1], [3, 0])


def test_translation_moves_points():
    assert np.allclose(warp_points(translation(3, -2), np.array([[1.0, 1.0]])), [[4, -1]])


@given(st.lists(st.floats(-20, 20), min_size=8, max_size=8))
def test_homography_of_corners_hits_its_corners(shifts):
    source = corners((101, 81))
    target = source + np.reshape(shifts, (4, 2))
    homography = homography_of_corners(source, target)
    assert np.allclose(warp_points(homography, source), target, atol=1e-8)
    assert np.allclose(warp_points(np.linalg.inv(homography), target), source, atol=1e-7)


def test_homography_of_corners_refuses_points_on_a_line():
    line = np.array([[0.0, 0], [1, 0], [2, 0], [3, 0]])
    with pytest.raises(np.linalg.LinAlgError):
        homography_of_corners(line, corners((10, 10)))


def test_corners_are_pixel_centers():
    assert corners((4, 3)).tolist() == [[0, 0], [0, 2], [3, 2], [3, 0]]


def test_corner_error_of_a_shift_is_its_length():
    assert corner_error(translation(3, 4), np.eye(3), (640, 480)) == pytest.approx(5)


def test_corner_error_of_a_zoom_is_the_mean_over_corners():
    # x' = 1.1 x moves the corners by 0, 0, 1 and 1 pixels.
    assert corner_error(np.diag([1.1, 1, 1]), np.eye(3), (11, 7)) == pytest.approx(0.5)


def test_corner_error_does_not_depend_on_the_scale_of_the_matrix():
    assert corner_error(-7 * translation(3, 4), np.eye(3), (640, 480)) == pytest.approx(5)


@pytest.mark.parametrize("estimate", [None, np.zeros((3, 3)), np.full((3, 3), np.nan)])
def test_a_failed_estimate_is_infinitely_wrong(estimate):
    assert corner_error(estimate, np.eye(3), (640, 480)) == float("inf")


@given(st.floats(0, 180), st.integers(0, 1000))
def test_rotation_angle_is_the_angle_about_any_axis(degrees, seed):
    generator = np.random.default_rng(seed)
    base = rotation_about(generator.normal(size=3), 77.0)
    rotated = rotation_about(generator.normal(size=3), degrees) @ base
    assert rotation_angle(rotated, base) == pytest.approx(degrees, abs=1e-5)
    assert rotation_angle(base, rotated) == pytest.approx(degrees, abs=1e-5)


def test_rotation_angle_keeps_tiny_angles():
    rotated = rotation_about(np.array([1.0, 2, 3]), 1e-6)
    assert rotation_angle(rotated, np.eye(3)) == pytest.approx(1e-6, rel=1e-6)


def test_camera_center_is_where_the_pose_maps_to_the_origin():
    rotation = rotation_about(np.array([1.0, -2, 0.5]), 40)
    center = np.array([3.0, -1.0, 7.0])
    assert np.allclose(camera_center(rotation, -rotation @ center), center)


def test_pose_error_measures_centers_not_translations():
    turn = rotation_about(np.array([0, 0, 1.0]), 90)
    center, other = np.array([10.0, 0, 0]), np.array([10.0, 0, 2.0])
    position, angle = pose_error((turn, -turn @ other), (np.eye(3), -center))
    assert position == pytest.approx(2.0)
    assert angle == pytest.approx(90.0)


@pytest.mark.parametrize("degrees", [-170, -90, -20, 0, 45, 180])
@pytest.mark.parametrize("zoom", [0.3, 1.0, 2.5])
def test_turn_and_zoom_of_a_similarity(degrees: float, zoom: float) -> None:
    cosine, sine = zoom * np.cos(np.radians(degrees)), zoom * np.sin(np.radians(degrees))
    homography = np.array([[cosine, -sine, 7], [sine, cosine, -3], [0, 0, 1]])
    turn, factor = turn_and_zoom(-2 * homography, (30, 40))
    assert factor == pytest.approx(zoom)
    assert abs((turn - degrees + 180) % 360 - 180) == pytest.approx(0, abs=1e-9)


def test_turn_and_zoom_are_those_of_small_steps_under_perspective() -> None:
    homography = np.array([[0.9, -0.3, 10], [0.2, 1.1, -5], [1e-3, -5e-4, 1]])
    step = 1e-5
    start, right, down = warp_points(homography, [[50, 60], [50 + step, 60], [50, 60 + step]])
    (a, c), (b, d) = (right - start) / step, (down - start) / step
    turn, zoom = turn_and_zoom(homography, (50, 60))
    assert zoom == pytest.approx(np.sqrt(a * d - b * c), rel=1e-5)
    left, _, other = np.linalg.svd([[a, b], [c, d]])
    rotation = left @ other  # the nearest to the derivative
    assert turn == pytest.approx(np.degrees(np.arctan2(rotation[1, 0], rotation[0, 0])), abs=1e-3)


@pytest.mark.parametrize("homography", [np.diag([1.0, 0, 1]), np.array([[1.0, 0, 0], [0, 1, 0], [1, 0, -30]])])
def test_turn_and_zoom_of_a_singular_map(homography: np.ndarray) -> None:
    assert np.isnan(turn_and_zoom(homography, (30, 40))).all()
