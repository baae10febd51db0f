"""Detector and descriptor in one file, ONNX or TorchScript: equal to PyTorch and to detector and descriptor apart."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sklearn.datasets import load_sample_image

from hndesc.cli import models as cli
from hndesc.descriptors.network import NetworkDescriptor
from hndesc.detectors import load_detector
from hndesc.errors import HndescError
from hndesc.extraction.pair_export import CARD, OUTPUTS, SIGNATURES, export_pair_onnx, export_pair_torchscript
from hndesc.extraction.pair_network import PairNetwork, load_pair
from hndesc.models.bundled import bundled_models
from hndesc.models.onnx_export import PRECISIONS
from tests.extraction.conftest import noise, tensor

# Height, width, most keypoints, lowest score: at odd sizes and without keypoints.
CASES = ((96, 128, 50, 0.0), (97, 131, 500, 0.0), (33, 64, 0, 0.0), (64, 50, 9, 2.0))
LOAD = """
import json, sys, torch
files = {"card.json": ""}
network = torch.jit.load(sys.argv[1], _extra_files=files)
results = [network(image, torch.tensor(count), torch.tensor(least)) for image, count, least in torch.load(sys.argv[2])]
assert not [name for name in sys.modules if name.startswith("hndesc")]
torch.save((results, json.loads(files["card.json"])), sys.argv[3])
"""


@pytest.fixture(scope="module")
def network(files: tuple[Path, Path]) -> PairNetwork:
    return load_pair(files[0], detector_weights=files[1])[0]


def start(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, image: torch.Tensor, count: int, least: float) -> list[np.ndarray]:
    inputs = {
        "image": image.numpy(),
        "max_keypoints": np.array(count),
        "min_score": np.array(least, np.float32),
    }
    return session.run(None, inputs)


def check_equal(found: Sequence[np.ndarray], expected: Sequence[torch.Tensor], scale: np.ndarray | float) -> None:
    """Compare outputs to 1e-4 of the image; keypoints of equal scores may change their places."""
    assert [values.shape for values in found] == [tuple(values.shape) for values in expected]
    assert all(values.dtype == np.float32 for values in found)
    points, truth = found[0] / scale, expected[0].numpy() / scale
    distances = np.abs(truth[0, :, None] - points[0][None]).sum(axis=2)
    order = distances.argmin(axis=1) if distances.size else np.empty(0, np.int64)
    assert len(set(order)) == len(order)
    for values, one in zip((points, *found[1:]), (truth, *expected[1:]), strict=True):
        np.testing.assert_allclose(values[:, order], one, atol=1e-4)


@torch.inference_mode()
def test_equals_detector_and_descriptor(files: tuple[Path, Path], network: PairNetwork) -> None:
    image = noise(128, 160)
    found = load_detector("hndesc", files[1], max_keypoints=40).detect(image)
    expected = NetworkDescriptor(files[0], "cpu", compute_precision="float32").describe(image, found)
    inputs = tensor(image), torch.tensor(40), torch.tensor(0.0)
    keypoints, descriptors, scores = (values[0].numpy() for values in network(*inputs))
    np.testing.assert_allclose(scores, found.scores, atol=1e-5)
    np.testing.assert_allclose(keypoints, found.keypoints, atol=1e-3)
    np.testing.assert_allclose(descriptors, expected, atol=1e-3)
    relative = load_pair(files[0], detector_weights=files[1], relative=True)[0](*inputs)[0][0].numpy()
    np.testing.assert_allclose((relative + 1) / 2 * (159, 127), found.keypoints, atol=1e-3)


@torch.inference_mode()
def test_scalars_limit_the_keypoints(network: PairNetwork) -> None:
    image = tensor(noise(96, 96))
    every = network(image, torch.tensor(10_000), torch.tensor(0.0))
    few = network(image, torch.tensor(7), torch.tensor(0.0))
    assert few[0].shape == (1, 7, 2) and torch.equal(few[2], every[2][:, :7])
    least = every[2][0, 10]
    strong = network(image, torch.tensor(10_000), least)
    assert strong[2].min() > least and strong[2].shape[1] == int((every[2] > least).sum())
    none = network(image, torch.tensor(7), torch.tensor(2.0))
    assert [tuple(values.shape) for values in none] == [(1, 0, 2), (1, 0, network.backbone.dim), (1, 0)]


@torch.inference_mode()
def test_flat_images_have_no_keypoints(files: tuple[Path, Path], network: PairNetwork, tmp_path: Path) -> None:
    image = torch.full((1, 3, 97, 131), 0.5)
    assert network(image, torch.tensor(50), torch.tensor(0.0))[0].shape == (1, 0, 2)
    export_pair_torchscript(files[0], tmp_path / "pair.pt", detector_weights=files[1])
    traced = torch.jit.load(tmp_path / "pair.pt")
    assert traced(image, torch.tensor(50), torch.tensor(0.0))[0].shape == (1, 0, 2)
    image[..., 60:] = 1
    assert traced(image, torch.tensor(50), torch.tensor(0.0))[0].shape[1] > 0
    export_pair_onnx(files[0], tmp_path / "pair.onnx", detector_weights=files[1])
    session = start(tmp_path / "pair.onnx")
    assert run(session, image, 50, 0.0)[0].shape[1] > 0
    assert run(session, torch.full((1, 3, 97, 131), 0.5), 50, 0.0)[0].shape == (1, 0, 2)


@torch.inference_mode()
def test_torchscript_equals_pytorch_without_the_package(
    files: tuple[Path, Path], network: PairNetwork, tmp_path: Path
) -> None:
    path = tmp_path / "pair.pt"
    export_pair_torchscript(files[0], path, detector_weights=files[1])
    cases = [(tensor(noise(height, width)), count, least) for height, width, count, least in CASES]
    torch.save(cases, tmp_path / "cases.pt")
    subprocess.run([sys.executable, "-I", "-c", LOAD, path, tmp_path / "cases.pt", tmp_path / "out.pt"], check=True)
    results, card = torch.load(tmp_path / "out.pt", weights_only=True)
    assert CARD == "card.json" and card["architecture"] == "lite" and card["detector"]["license"] == "MIT"
    for found, (image, count, least) in zip(results, cases, strict=True):
        expected = network(image, torch.tensor(count), torch.tensor(least))
        check_equal([values.numpy() for values in found], expected, np.array(image.shape[:1:-1]))
    export_pair_torchscript(files[0], path, detector_weights=files[1])  # our own file is replaced


@pytest.mark.slow
@torch.inference_mode()
def test_onnx_equals_pytorch(files: tuple[Path, Path], network: PairNetwork, tmp_path: Path) -> None:
    path = tmp_path / "pair.onnx"
    export_pair_onnx(files[0], path, detector_weights=files[1], signature="pixels")
    session = start(path)
    for height, width, count, least in CASES:
        image = tensor(noise(height, width))
        expected = network(image, torch.tensor(count), torch.tensor(least))
        check_equal(run(session, image, count, least), expected, np.array([width, height]))
    card = json.loads({one.key: one.value for one in onnx.load(path).metadata_props}["hndesc"])
    assert card["architecture"] == "lite" and card["detector"]["license"] == "MIT"
    assert [one.name for one in session.get_outputs()] == list(OUTPUTS)


@pytest.mark.slow
@torch.inference_mode()
def test_half_precision_finds_almost_the_same(tmp_path: Path) -> None:
    """Rounding moves the score of weak keypoints past others'; the rest agrees to a hundredth."""
    model = bundled_models()["hndesc-fast"]
    export_pair_onnx(model, tmp_path / "half.onnx", signature="pixels", precision="float16")
    image = tensor(load_sample_image("china.jpg")[:301, :403])
    expected = [values[0] for values in load_pair(model)[0](image, torch.tensor(500), torch.tensor(0.0))]
    points, descriptors, scores = (
        torch.from_numpy(values[0]) for values in run(start(tmp_path / "half.onnx"), image, 500, 0.0)
    )
    distances, rows = torch.cdist(expected[0], points, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
    same = distances < 0.5
    assert same.float().mean() > 0.97
    assert distances[same].quantile(0.95) < 0.05
    assert (scores[rows] - expected[2])[same].abs().max() < 0.02
    assert (descriptors[rows] * expected[1]).sum(dim=1)[same].min() > 0.999
    whole = sum(one.nbytes for one in load_pair(model)[0].state_dict().values())
    assert (tmp_path / "half.onnx").stat().st_size < 0.75 * whole


@pytest.mark.slow
def test_export_prints_the_file_alone(files: tuple[Path, Path], tmp_path: Path) -> None:
    code = "from hndesc.cli.main import main; main()"
    arguments = ["export-onnx", files[0], "a.onnx", "--detector", "hndesc", "--detector-weights", files[1]]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "a.onnx\n"
    (line,) = done.stderr.splitlines()
    assert "a.onnx: " in line


def test_what_cannot_be_exported_is_named(files: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    with pytest.raises(HndescError, match="detector 'sift' cannot be exported; only 'hndesc' can"):
        export_pair_onnx(files[0], path, "sift")
    with pytest.raises(HndescError, match=r"must be named \*\.onnx"):
        export_pair_onnx(files[0], tmp_path / "a.pb", detector_weights=files[1])
    with pytest.raises(HndescError, match=r"must be named \*\.pt"):
        export_pair_torchscript(files[0], path)
    with pytest.raises(HndescError, match="not a checkpoint written by"):
        export_pair_onnx(files[0], path, detector_weights=files[0])
    with pytest.raises(HndescError, match="signature 'aliked' is unknown; choose colmap or pixels"):
        export_pair_onnx(files[0], path, signature="aliked")
    with pytest.raises(HndescError, match="precision 'int8' is unknown; choose float32 or float16"):
        export_pair_onnx(files[0], path, precision="int8")
    assert not list(tmp_path.iterdir())


def test_choices_of_the_command_are_those_of_the_export() -> None:
    assert (cli.SIGNATURES, cli.PRECISIONS) == (SIGNATURES, PRECISIONS)
