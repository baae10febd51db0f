"""Sequences: the layout of HPatches, homographies that are right to a fraction of a pixel, growing difficulty."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from hndesc.datasets.demo import sequences
from hndesc.io.images import read_image, to_gray
from hndesc.io.markers import MARKER
from tests.fixtures.demo import TIMESTAMP

VIEWPOINT, ILLUMINATION = sorted(sequences.VIEWPOINTS), sorted(sequences.ILLUMINATIONS)
LATER = range(2, 7)


@pytest.fixture(scope="module")
def root(demo):
    return demo.root / "sequences"


def homography(root, name, k):
    return np.loadtxt(root / name / f"H_1_{k}")


def test_layout(root):
    assert len(VIEWPOINT) >= 3 and len(ILLUMINATION) >= 3
    assert {path.name for path in root.iterdir()} - {TIMESTAMP} == {*VIEWPOINT, *ILLUMINATION, MARKER}
    expected = sorted([f"{k}.ppm" for k in range(1, 7)] + [f"H_1_{k}" for k in LATER])
    for folder in filter(Path.is_dir, root.iterdir()):
        assert folder.name[:2] in ("v_", "i_")
        assert sorted(path.name for path in folder.iterdir()) == expected
        assert (folder / "1.ppm").read_bytes()[:2] == b"P6"
        assert all(homography(root, folder.name, k).shape == (3, 3) for k in LATER)


@pytest.mark.parametrize("name", ILLUMINATION)
def test_illumination_keeps_every_pixel_in_its_place(root, name):
    shapes = {read_image(root / name / f"{k}.ppm").shape for k in range(1, 7)}
    assert len(shapes) == 1
    for k in LATER:
        assert (homography(root, name, k) == np.eye(3)).all()


@pytest.mark.parametrize("name", VIEWPOINT)
@pytest.mark.parametrize("k", LATER)
def test_homography_is_right_to_a_fraction_of_a_pixel(root, name, k):
    first, other = [to_gray(read_image(root / name / f"{number}.ppm")).astype(np.float32) for number in (1, k)]
    H = homography(root, name, k)
    assert agreement(first, other, H) > 0.9
    offset = [peak([agreement(first, other, shift(axis, step) @ H) for step in (-1, 0, 1)]) for axis in (0, 1)]
    assert np.abs(offset).max() < 0.2


def agreement(first, other, H):
    """Return the correlation of image 1, warped by H, with the other image, where both are seen."""
    size = other.shape[::-1]
    warped = cv2.warpPerspective(cv2.GaussianBlur(first, (0, 0), 1.5), H, size, flags=cv2.INTER_LINEAR)
    mask = cv2.erode(cv2.warpPerspective(np.ones_like(first), H, size), np.ones((15, 15))) > 0.999
    assert mask.mean() > 0.25
    return np.corrcoef(warped[mask], cv2.GaussianBlur(other, (0, 0), 1.5)[mask])[0, 1]


def shift(axis, step):
    matrix = np.eye(3)
    matrix[axis, 2] = step
    return matrix


def peak(values):
    """Return where the parabola through three values at -1, 0, 1 is highest."""
    return (values[0] - values[2]) / (2 * (values[0] - 2 * values[1] + values[2]))


@pytest.mark.parametrize("name", VIEWPOINT)
def test_viewpoints_move_away_steadily(root, name):
    height, width = read_image(root / name / "1.ppm").shape[:2]
    corners = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], np.float64)

    def distortion(k):
        # How far the warped corners are from the best similarity: perspective and foreshortening.
        warped = cv2.perspectiveTransform(corners, homography(root, name, k))[0]
        fitted = cv2.estimateAffinePartial2D(corners[0], warped, method=cv2.LMEDS)[0]
        return np.abs(corners[0] @ fitted[:, :2].T + fitted[:, 2] - warped).max()

    assert distortion(6) > 1.5 * distortion(2)
    assert distortion(6) > 30


def scale_and_roll(H, width, height):
    x, y, w = H @ [width / 2, height / 2, 1]
    jacobian = (H[:2, :2] - np.outer([x / w, y / w], H[2, :2])) / w
    return np.sqrt(abs(np.linalg.det(jacobian))), np.degrees(
        np.arctan2(jacobian[1, 0] - jacobian[0, 1], np.trace(jacobian))
    )


def test_viewpoints_cover_rotation_and_zoom_both_ways(root):
    scales, rolls = [], []
    for name in VIEWPOINT:
        height, width = read_image(root / name / "1.ppm").shape[:2]
        scale, roll = scale_and_roll(homography(root, name, 6), width, height)
        scales.append(scale)
        rolls.append(abs(roll))
    assert min(scales) < 0.6 and max(scales) > 1.4
    assert 30 < max(rolls) < 50


def test_photos_are_never_enlarged():
    for viewpoint in sequences.VIEWPOINTS.values():
        assert max(viewpoint.first, viewpoint.zoom) <= 1


def test_day_turns_to_night(root):
    photos = [read_image(root / "i_pagodanight" / f"{k}.ppm").astype(float) for k in range(1, 7)]
    light = [photo.mean() for photo in photos]
    assert light[0] > 100 and light[-1] < 40 and np.median(photos[-1]) < 30
    assert light == sorted(light, reverse=True)
    assert photos[-1].max() > 200  # the lamps


def test_steps_go_from_no_change_to_the_last_light():
    last = sequences.ILLUMINATIONS["i_pagodanight"][1]
    assert sequences._interpolated(last, 1.0) == last
    start = sequences._interpolated(last, 0.0)
    assert (start.exposure, start.tint, start.noise, start.blur, start.quality) == (1, (1, 1, 1), 0, 0, 100)
