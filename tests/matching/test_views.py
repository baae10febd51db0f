"""The choice of views: found where it is known, and none where there is nothing to choose from."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from hndesc.descriptors import load_descriptor
from hndesc.descriptors.views import describe_views
from hndesc.detectors import load_detector
from hndesc.io.features import Features
from hndesc.matching.matcher import match_features
from hndesc.matching.views import in_matching_views, view
from hndesc.models.bundled import DEFAULT

COUNT = 60


def unit(*shape: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def in_views(seed: int) -> Features:
    points = np.random.default_rng(9).uniform(0, 300, (COUNT, 2)).astype(np.float32)
    views = unit(4, COUNT, 16, seed=seed + 1)
    return Features(points, (300, 300), np.arange(COUNT, dtype=np.float32), unit(COUNT, 16, seed=seed), views=views)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 1), (0, 3), (4, 0), (4, 2), (1, 4), (0, 4)])
def test_the_views_that_agree_are_chosen(first, second):
    a, b = in_views(0), in_views(10)
    view(b, second).descriptors[:] = view(a, first).descriptors
    one, other = in_matching_views(a, b)
    np.testing.assert_array_equal(one.descriptors, view(a, first).descriptors)
    np.testing.assert_array_equal(other.descriptors, view(b, second).descriptors)
    assert one.views is None and other.views is None
    assert match_features(a, b).tolist() == [[row, row] for row in range(COUNT)]


def test_where_all_views_agree_it_is_the_image_itself():
    a = in_views(0)
    a.views[:] = a.descriptors
    one, other = in_matching_views(a, a)
    assert one.descriptors is a.descriptors and other.descriptors is a.descriptors


def test_where_nothing_agrees_it_is_the_image_itself():
    a, b = in_views(0).take(np.arange(3)), in_views(10).take(np.arange(3))  # too few for a homography
    assert in_matching_views(a, b)[0].descriptors is a.descriptors


def test_an_image_described_once_is_matched_as_it_is():
    a, b = in_views(0), view(in_views(10), 0)
    assert in_matching_views(a, b) == (a, b)


def texture() -> np.ndarray:
    rng = np.random.default_rng(0)
    layers = [cv2.GaussianBlur(rng.normal(size=(240, 320)).astype(np.float32), (0, 0), s) * s for s in (1.5, 3, 6)]
    gray = 128 + 40 * sum(layers) / np.std(sum(layers))
    return np.repeat(gray.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize(
    ("change", "matrix"),
    [
        (lambda image: np.ascontiguousarray(np.rot90(image)), [[0, 1, 0], [-1, 0, 319]]),
        (lambda image: cv2.resize(image, (160, 120), interpolation=cv2.INTER_AREA), [[0.5, 0, -0.25], [0, 0.5, -0.25]]),
    ],
    ids=["turned", "half"],
)
def test_a_turned_or_smaller_image_is_matched(change, matrix):
    image = texture()
    a, b = describe(image), describe(change(image))
    upright, chosen = (share_right(*pair, np.array(matrix)) for pair in ((view(a, 0), view(b, 0)), (a, b)))
    assert upright < 0.5 < 0.8 < chosen


def describe(image: np.ndarray) -> Features:
    features = load_detector("sift").detect(image)
    descriptor = load_descriptor(DEFAULT)
    views = describe_views(descriptor, image, features)
    return replace(features, descriptors=views[0], views=views[1:])


def share_right(a: Features, b: Features, matrix: np.ndarray) -> float:
    matches = match_features(a, b)
    there = a.keypoints[matches[:, 0]] @ matrix[:, :2].T + matrix[:, 2]
    return float((np.linalg.norm(there - b.keypoints[matches[:, 1]], axis=1) < 3).mean())
