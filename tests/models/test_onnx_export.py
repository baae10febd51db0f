"""ONNX: the same descriptors as PyTorch's, at any size of photo and any number of keypoints."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from hndesc.descriptors.network import NetworkDescriptor
from hndesc.errors import HndescError
from hndesc.io.features import Features
from hndesc.models.checkpoint import save_checkpoint
from hndesc.models.initial_weights import build_model
from hndesc.models.onnx_export import export_onnx

PYRAMIDS = [pytest.param(name, marks=pytest.mark.slow) for name in ("fast_pyramid", "lite_pyramid", "r2d2_pyramid")]


@pytest.fixture(scope="module", params=["lite", *PYRAMIDS])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / f"{request.param}.safetensors"
    model = build_model(request.param, "random", seed=5)
    model.steerer = torch.eye(model.dim)  # is no part of the network
    save_checkpoint(path, model, {"seed": 5, "steerer": {}})
    return path


@pytest.fixture(scope="module")
def exported(checkpoint: Path) -> Path:
    path = checkpoint.with_suffix(".onnx")
    export_onnx(checkpoint, path)
    return path


@pytest.fixture(scope="module")
def session(exported: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(exported, options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    ("height", "width", "count"),
    [(250, 330, 50), (128, 96, 3), (97, 131, 7), (16, 16, 1), (33, 64, 2), (240, 320, 500), (224, 160, 4)],
)
def test_equals_pytorch(
    checkpoint: Path, session: onnxruntime.InferenceSession, height: int, width: int, count: int
) -> None:
    rng = np.random.default_rng(height)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    # Some lie beyond the photo's border.
    keypoints = (rng.random((count, 2)) * (width + 8, height + 8) - 4).astype(np.float32)
    features = Features(keypoints, (width, height), np.ones(count, np.float32))
    expected = NetworkDescriptor(checkpoint, "cpu", compute_precision="float32").describe(image, features)
    inputs = {"image": image.transpose(2, 0, 1)[None] / np.float32(255), "keypoints": keypoints[None]}
    (descriptors,) = session.run(None, inputs)
    assert descriptors.shape == (1, *expected.shape) and descriptors.dtype == np.float32
    assert np.abs(descriptors[0] - expected).max() < 1e-4
    assert np.linalg.norm(descriptors[0], axis=1) == pytest.approx(1.0, abs=1e-4)


def test_signature_and_card(exported: Path, session: onnxruntime.InferenceSession) -> None:
    inputs = {one.name: one.shape for one in session.get_inputs()}
    assert [inputs["image"][:2], inputs["keypoints"][0], inputs["keypoints"][2]] == [[1, 3], 1, 2]
    free = [*inputs["image"][2:], inputs["keypoints"][1]]
    assert all(isinstance(size, str) for size in free) and len(set(free)) == 3
    model = onnx.load(exported)
    onnx.checker.check_model(model)
    assert not [one.name for one in model.graph.initializer if "steerer" in one.name]
    card = json.loads({one.key: one.value for one in model.metadata_props}["hndesc"])
    assert card["architecture"] == exported.stem and card["seed"] == 5
    assert not list(exported.parent.glob("*.data"))  # one file has it all


def test_wrong_names(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(HndescError, match=r"must be named \*\.onnx"):
        export_onnx(checkpoint, tmp_path / "model.pb")
    with pytest.raises(HndescError, match="no such checkpoint"):
        export_onnx(tmp_path / "none.safetensors", tmp_path / "model.onnx")
