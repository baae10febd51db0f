"""Detector and descriptor in one ONNX file, run as COLMAP runs its ALIKED extractor."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from hndesc.descriptors.network import NetworkDescriptor
from hndesc.detectors import load_detector
from hndesc.errors import HndescError
from hndesc.extraction.onnx_extractor import OUTPUTS, Extractor, export_extractor
from hndesc.models.checkpoint import load_checkpoint, save_checkpoint
from hndesc.models.initial_weights import build_model
from hndesc.models.keypoint_network import KeypointNetwork, load_weights, save_weights


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model and a detector with random weights."""
    folder = tmp_path_factory.mktemp("models")
    save_checkpoint(folder / "lite.safetensors", build_model("lite", "random", seed=5), {"seed": 5})
    torch.manual_seed(1)
    save_weights(folder / "detector.safetensors", KeypointNetwork(), {"license": "MIT"})
    return folder / "lite.safetensors", folder / "detector.safetensors"


@pytest.fixture(scope="module")
def extractor(files: tuple[Path, Path]) -> Extractor:
    return Extractor(load_weights(files[1])[0], load_checkpoint(files[0])[0], nms_radius=3, border=4).eval()


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None] / 255


def pad(image: np.ndarray) -> np.ndarray:
    """Repeat the last row and column up to multiples of 32 pixels."""
    return np.pad(image, ((0, -image.shape[0] % 32), (0, -image.shape[1] % 32), (0, 0)), mode="edge")


def to_pixels(keypoints: np.ndarray, image: np.ndarray) -> np.ndarray:
    return (keypoints + 1) / 2 * (np.array(image.shape[1::-1]) - 1)


@torch.inference_mode()
def test_equals_detector_and_descriptor(files: tuple[Path, Path], extractor: Extractor) -> None:
    image = noise(128, 160)
    found = load_detector("hndesc", files[1], max_keypoints=40).detect(image)
    expected = NetworkDescriptor(files[0], device="cpu").describe(image, found)
    keypoints, descriptors, scores = (
        values[0].numpy() for values in extractor(tensor(image), torch.tensor(40), torch.tensor(0.0))
    )
    np.testing.assert_allclose(scores, found.scores, atol=1e-5)
    np.testing.assert_allclose(to_pixels(keypoints, image), found.keypoints, atol=1e-3)
    np.testing.assert_allclose(descriptors, expected, atol=1e-3)


@torch.inference_mode()
def test_scalars_limit_the_keypoints(extractor: Extractor) -> None:
    image = tensor(noise(96, 96))
    every = extractor(image, torch.tensor(10_000), torch.tensor(0.0))
    few = extractor(image, torch.tensor(7), torch.tensor(0.0))
    assert few[0].shape == (1, 7, 2) and torch.equal(few[2], every[2][:, :7])
    least = every[2][0, 10]
    strong = extractor(image, torch.tensor(10_000), least)
    assert strong[2].min() > least and strong[2].shape[1] == int((every[2] > least).sum())
    none = extractor(image, torch.tensor(7), torch.tensor(2.0))
    assert [tuple(values.shape) for values in none] == [(1, 0, 2), (1, 0, extractor.backbone.dim), (1, 0)]


@pytest.mark.slow
@torch.inference_mode()
def test_onnx_equals_pytorch_like_colmap_runs_it(files: tuple[Path, Path], extractor: Extractor) -> None:
    path = files[0].with_name("extractor.onnx")
    export_extractor(files[0], path, detector_weights=files[1])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == ["image", "max_keypoints", "min_score"]
    assert [one.type for one in session.get_inputs()] == ["tensor(float)", "tensor(int64)", "tensor(float)"]
    assert [one.name for one in session.get_outputs()] == list(OUTPUTS)
    assert session.get_outputs()[1].shape[2] == extractor.backbone.dim  # COLMAP reads the dimension there
    for height, width, count, least in ((96, 128, 50, 0.0), (97, 131, 500, 0.0), (33, 64, 0, 0.0), (64, 50, 9, 2.0)):
        image = pad(noise(height, width)) if count == 50 else noise(height, width)
        expected = extractor(tensor(image), torch.tensor(count), torch.tensor(least))
        inputs = {
            "image": tensor(image).numpy(),
            "max_keypoints": np.array(count),
            "min_score": np.array(least, np.float32),
        }
        found = session.run(None, inputs)
        assert [values.shape for values in found] == [tuple(values.shape) for values in expected]
        # Keypoints of equal scores may change their places.
        distances = np.abs(expected[0].numpy()[0, :, None] - found[0][0, None]).sum(axis=2)
        order = distances.argmin(axis=1) if distances.size else np.empty(0, np.int64)
        assert len(set(order)) == len(order)
        for values, one in zip(found, expected, strict=True):
            np.testing.assert_allclose(values[:, order], one.numpy(), atol=1e-4)
    card = json.loads({one.key: one.value for one in onnx.load(path).metadata_props}["hndesc"])
    assert card["architecture"] == "lite" and card["detector"]["license"] == "MIT"


def test_what_cannot_be_exported_is_named(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(HndescError, match="detector 'sift' cannot be exported; only 'hndesc' can"):
        export_extractor(files[0], tmp_path / "a.onnx", "sift")
    with pytest.raises(HndescError, match=r"must be named \*\.onnx"):
        export_extractor(files[0], tmp_path / "a.pb", detector_weights=files[1])
    with pytest.raises(HndescError, match="not a checkpoint written by"):
        export_extractor(files[0], tmp_path / "a.onnx", detector_weights=files[0])
