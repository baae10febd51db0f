"""The second protocol against the same written down plainly with OpenCV's matcher, on real features."""

import json

import cv2
import numpy as np
import pytest

from hndesc.datasets.homography.resizing import resize_sequences
from hndesc.datasets.homography.sequences import read_sequences
from hndesc.evaluation.hpatches.evaluate import score_hpatches
from hndesc.io.features import FeatureReader, Features, FeatureWriter
from hndesc.io.images import scale_points

pytestmark = pytest.mark.golden
WIDTH, HEIGHT = SIZE = (640, 480)


@pytest.fixture(scope="module")
def resized(shared, tmp_path_factory):
    """The two genuine sequences at 640 x 480, and the published features moved into them."""
    folder = tmp_path_factory.mktemp("resized")
    resize_sequences(shared / "data" / "hpatches_mini", folder / "images")
    with (
        FeatureReader(shared / "golden" / "hpatches_mini_features.h5") as reader,
        FeatureWriter(folder / "features.h5", {}) as writer,
    ):
        for name in reader.names():
            one = reader.read(name)
            points = scale_points(one.keypoints, np.array(SIZE) / one.image_size).astype(np.float32)
            moved = Features(points, SIZE, one.scores, one.descriptors.astype(np.float32))
            writer.write(name.replace(".ppm", ".png"), moved)
    return folder


def warp(points, homography):
    mapped = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ homography.T
    return mapped[:, :2] / mapped[:, 2:]


def shown(points):
    return (points >= 0).all(axis=1) & (points[:, 0] <= WIDTH - 1) & (points[:, 1] <= HEIGHT - 1)


def homography_error(a, b, truth):
    keep_a, keep_b = shown(warp(a.keypoints, truth)), shown(warp(b.keypoints, np.linalg.inv(truth)))
    matcher = cv2.BFMatcher(cv2.NORM_L2, crossCheck=True)
    found = matcher.match(a.descriptors[keep_a], b.descriptors[keep_b])
    one = a.keypoints[keep_a][[match.queryIdx for match in found]]
    other = b.keypoints[keep_b][[match.trainIdx for match in found]]
    estimate, _ = cv2.findHomography(one, other, cv2.RANSAC, 3, maxIters=5000)
    corners = np.array([[0, 0], [0, HEIGHT - 1], [WIDTH - 1, 0], [WIDTH - 1, HEIGHT - 1]], float)
    return len(found), np.linalg.norm(warp(corners, estimate) - warp(corners, truth), axis=1).mean()


def one_way(a, b, truth):
    found = cv2.BFMatcher(cv2.NORM_L2).match(a.descriptors, b.descriptors)
    one = a.keypoints[[match.queryIdx for match in found]]
    back = warp(b.keypoints[[match.trainIdx for match in found]], np.linalg.inv(truth))
    seen = shown(back)
    return ((np.linalg.norm(back - one, axis=1) < 3) & seen).sum() / max(seen.sum(), 1)


def test_same_as_written_down_plainly(resized, tmp_path):
    record = score_hpatches(
        resized / "images", resized / "features.h5", tmp_path / "o.txt", tmp_path / "o.json", protocol="480x640"
    )
    with FeatureReader(resized / "features.h5") as reader:
        for sequence in read_sequences(resized / "images"):
            ours = record["per_sequence"][sequence.name]
            for row, pair in enumerate(sequence.pairs):
                a, b = reader.read(pair.first), reader.read(pair.second)
                score = (one_way(a, b, pair.homography) + one_way(b, a, np.linalg.inv(pair.homography))) / 2
                assert ours["matching_score"][row] == pytest.approx(score, abs=2e-3)
                matches, error = homography_error(a, b, pair.homography)
                assert abs(ours["matches"][row] - matches) <= 2  # neighbors that tie but for rounding
                if ours["matches"][row] == matches:
                    assert ours["corner_error"]["ransac"][row] == pytest.approx(error, rel=0.01), pair.second
    figures = json.loads((tmp_path / "o.json").read_text())["figures"]
    assert 0.3 < figures["matching_score"]["v"] < 0.6 and 0 < figures["matching_score"]["i"] < 0.3
