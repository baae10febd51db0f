"""Descriptors from a checkpoint: any size of photo, in tiles as in one piece, in either precision, and independent of
what came before."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_image

from hndesc.datasets.image_set import ImageEntry
from hndesc.descriptors import load_descriptor
from hndesc.descriptors.network import NetworkDescriptor
from hndesc.descriptors.views import describe_views
from hndesc.detectors import load_detector
from hndesc.errors import HndescError
from hndesc.extraction.description import describe_keypoints, extract
from hndesc.io.features import FeatureReader, Features
from hndesc.io.images import write_image
from hndesc.models.bundled import DEFAULT, bundled_models
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
    return NetworkDescriptor(checkpoints["lite"], device="cpu", compute_precision="float32")


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
    whole = NetworkDescriptor(checkpoints[name], "cpu", compute_precision="float32")
    tiled = NetworkDescriptor(checkpoints[name], "cpu", tile=96 if name == "lite" else 64, compute_precision="float32")
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
    again = NetworkDescriptor(checkpoints["lite"], "cpu", compute_precision="float32")
    assert np.array_equal(again.describe(image, features), first)


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


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.ascontiguousarray(load_sample_image("china.jpg")[60:316, 100:500])


@pytest.fixture(scope="module")
def keypoints(photo: np.ndarray) -> Features:
    return load_detector("sift", max_keypoints=500).detect(photo)


def _in_both(checkpoint: Path, **settings: object) -> tuple[NetworkDescriptor, NetworkDescriptor]:
    fine, rough = (
        NetworkDescriptor(checkpoint, "cpu", compute_precision=name, **settings) for name in ("float32", "bfloat16")
    )
    return fine, rough


@pytest.mark.parametrize("name", list(bundled_models()))
def test_bfloat16_differs_by_rounding_and_is_recorded(name: str, photo: np.ndarray, keypoints: Features) -> None:
    fine, rough = _in_both(bundled_models()[name])
    assert "compute_precision" not in fine.settings
    assert rough.settings == fine.settings | {"compute_precision": "bfloat16"}
    exact, rounded = fine.describe(photo, keypoints), rough.describe(photo, keypoints)
    assert not np.array_equal(rounded, exact)
    assert (rounded * exact).sum(1).min() > 0.999
    # bfloat16 has 8 bits: lengths so near to 1 are those of a division in float32.
    assert rounded.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rounded, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("steered", [True, False])
def test_views_in_bfloat16_differ_by_rounding(steered: bool, photo: np.ndarray, keypoints: Features) -> None:
    fine, rough = _in_both(bundled_models()[DEFAULT], steered=steered)
    exact, rounded = describe_views(fine, photo, keypoints), describe_views(rough, photo, keypoints)
    assert (exact * rounded).sum(2).min() > 0.999


def test_tiles_in_bfloat16_differ_by_rounding(checkpoints: dict[str, Path]) -> None:
    image, features = _image(64, 1200), _features(64, 1200, 200)
    exact = NetworkDescriptor(checkpoints["lite"], "cpu", compute_precision="float32").describe(image, features)
    tiled = NetworkDescriptor(checkpoints["lite"], "cpu", tile=96, compute_precision="bfloat16")
    assert (tiled.describe(image, features) * exact).sum(1).min() > 0.999


def test_auto_is_bfloat16_where_it_is_faster(checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for tiles in (True, False):
        units = {"amx_tile": tiles, "amx_bf16": tiles}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda units=units: units)
        descriptor = NetworkDescriptor(checkpoints["lite"], "cpu")
        assert descriptor.compute_precision == ("bfloat16" if tiles else "float32")
        assert ("compute_precision" in descriptor.settings) == tiles


def test_feature_files_record_bfloat16_alone(checkpoints: dict[str, Path], tmp_path: Path, photo: np.ndarray) -> None:
    write_image(tmp_path / "a.png", photo)
    images, paths = [ImageEntry("a.png", tmp_path / "a.png")], [tmp_path / f"{name}.h5" for name in "abc"]
    extract(images, paths[0], checkpoints["lite"], max_keypoints=9)
    for path, name in zip(paths[1:], ("float32", "bfloat16"), strict=True):
        describe_keypoints(images, paths[0], path, checkpoints["lite"], device="cpu", compute_precision=name)
    fine, rough = (FeatureReader(path).settings for path in paths[1:])
    assert rough == fine | {"descriptor": fine["descriptor"] | {"compute_precision": "bfloat16"}} != fine


def test_an_unknown_precision_names_the_choices(checkpoints: dict[str, Path]) -> None:
    with pytest.raises(HndescError, match=r"compute_precision 'bfloat'; did you mean .* auto, float32, bfloat16"):
        load_descriptor(checkpoints["lite"], compute_precision="bfloat")


def test_a_checkpoint_takes_no_weights(checkpoints: dict[str, Path]) -> None:
    with pytest.raises(HndescError, match=r"lite\.safetensors' contains its weights; leave out .*r2d2\.safetensors"):
        load_descriptor(checkpoints["lite"], weights=checkpoints["r2d2"])
