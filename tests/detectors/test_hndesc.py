"""The detector of hndesc: tiles, borders and thresholds."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from hndesc.detectors import hndesc, load_detector
from hndesc.geometry.repeatability import measure_repeatability
from hndesc.models.bundled import DETECTOR
from hndesc.models.keypoint_network import KeypointNetwork, save_weights
from tests.training.conftest import textured


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_weights(tmp_path / "random.safetensors", KeypointNetwork(), {"license": "MIT"})
    return tmp_path / "random.safetensors"


def noise(*size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)


def test_keypoints_of_tiles_are_those_of_the_image(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = noise(400, 560)
    whole = load_detector("hndesc", weights).detect(image)
    monkeypatch.setattr(hndesc, "TILE", 128)
    tiled = load_detector("hndesc", weights).detect(image)
    assert len(whole) > 500
    np.testing.assert_allclose(whole.keypoints, tiled.keypoints, atol=1e-3)
    np.testing.assert_allclose(whole.scores, tiled.scores, atol=1e-5)


def test_settings_are_kept(weights: Path) -> None:
    image = noise(100, 120)
    found = load_detector("hndesc", weights, border=20, max_keypoints=5).detect(image)
    assert len(found) == 5 and (np.diff(found.scores) <= 0).all()
    assert (found.keypoints >= 19).all() and (found.keypoints < (101, 81)).all()
    every = load_detector("hndesc", weights).detect(image)
    strong = load_detector("hndesc", weights, threshold=float(np.median(every.scores))).detect(image)
    assert 0 < len(strong) < len(every) and strong.scores.min() > np.median(every.scores)
    assert len(load_detector("hndesc", weights, nms_radius=8).detect(image)) < len(every)
    settings = load_detector("hndesc", weights).settings
    assert settings["license"] == "MIT" and settings["weights_file"] == "random.safetensors"


def test_bundled_weights_find_keypoints_of_a_turned_darker_image_again() -> None:
    image = textured(0, 400, 300)
    turn = cv2.getRotationMatrix2D((199.5, 149.5), 10, 1.1)
    moved = cv2.warpAffine(image, turn, (400, 300), borderMode=cv2.BORDER_REFLECT) // 2 + 10
    detector = load_detector("hndesc", max_keypoints=300)
    points = detector.detect(image).keypoints, detector.detect(moved).keypoints
    found = measure_repeatability(*points, np.vstack([turn, [0, 0, 1]]), ((400, 300),) * 2, 2.0)
    assert found.share > 0.7 and found.error < 0.7


@pytest.mark.parametrize("gray", [0, 128, 255])
def test_flat_images_have_no_keypoints(gray: int) -> None:
    image = np.full((300, 400, 3), gray, np.uint8)
    image[:, 1::2] += np.array([0, 0, 1], np.uint8) if gray < 255 else np.uint8(0)  # less than a gray level
    assert len(load_detector("hndesc").detect(image)) == 0


def test_a_saturated_part_takes_no_keypoints_from_the_rest() -> None:
    image = textured(0, 640, 320)
    flat = image.copy()
    flat[:, :320] = 255
    detector = load_detector("hndesc", max_keypoints=2000)
    found = detector.detect(flat).keypoints
    assert (found[:, 0] >= 320 - 8 - 2).all()  # a square next to texture, and the refinement
    far = 320 + KeypointNetwork.reach
    expected = detector.detect(image).keypoints
    expected = expected[expected[:, 0] >= far]
    assert len(expected) > 50
    assert {tuple(point) for point in expected.round(2)} <= {tuple(point) for point in found.round(2)}


def test_bundled_weights_are_small_and_free() -> None:
    assert DETECTOR.stat().st_size < 1e6
    assert load_detector("hndesc").settings["license"].startswith("MIT")
