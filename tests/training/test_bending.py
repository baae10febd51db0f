"""Thin-plate splines: exact where theory says so, and points that land on what they lie on."""

import numpy as np
import pytest

from hndesc.training.bending import bend_points, draw_field, pixels
from hndesc.training.pairs import draw_pair
from hndesc.training.settings import PairSettings

SIZE = 97


class Fixed:
    """A generator whose uniform numbers are given, in units of the bounds."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def uniform(self, low: float, high: float, shape: tuple[int, int]) -> np.ndarray:
        assert shape == self.values.shape
        return self.values * high


def controls() -> np.ndarray:
    line = np.linspace(0, SIZE - 1, 4)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


def test_the_field_goes_through_the_shifted_control_points() -> None:
    shifts = np.random.default_rng(0).uniform(-1, 1, (16, 2))
    field = draw_field(Fixed(shifts), SIZE, 0.05)
    columns, rows = controls().astype(int).T
    assert np.allclose(field[rows, columns], 0.05 * SIZE * shifts, atol=1e-3)


def test_of_affine_shifts_the_spline_is_affine() -> None:
    matrix, offset = np.array([[0.002, -0.001], [0.003, 0.001]]), np.array([0.1, -0.2])
    field = draw_field(Fixed(controls() @ matrix.T + offset), SIZE, 0.05)
    assert np.allclose(field, 0.05 * SIZE * (pixels(SIZE) @ matrix.T + offset), atol=1e-3)


def test_shifts_are_bounded_and_differ() -> None:
    fields = [draw_field(np.random.default_rng(seed), SIZE, 0.04) for seed in range(30)]
    corners = np.array([field[0, 0] for field in fields]) / SIZE
    assert 0.035 < np.abs(corners).max() <= 0.0401


def test_points_are_where_the_bent_crop_shows_them() -> None:
    field = draw_field(np.random.default_rng(3), SIZE, 0.06)
    places = np.random.default_rng(4).uniform(5, SIZE - 6, (200, 2))
    whole = places.astype(int)
    columns, rows = whole.T
    flat = whole + field[rows, columns]  # what the pixels show
    assert np.allclose(bend_points(flat, field), whole, atol=0.05)


def test_points_outside_the_bent_crop_are_not_shown() -> None:
    field = np.full((SIZE, SIZE, 2), 3.0, np.float32)
    points = [[2.0, 50.0], [3.0, 3.0], [SIZE + 1.9, 50.0], [SIZE + 2.1, 50.0], [np.nan, 4.0]]
    shown = bend_points(points, field)
    assert np.isnan(shown).all(axis=1).tolist() == [True, False, False, True, True]
    assert np.allclose(shown[1], [0, 0]) and np.allclose(shown[2], [SIZE - 1.1, 47])
    assert bend_points(np.zeros((0, 2)), field).shape == (0, 2)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_keypoints_of_a_bent_pair_lie_on_what_they_show(share: float) -> None:
    x, y = np.meshgrid(np.arange(250), np.arange(250))
    photo = np.stack([x, y, 255 * (x // 16 % 2)], axis=2).astype(np.uint8)
    keypoints = np.stack(np.meshgrid(np.arange(0, 250, 7), np.arange(0, 250, 7)), axis=-1).reshape(-1, 2) * 1.0
    settings = PairSettings(bends=share, bend=0.06, rotation=30, zoom=0.9)
    straight, count = [], 0
    for seed in range(8):
        pair = draw_pair(np.random.default_rng(seed), (photo, photo), keypoints, 64, 500, settings)
        first, second = (
            crop[tuple(np.round(points[:, ::-1]).astype(int).T)][:, :2].astype(float)
            for crop, points in ((pair.anchor, pair.anchor_points), (pair.positive, pair.positive_points))
        )
        assert np.abs(first - second).max() <= 2.5  # one pixel of rounding in each
        count += len(first)
        row = pair.positive_points[:, :2]
        straight.append(_affine_error(pair.anchor_points, row))
    assert count > 150
    assert (max(straight) > 2.5) == bool(share)


def _affine_error(first: np.ndarray, second: np.ndarray) -> float:
    """Return the largest distance from the best homography of the two crops, by direct linear transformation."""
    import cv2

    homography, _ = cv2.findHomography(first, second, 0)
    mapped = cv2.perspectiveTransform(first[:, None].astype(np.float64), homography)[:, 0]
    return float(np.linalg.norm(mapped - second, axis=1).max())
