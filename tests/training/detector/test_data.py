"""Pairs for the detector: the homography is that of the crops, and a batch depends on its number alone."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from hndesc.errors import HndescError
from hndesc.training.batches import VALIDATION, stream_batches
from hndesc.training.detector.data import ViewBatches, draw_views
from hndesc.training.detector.settings import DetectorSettings
from hndesc.training.settings import ColorSettings, ViewSettings

PLAIN = ColorSettings(probability=0, blur=0, noise=0)
NAMES = [f"set/{number}.png" for number in range(6)]


def settings(**changes) -> DetectorSettings:
    return DetectorSettings(**{"batch_size": 2, "crop_size": 64, "workers": 0, "cache_megabytes": 8} | changes)


def test_homography_maps_one_crop_onto_the_other(textured) -> None:
    photo = textured(0, 300, 240)
    crops, matrix = draw_views(np.random.default_rng(1), photo, 96, ViewSettings(rotation=20, turns=1))
    warped = cv2.warpPerspective(crops[0], matrix, (96, 96), flags=cv2.INTER_LINEAR)
    shown = cv2.warpPerspective(np.ones((96, 96), np.uint8), matrix, (96, 96), flags=cv2.INTER_NEAREST) > 0
    shown = cv2.erode(shown.astype(np.uint8), np.ones((5, 5))) > 0
    assert shown.mean() > 0.2
    assert np.abs(warped.astype(int) - crops[1])[shown].mean() < 6


def test_batch_depends_on_its_number_alone(data) -> None:
    batches = [ViewBatches(data.photos, NAMES, settings()) for _ in range(2)]
    batches[1].batch(0)
    one, other = (batch.batch(3) for batch in batches)
    assert torch.equal(one.images, other.images) and torch.equal(one.homographies, other.homographies)
    assert not torch.equal(one.images, batches[0].batch(4).images)
    validation = ViewBatches(data.photos, NAMES, settings(), VALIDATION).batch(3)
    assert not torch.equal(one.images, validation.images)
    assert one.images.shape == (4, 64, 64, 3) and one.homographies.shape == (2, 3, 3)


def test_workers_change_nothing(data) -> None:
    found = [
        list(stream_batches(ViewBatches(data.photos, NAMES, settings()), range(2, 5), workers)) for workers in (0, 1)
    ]
    for one, other in zip(*found, strict=True):
        assert torch.equal(one.images, other.images)


def test_broken_photo_is_replaced_and_named_once(data, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "broken.png").write_bytes(b"no photo")
    (tmp_path / "good.png").write_bytes((data.photos / NAMES[0]).read_bytes())
    found = list(stream_batches(ViewBatches(tmp_path, ["broken.png", "good.png"], settings()), range(4), 0))
    assert len(found) == 4
    assert caplog.text.count("broken.png") == 1
    with pytest.raises(HndescError, match="100 photos could not be read"):
        list(stream_batches(ViewBatches(tmp_path, ["broken.png"], settings()), range(1), 0))
