"""The renderer: points appear where the camera says, near things hide far ones, `visible` agrees with the pictures."""

import cv2
import numpy as np
import pytest

from hndesc.datasets.demo.rendering import Camera, Panel, render, visible
from hndesc.datasets.views import rotation

SKY = np.array([0.0, 0.0, 1.0], np.float32)
SIZE = (160, 120)


def camera(R=None, center=(0.0, 0.0, 0.0), size=SIZE):
    R = np.eye(3) if R is None else R
    return Camera(size, 130.0, R, -R @ np.array(center))


def panel(origin, right, down, color=(1.0, 1.0, 1.0), pixels=64):
    texture = np.ones((pixels, pixels, 3), np.float32) * np.array(color, np.float32)
    return Panel(np.array(origin, float), np.array(right, float), np.array(down, float), texture)


def test_camera_looks_along_z_with_x_right_and_y_down():
    pixels, depths = camera().project(np.array([[0.0, 0.0, 2.0], [1.0, 0.5, 2.0]]))
    assert np.allclose(pixels, [[79.5, 59.5], [79.5 + 65, 59.5 + 32.5]])
    assert np.allclose(depths, 2)
    assert np.allclose(camera(rotation(10, 20, 30), (1, 2, 3)).center, [1, 2, 3])


@pytest.mark.parametrize("angles", [(0, 0, 0), (8, 20, -25)])
def test_marker_appears_where_the_camera_says(angles):
    marked = panel((-2, -1.5, 4), (4, 0, 0), (0, 3, 0), (0.0, 0.0, 0.0), 400)
    shares = np.array([[0.30, 0.40], [0.62, 0.55], [0.5, 0.5]])
    y, x = np.mgrid[:400, :400]
    for u, v in shares * 400 - 0.5:
        marked.texture[:] += np.exp(-((x - u) ** 2 + (y - v) ** 2) / 32.0)[..., None].astype(np.float32)
    R = rotation(*angles)
    view = camera(R, np.array([0, 0, 4]) - 4.5 * R[2])
    image = render([marked], view, np.zeros(3, np.float32))[..., 0]
    for u, v in view.project(marked.at(shares))[0]:
        rows, columns = np.mgrid[round(v) - 6 : round(v) + 7, round(u) - 6 : round(u) + 7]
        weights = image[rows, columns]
        found = np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()
        assert np.abs(found - (u, v)).max() < 0.05


def test_near_panel_hides_the_far_one_whatever_the_order():
    near = panel((-0.5, -0.5, 2), (1, 0, 0), (0, 1, 0), (1, 0, 0))
    far = panel((-3, -3, 5), (6, 0, 0), (0, 6, 0), (0, 1, 0))
    first, second = render([near, far], camera(), SKY), render([far, near], camera(), SKY)
    assert (first == second).all()
    assert np.allclose(first[60, 80], [1, 0, 0], atol=1e-5) and np.allclose(first[60, 10], [0, 1, 0], atol=1e-5)


def test_crossing_panels_meet_where_their_depths_do():
    flat = panel((-4, -4, 4), (8, 0, 0), (0, 8, 0), (1, 0, 0))
    slanted = panel((-4, -4, 2), (8, 0, 4), (0, 8, 0), (0, 1, 0))  # as far as the flat one at x = 0
    image = render([flat, slanted], camera(), SKY)
    assert np.allclose(image[60, 78], [0, 1, 0], atol=1e-5) and np.allclose(image[60, 81], [1, 0, 0], atol=1e-5)


def test_panels_are_seen_from_one_side_only():
    back = panel((0.5, -0.5, 2), (-1, 0, 0), (0, 1, 0))
    assert (render([back], camera(), SKY) == SKY).all()


def test_ground_reaches_to_the_lower_edge_though_it_continues_behind_the_camera():
    # Level ground 1 m below, from 5 m behind the camera to 50 m before it.
    ground = panel((-50, 1, 50), (100, 0, 0), (0, 0, -55), (1, 1, 0))
    image = render([ground], camera(), SKY)
    assert np.allclose(image[70:], [1, 1, 0], atol=1e-5)
    assert np.allclose(image[:55], SKY, atol=1e-5)
    horizon = 59.5 + 130 * 1 / 50
    assert (image[:, 80, 0] > 0.5).argmax() == pytest.approx(horizon, abs=1)


def test_visible_agrees_with_the_image():
    rng = np.random.default_rng(4)
    panels = []
    for index in range(12):
        origin = rng.uniform((-4, -3, 3), (2, 1, 9))
        right, down = rotation(*rng.uniform(-50, 50, 3))[:, :2].T * rng.uniform(1, 3, (2, 1))
        color = [(index % 4) / 4 + 0.2, (index // 4) / 4 + 0.2, 0.0]
        panels.append(panel(origin, right, down, color))
    view = camera(size=(320, 240))
    image = render(panels, view, SKY)
    seen_at_all = 0
    for one in panels:
        points = one.at(rng.uniform(0.05, 0.95, (60, 2)))
        pixels, _ = view.project(points)
        inside = (pixels > 1).all(axis=1) & (pixels < (318, 238)).all(axis=1)
        # Pixels at borders are mixtures: take those whose surroundings have one color.
        spread = cv2.dilate(image, np.ones((3, 3))) - cv2.erode(image, np.ones((3, 3)))
        facing = one.inward @ one.origin > 0
        for (u, v), seen in zip(pixels[inside], visible(points, panels, view)[inside], strict=True):
            if spread[round(v), round(u)].max() < 1e-4:
                drawn = np.allclose(image[round(v), round(u)], one.texture[0, 0], atol=1e-4)
                assert drawn == (seen and facing)
                seen_at_all += drawn
    assert seen_at_all > 100
