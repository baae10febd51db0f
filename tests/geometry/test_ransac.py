"""RANSAC in blocks against OpenCV's own: the same homography and the same inliers, not merely as good ones."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from hndesc.geometry import ransac
from hndesc.geometry.ransac import ransac_homography


def matches(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Make matches of some number, share of inliers and noise; some lie on whole pixels."""
    rng = np.random.default_rng(seed)
    count, share = int(rng.choice([5, 6, 8, 12, 20, 50, 150, 400, 1000])), rng.choice([0.05, 0.1, 0.2, 0.4, 0.7, 1.0])
    p1 = rng.uniform(0, 800, (count, 2))
    homography = np.eye(3) + rng.normal(size=(3, 3)) * [[0.2, 0.2, 50], [0.2, 0.2, 50], [2e-4, 2e-4, 0]]
    mapped = np.column_stack([p1, np.ones(count)]) @ homography.T
    p2 = mapped[:, :2] / mapped[:, 2:] + rng.normal(size=(count, 2)) * rng.choice([0, 0.3, 1.0, 3.0])
    false = rng.random(count) > share
    p2[false] = rng.uniform(0, 800, (int(false.sum()), 2))
    return (p1.round(), p2.round()) if seed % 5 == 0 else (p1, p2)


def opencv(p1, p2, threshold, iterations, confidence):
    homography, mask = cv2.findHomography(p1, p2, cv2.RANSAC, threshold, maxIters=iterations, confidence=confidence)
    return homography, np.zeros(len(p1), bool) if homography is None else mask.reshape(-1).astype(bool)


def assert_same(found, expected):
    if expected[0] is None:
        assert found[0] is None
    else:
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("seed", range(120))
def test_same_as_opencv(seed):
    rng = np.random.default_rng(1000 + seed)
    settings = (
        float(rng.choice([1, 3, 5])),
        int(rng.choice([1, 10, 500, 3000])),
        float(rng.choice([0.9, 0.995, 0.9995])),
    )
    p1, p2 = matches(seed)
    assert_same(ransac_homography(p1, p2, *settings), opencv(p1, p2, *settings))


@pytest.mark.parametrize("kind", ["line", "one point", "all but one on a line", "collapsed", "mirrored"])
def test_degenerate_points_as_opencv(kind):
    along = np.linspace(0, 100, 12)
    line = np.stack([along, 2 * along + 3], axis=1)
    spread = np.random.default_rng(0).uniform(0, 100, (12, 2))
    p1, p2 = {
        "line": (line, line + 10),
        "one point": (np.full((12, 2), 5.0), np.full((12, 2), 7.0)),
        "all but one on a line": (np.vstack([line, [[50, 0]]]), np.vstack([line, [[50, 1]]])),
        "collapsed": (spread, np.full((12, 2), 7.0)),
        "mirrored": (spread, spread * [-1, 1]),
    }[kind]
    assert_same(ransac_homography(p1, p2, 3.0, 100, 0.99), opencv(p1, p2, 3.0, 100, 0.99))


def test_rare_samples_are_left_to_opencv(monkeypatch):
    p1, p2 = matches(3)
    expected = opencv(p1, p2, 3.0, 500, 0.9995)
    monkeypatch.setattr(ransac, "_MOST_DRAWS", 0)
    monkeypatch.setattr(ransac, "_solve", None)  # not reached
    assert_same(ransac_homography(p1, p2, 3.0, 500, 0.9995), expected)


def test_threads_draw_the_same(monkeypatch):
    monkeypatch.setattr(ransac, "_DRAWS", ransac._Draws())
    sets = [matches(seed) for seed in (1, 2, 3, 4, 6, 7, 8, 9)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda pair: ransac_homography(*pair, 3.0, 1000, 0.9995), sets))
    for one, pair in zip(found, sets, strict=True):
        assert_same(one, opencv(*pair, 3.0, 1000, 0.9995))


def test_groups_pass_over_doubled_numbers():
    numbers = np.array([3, 3, 1, 2, 1, 0, 5, 6, 7, 8, 8, 8, 9, 1, 2, 3, 4, *range(10, 200)], np.uint32)
    places, used = ransac._groups(numbers, 4)
    assert numbers[places].tolist() == [[3, 1, 2, 0], [5, 6, 7, 8], [8, 9, 1, 2], [3, 4, 10, 11]]
    assert used == 19


@pytest.mark.golden
def test_same_as_opencv_on_real_matches(shared):
    from hndesc.datasets.homography.sequences import read_sequences
    from hndesc.io.features import FeatureReader
    from hndesc.matching.matcher import match_features

    with FeatureReader(shared / "golden" / "hpatches_mini_features.h5") as reader:
        for sequence in read_sequences(shared / "data" / "hpatches_mini"):
            for pair in sequence.pairs:
                first, second = reader.read(pair.first), reader.read(pair.second)
                rows = match_features(first, second)
                points = first.keypoints[rows[:, 0]], second.keypoints[rows[:, 1]]
                assert_same(ransac_homography(*points, 3.0, 5000, 0.9995), opencv(*points, 3.0, 5000, 0.9995))
