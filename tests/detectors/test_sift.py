"""SIFT keypoints: where they lie, to a fraction of a pixel, and how many are kept."""

import numpy as np
import pytest

from hndesc.detectors import load_detector
from hndesc.errors import HndescError


def blobs(centers: list[tuple[float, float]], sigma: float, size: tuple[int, int] = (200, 160)) -> np.ndarray:
    """Gaussian blobs at known places, in a convention where pixel (0, 0) has its center at (0, 0)."""
    y, x = np.mgrid[: size[1], : size[0]]
    light = sum(np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * sigma**2)) for cx, cy in centers)
    return np.repeat(np.round(90 + 120 * light).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def texture(seed: int = 0, size: tuple[int, int] = (120, 90)) -> np.ndarray:
    import cv2

    noise = np.random.default_rng(seed).normal(size=(size[1], size[0])).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.repeat((128 + 50 * smooth / smooth.std()).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize(("sigma", "tolerance"), [(1.5, 0.02), (3, 0.02), (6, 0.03), (10, 0.06)])
def test_blobs_are_found_without_a_shift(sigma, tolerance):
    """OpenCV's default pyramid is off by +0.25 px in x and y."""
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(8):
        center = rng.uniform((80, 60), (120, 100))
        features = load_detector("sift").detect(blobs([tuple(center)], sigma))
        errors.append(features.keypoints[0] - center)
        # SIFT's size is a diameter: twice the scale of the difference of Gaussians that answers most.
        assert features.extra["sizes"][0] == pytest.approx(2 * sigma * 0.89, rel=0.05)
    assert np.abs(np.mean(errors, axis=0)).max() < tolerance
    assert np.abs(errors).max() < 0.12


def test_features_are_complete_and_strongest_first():
    features = load_detector("sift").detect(texture())
    assert len(features) > 30
    assert features.image_size == (120, 90)
    assert features.descriptors is None
    assert features.extra.keys() == {"sizes", "angles"}
    assert all(len(values) == len(features) for values in (features.scores, *features.extra.values()))
    assert (np.diff(features.scores) <= 0).all()


def test_one_keypoint_a_location():
    """OpenCV gives this picture several orientations at some places."""
    import cv2

    image = texture()
    found = cv2.SIFT_create(enable_precise_upscale=True).detect(image, None)
    places = {keypoint.pt for keypoint in found}
    assert len(places) < len(found)
    detected = load_detector("sift", border=0).detect(image)
    assert {tuple(point) for point in detected.keypoints.tolist()} == places
    assert len(detected) == len(places)


def test_most_keypoints_are_the_strongest():
    everything = load_detector("sift").detect(texture())
    some = load_detector("sift", max_keypoints=10).detect(texture())
    np.testing.assert_array_equal(some.keypoints, everything.keypoints[:10])


def test_border_is_kept_clear():
    points = load_detector("sift", border=20).detect(texture()).keypoints
    assert len(points) > 5
    assert points.min() >= 20
    assert (points < np.array([100, 70])).all()


def test_lower_contrast_threshold_finds_more():
    counts = [len(load_detector("sift", contrast_threshold=t).detect(texture() // 4 + 90)) for t in (0.01, 0.04)]
    assert counts[0] > counts[1]


def test_nms_radius_thins_out():
    everything, thinned = (load_detector("sift", nms_radius=radius).detect(texture()) for radius in (0, 8))
    assert 5 < len(thinned) < len(everything)
    pixels = np.round(thinned.keypoints)
    apart = np.abs(pixels[:, None] - pixels[None]).max(axis=2) + np.eye(len(pixels)) * 99
    assert apart.min() > 8
    np.testing.assert_array_equal(thinned.keypoints[0], everything.keypoints[0])


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 7), (64, 48)])
def test_blank_and_tiny_images_have_no_keypoint(size):
    features = load_detector("sift", nms_radius=3).detect(np.full((*size, 3), 77, np.uint8))
    assert features.keypoints.shape == (0, 2)
    assert features.keypoints.dtype == np.float32
    assert features.scores.shape == features.extra["sizes"].shape == features.extra["angles"].shape == (0,)
    assert features.image_size == size[::-1]


def test_same_image_same_keypoints():
    a, b = (load_detector("sift").detect(texture()) for _ in range(2))
    np.testing.assert_array_equal(a.keypoints, b.keypoints)
    np.testing.assert_array_equal(a.extra["angles"], b.extra["angles"])


def test_settings_tell_all():
    detector = load_detector("sift", max_keypoints=5, border=2, contrast_threshold=0.01, nms_radius=1)
    assert detector.settings == {
        "name": "sift",
        "max_keypoints": 5,
        "border": 2,
        "contrast_threshold": 0.01,
        "nms_radius": 1,
    }


def test_unknown_names_and_settings():
    with pytest.raises(HndescError, match=r"unknown detector 'orb'; choose one of: aliked, disk, .*, xfeat"):
        load_detector("orb")
    with pytest.raises(HndescError, match=r"detector 'sift' has no setting 'threshold' .*contrast_threshold"):
        load_detector("sift", threshold=0.1)
    with pytest.raises(HndescError, match=r"^detector 'sift' has no weights; leave out weights\.npz, or name what"):
        load_detector("sift", "weights.npz")
