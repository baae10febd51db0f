"""SIFT descriptors: the same that OpenCV gives for its own keypoints."""

import cv2
import numpy as np
import pytest

from hndesc.descriptors import descriptor_module, load_descriptor
from hndesc.descriptors.sift import pyramid_levels
from hndesc.detectors import load_detector
from hndesc.errors import HndescError
from hndesc.io.features import Features
from hndesc.matching.matcher import mutual_nearest


def texture(seed: int = 0, size: tuple[int, int] = (160, 120)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    layers = [cv2.GaussianBlur(rng.normal(size=size[::-1]).astype(np.float32), (0, 0), s) * s for s in (1.5, 3, 6)]
    gray = 128 + 40 * sum(layers) / np.std(sum(layers))
    return np.repeat(gray.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.fixture(scope="module")
def opencv():
    """OpenCV's keypoints and descriptors in one go, from the pyramid without a shift."""
    return cv2.SIFT_create(enable_precise_upscale=True).detectAndCompute(texture()[..., 0], None)


def as_features(keypoints: list[cv2.KeyPoint]) -> Features:
    values = np.array([(*k.pt, k.response, k.size, k.angle) for k in keypoints], np.float32)
    extra = {"sizes": values[:, 3], "angles": values[:, 4]}
    return Features(values[:, :2], (160, 120), values[:, 2], extra=extra)


def test_pyramid_levels_are_opencvs(opencv):
    keypoints, _ = opencv
    octaves = np.array([keypoint.octave for keypoint in keypoints])
    sizes = np.array([keypoint.size for keypoint in keypoints])
    assert len(np.unique(octaves & 0xFFFF)) >= 7
    np.testing.assert_array_equal(pyramid_levels(sizes, 120), octaves & 0xFFFF)


def test_equal_to_opencvs_own_at_its_keypoints(opencv):
    keypoints, expected = opencv
    values = load_descriptor("sift").describe(texture(), as_features(keypoints))
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)


def test_a_descriptor_does_not_depend_on_the_other_keypoints(opencv):
    """OpenCV leaves out the doubled image when no keypoint needs it, which would change the others' descriptors."""
    features = as_features(opencv[0])
    coarse = np.flatnonzero(features.extra["sizes"] > 6)
    assert 0 < len(coarse) < len(features)
    descriptor = load_descriptor("sift")
    np.testing.assert_array_equal(
        descriptor.describe(texture(), features)[coarse], descriptor.describe(texture(), features.take(coarse))
    )


def test_rootsift_is_the_root_of_the_l1_normalized(opencv):
    keypoints, expected = opencv
    values = load_descriptor("rootsift").describe(texture(), as_features(keypoints))
    np.testing.assert_allclose(values**2, expected / expected.sum(axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", ["sift", "rootsift"])
def test_a_quarter_turn_is_matched(name):
    image = texture(size=(120, 120))
    rotated = np.ascontiguousarray(np.rot90(image))  # (x, y) -> (y, 119 - x)
    detector, descriptor = load_detector("sift"), load_descriptor(name)
    a, b = detector.detect(image), detector.detect(rotated)
    matches = mutual_nearest(descriptor.describe(image, a), descriptor.describe(rotated, b))
    there = np.stack([a.keypoints[:, 1], 119 - a.keypoints[:, 0]], axis=1)[matches[:, 0]]
    right = np.linalg.norm(there - b.keypoints[matches[:, 1]], axis=1) < 1
    assert len(matches) > 30
    assert right.mean() > 0.7


def test_keypoints_without_size_and_angle_are_described_upright_at_one_size():
    features = load_detector("sift").detect(texture())
    bare = Features(features.keypoints, features.image_size, features.scores)
    upright = {"sizes": np.full(len(bare), 9.0), "angles": np.zeros(len(bare))}
    given = Features(bare.keypoints, bare.image_size, bare.scores, extra=upright)
    descriptor = load_descriptor("sift", default_size=9.0)
    np.testing.assert_array_equal(descriptor.describe(texture(), bare), descriptor.describe(texture(), given))
    other = load_descriptor("sift").describe(texture(), bare)
    assert not np.allclose(other, descriptor.describe(texture(), bare))


@pytest.mark.parametrize("size", [0.0, 0.1, 40.0, 1e7])
@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (64, 64)])
def test_sizes_beyond_the_pyramid_do_no_harm(size, shape):
    features = Features(np.zeros((1, 2), np.float32), shape[::-1], np.ones(1), extra={"sizes": np.array([size])})
    values = load_descriptor("sift").describe(
        np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8), features
    )
    assert values.shape == (1, 128)
    assert np.isfinite(values).all()


def test_no_keypoints():
    nothing = Features(np.empty((0, 2), np.float32), (9, 9), np.empty(0, np.float32))
    values = load_descriptor("sift").describe(np.zeros((9, 9, 3), np.uint8), nothing)
    assert values.shape == (0, 128)
    assert values.dtype == np.float32


def test_settings_and_modules():
    assert load_descriptor("rootsift").settings["name"] == "rootsift"
    assert load_descriptor("sift").settings == {"name": "sift", "default_size": 6.0, "opencv": cv2.__version__}
    assert descriptor_module("sift") == "hndesc.descriptors.sift"
    assert descriptor_module("models/any.safetensors") == "hndesc.descriptors.network"


def test_unknown_names_and_settings():
    bundled = "hndesc-fast, hndesc-lite, hndesc-r2d2, hndesc-r2d2-free, hndesc-tiny"
    with pytest.raises(HndescError, match=rf"'sfit' is neither a descriptor \(aliked, .*, xfeat, {bundled}\) nor"):
        load_descriptor("sfit")
    with pytest.raises(HndescError, match=r"descriptor 'sift' has no setting 'radius'"):
        load_descriptor("sift", radius=3)
