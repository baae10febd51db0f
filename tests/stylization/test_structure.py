"""The measures of structure on pictures whose structure is known."""

import cv2
import numpy as np
import pytest

from hndesc.stylization.structure import edge_similarity, repeatability

RNG = np.random.default_rng(0)
PICTURE = cv2.GaussianBlur(RNG.integers(0, 256, (80, 100, 3), dtype=np.uint8), (0, 0), 3)


def test_edges_do_not_hang_on_contrast_or_brightness() -> None:
    assert edge_similarity(PICTURE, PICTURE) == pytest.approx(1)
    assert edge_similarity(PICTURE, 255 - PICTURE) > 0.99
    assert edge_similarity(PICTURE, PICTURE // 2 + 60) > 0.9


def test_other_edges_are_told() -> None:
    assert edge_similarity(PICTURE, np.roll(PICTURE, 12, axis=1)) < 0.5
    noisy = np.clip(PICTURE + RNG.normal(0, 8, PICTURE.shape), 0, 255).astype(np.uint8)
    assert edge_similarity(PICTURE, noisy) < edge_similarity(PICTURE, PICTURE // 2 + 60)
    assert edge_similarity(PICTURE, np.full_like(PICTURE, 9)) < 0.5


def test_repeatability_counts_keypoints_found_again() -> None:
    points = np.array([[10.0, 10], [50, 20], [30, 60], [80, 80]])
    others = np.array([[11.0, 11], [50, 22], [30, 62.5], [0, 0]])
    assert repeatability(points, others) == 0.5
    assert repeatability(points, others, radius=3) == 0.75
    assert repeatability(points, points[:0]) == repeatability(points[:0], points) == 0
