"""The measures of structure on pictures whose structure is known."""

import cv2
import numpy as np
import pytest

from hndesc.stylization.structure import edge_similarity, repeatability

RNG = np.random.default_rng(0)
IMAGE = cv2.GaussianBlur(RNG.integers(0, 256, (80, 100, 3), dtype=np.uint8), (0, 0), 3)


def test_edges_do_not_hang_on_contrast_or_brightness() -> None:
    assert edge_similarity(IMAGE, IMAGE) == pytest.approx(1)
    assert edge_similarity(IMAGE, 255 - IMAGE) > 0.99
    assert edge_similarity(IMAGE, IMAGE // 2 + 60) > 0.9


def test_other_edges_are_reported() -> None:
    assert edge_similarity(IMAGE, np.roll(IMAGE, 12, axis=1)) < 0.5
    noisy = np.clip(IMAGE + RNG.normal(0, 8, IMAGE.shape), 0, 255).astype(np.uint8)
    assert edge_similarity(IMAGE, noisy) < edge_similarity(IMAGE, IMAGE // 2 + 60)
    assert edge_similarity(IMAGE, np.full_like(IMAGE, 9)) < 0.5


def test_repeatability_counts_keypoints_found_again() -> None:
    points = np.array([[10.0, 10], [50, 20], [30, 60], [80, 80]])
    others = np.array([[11.0, 11], [50, 22], [30, 62.5], [0, 0]])
    assert repeatability(points, others) == 0.5
    assert repeatability(points, others, radius=3) == 0.75
    assert repeatability(points, points[:0]) == repeatability(points[:0], points) == 0
