"""Views of a flat picture: the homography says to a hundredth of a pixel where things are, and nothing aliases."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hndesc.datasets.views import mount_on_wall, rotation, view_homography, warp

DOTS = np.array([[60.0, 50.0], [140.0, 52.0], [101.0, 99.0], [58.0, 150.0], [143.0, 149.0]])


def project(homography, points):
    projected = np.column_stack([points, np.ones(len(points))]) @ homography.T
    return projected[:, :2] / projected[:, 2:]


def draw(dots, size=200, spread=2.5):
    y, x = np.mgrid[:size, :size]
    pattern = sum(np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * spread**2)) for u, v in dots)
    return np.repeat(pattern[..., None], 3, axis=2).astype(np.float32)


def centroid(image, near, radius=9):
    x, y = np.round(near).astype(int)
    rows, columns = np.mgrid[y - radius : y + radius + 1, x - radius : x + radius + 1]
    weights = image[rows, columns, 0]
    return np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()


@pytest.mark.parametrize(
    "view",
    [{}, {"zoom": 0.75}, {"roll": 35}, {"roll": -20, "zoom": 0.9, "tilt": 25, "pan": -30}],
    ids=["face", "zoom", "roll", "all"],
)
def test_dots_appear_where_the_homography_says(view):
    size = (240, 210)
    homography = view_homography((100, 100), size, **view)
    image = warp(draw(DOTS), homography, size)
    found = np.array([centroid(image, point) for point in project(homography, DOTS)])
    # Perspective moves the centroid of a blob by a few hundredths of a pixel.
    assert np.abs(found - project(homography, DOTS)).max() < (0.1 if "tilt" in view else 0.01)


def test_zoom_is_the_scale_in_the_middle():
    homography = view_homography((50, 60), (320, 240), zoom=0.7, roll=30, tilt=0, pan=0)
    middle, beside = project(homography, np.array([[50.0, 60.0], [51.0, 60.0]]))
    assert np.allclose(middle, [159.5, 119.5])
    assert np.linalg.norm(beside - middle) == pytest.approx(0.7)
    assert np.degrees(np.arctan2(*(beside - middle)[::-1])) == pytest.approx(30)


def test_pan_makes_one_side_smaller():
    homography = view_homography((100, 100), (200, 200), pan=40)
    left = project(homography, np.array([[20.0, 60.0], [20.0, 140.0]]))
    right = project(homography, np.array([[180.0, 60.0], [180.0, 140.0]]))
    lengths = [np.linalg.norm(np.diff(side, axis=0)) for side in (left, right)]
    # The picture's x axis turns towards the camera on the right: z = -x sin(pan).
    assert lengths[1] > 1.3 * lengths[0]


@given(st.floats(-180, 180), st.floats(-90, 90), st.floats(-90, 90))
def test_rotations_are_rotations(roll, tilt, pan):
    R = rotation(roll, tilt, pan)
    assert np.allclose(R @ R.T, np.eye(3)) and np.linalg.det(R) == pytest.approx(1)


def test_fine_stripes_turn_gray_instead_of_aliasing():
    stripes = np.repeat((np.indices((300, 300)).sum(axis=0) % 2)[..., None], 3, axis=2).astype(np.float32)
    small = warp(stripes, view_homography((150, 150), (90, 90), zoom=0.37), (90, 90))
    naive = cv2.warpPerspective(stripes, view_homography((150, 150), (90, 90), zoom=0.37), (90, 90))
    assert small.mean() == pytest.approx(0.5, abs=0.01)
    assert small.std() < 0.06 < 0.12 < naive.std()


def test_hung_photo_lies_at_the_margin_in_a_frame():
    photo = np.full((40, 60, 3), 255, np.uint8)
    canvas = mount_on_wall(photo, np.full((10, 10, 3), 188, np.uint8), 25, (1, 0.5, 1))
    assert canvas.shape == (90, 110, 3)
    assert (canvas[25:65, 25:85] == 1).all()
    assert np.allclose(canvas[24, 25:85], 0.03) and np.allclose(canvas[25:65, 85], 0.03)
    assert np.allclose(canvas[0, 0], [0.5029, 0.2514, 0.5029], atol=1e-3)
