"""Descriptors from a checkpoint: any size of photo, in tiles as in one piece, and independent of what came before."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hndesc.descriptors import load_descriptor
from hndesc.descriptors.network import NetworkDescriptor
from hndesc.errors import HndescError
from hndesc.io.features import Features
from hndesc.models.checkpoint import save_checkpoint
from hndesc.models.initial_weights import build_model
from hndesc.models.sampling import normalize_images, sample_descriptors
from hndesc.runtime.provenance import file_hash


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Checkpoints of networks whose batch statistics are those of noise, so that their descriptors differ."""
    folder = tmp_path_factory.mktemp("checkpoints")
    paths = {}
    for name in ("lite", "r2d2"):
        model = build_model(name, seed=3)
        noise = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        with torch.no_grad():
            model(normalize_images(noise))
        paths[name] = folder / f"{name}.safetensors"
        save_checkpoint(paths[name], model, {"seed": 3, "metrics": {"loss": 0.5}})
    return paths


@pytest.fixture(scope="module")
def lite(checkpoints: dict[str, Path]) -> NetworkDescriptor:
    return NetworkDescriptor(checkpoints["lite"], device="cpu")


def _image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def _features(height: int, width: int, count: int, seed: int = 0) -> Features:
    rng = np.random.default_rng(seed)
    points = (rng.random((count, 2)) * (width, height) - 0.5).astype(np.float32)
    return Features(points, (width, height), np.ones(count, np.float32))


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (15, 16), (97, 131), (64, 64)])
def test_any_size(lite: NetworkDescriptor, size: tuple[int, int]) -> None:
    found = lite.describe(_image(*size), _features(*size, count=7))
    assert found.shape == (7, lite.model.dim) and found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_describes_as_the_model_does(lite: NetworkDescriptor) -> None:
    image, features = _image(64, 96), _features(64, 96, 20)
    with torch.no_grad():
        dense = lite.model(normalize_images(image[None]))
        expected = sample_descriptors(dense, torch.from_numpy(features.keypoints)[None], (64, 96))[0]
    np.testing.assert_allclose(lite.describe(image, features), expected.numpy(), atol=1e-5)


def test_no_keypoints_do_not_run_the_network(lite: NetworkDescriptor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite.model, "forward", lambda images: pytest.fail("the network ran"))
    assert lite.describe(_image(50, 40), _features(50, 40, 0)).shape == (0, lite.model.dim)


@pytest.mark.parametrize("name", ["lite", "r2d2"])
def test_tiles_give_what_the_whole_photo_gives(checkpoints: dict[str, Path], name: str) -> None:
    height, width = (64, 3700) if name == "lite" else (100, 180)
    whole = NetworkDescriptor(checkpoints[name], "cpu")
    tiled = NetworkDescriptor(checkpoints[name], "cpu", tile=96 if name == "lite" else 64)
    image, features = _image(height, width), _features(height, width, 300)
    areas = []
    forward = tiled.model.forward
    tiled.model.forward = lambda images: areas.append(images.shape[2] * images.shape[3]) or forward(images)
    np.testing.assert_allclose(tiled.describe(image, features), whole.describe(image, features), atol=2e-4)
    assert len(areas) > 3
    assert max(areas) <= (tiled.tile + 2 * tiled.border) ** 2 < height * width


def test_earlier_photos_do_not_matter(lite: NetworkDescriptor, checkpoints: dict[str, Path]) -> None:
    image, features = _image(80, 64), _features(80, 64, 30)
    first = lite.describe(image, features)
    lite.describe(_image(97, 131, seed=5), _features(97, 131, 9))
    assert np.array_equal(lite.describe(image, features), first)
    assert np.array_equal(NetworkDescriptor(checkpoints["lite"], "cpu").describe(image, features), first)


def test_inputs_are_left_alone(lite: NetworkDescriptor) -> None:
    image, features = _image(40, 50), _features(40, 50, 5)
    image.flags.writeable = False
    before = features.keypoints.copy()
    lite.describe(image[:, ::-1], features)
    assert np.array_equal(features.keypoints, before)


def test_settings_say_which_model(lite: NetworkDescriptor, checkpoints: dict[str, Path]) -> None:
    assert lite.settings["name"] == "lite"
    assert lite.settings["sha256"] == file_hash(checkpoints["lite"])
    assert lite.settings["architecture"] == "lite" and lite.settings["seed"] == 3
    assert isinstance(load_descriptor(str(checkpoints["lite"])), NetworkDescriptor)


def test_missing_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(HndescError, match="no such checkpoint"):
        NetworkDescriptor(tmp_path / "none.safetensors")
