"""The same results on a GPU as on the CPU: description, tiling, training, resuming, ONNX.

Skipped without a CUDA GPU. With HNDESC_TEST_DEVICE=cpu, the tests that are about results run on the CPU instead.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed

from hndesc.descriptors.network import NetworkDescriptor
from hndesc.extraction.model import find_model
from hndesc.io.features import Features
from hndesc.models.checkpoint import load_checkpoint, save_checkpoint
from hndesc.models.initial_weights import build_model
from hndesc.runtime.devices import choose_device
from hndesc.training import trainer as training_loop
from hndesc.training.batches import stream_batches
from hndesc.training.data import PairBatches
from hndesc.training.distributed import ProcessGroup, _Sum
from hndesc.training.settings import training_settings
from hndesc.training.sources import TrainingPhotos
from hndesc.training.train import train
from tests.training.conftest import Data, make_data, textured
from tests.training.test_train import SETTINGS as TRAINING
from tests.training.test_train import arguments_of

DEVICE = os.environ.get("HNDESC_TEST_DEVICE", "cuda")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="there is no CUDA GPU"),
]
only_cuda = pytest.mark.skipif(DEVICE != "cuda", reason="is about CUDA")

SETTINGS = TRAINING | {"crop_size": 64, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("gpu"))


def keypoints(width: int, height: int, count: int = 500) -> Features:
    points = np.random.default_rng(1).uniform(0, (width - 1, height - 1), (count, 2)).astype(np.float32)
    return Features(points, (width, height), np.ones(count, np.float32))


@only_cuda
def test_auto_chooses_the_gpu() -> None:
    assert choose_device("auto").type == "cuda"


@pytest.mark.parametrize("name", ["hndesc-fast", "hndesc-lite", "hndesc-r2d2"])
def test_bundled_models_describe_as_on_the_cpu(name: str) -> None:
    image, features = textured(0, 200, 150), keypoints(200, 150)
    expected, actual = (
        NetworkDescriptor(find_model(name), device, compute_precision="float32").describe(image, features)
        for device in ("cpu", DEVICE)
    )
    assert (actual * expected).sum(1).min() > 0.9999


@pytest.mark.parametrize("name", ["hndesc-fast", "hndesc-lite", "hndesc-r2d2"])
def test_bfloat16_differs_by_rounding(name: str) -> None:
    image, features = textured(0, 200, 150), keypoints(200, 150)
    exact, rounded = (
        NetworkDescriptor(find_model(name), DEVICE, compute_precision=precision).describe(image, features)
        for precision in ("float32", "bfloat16")
    )
    assert (rounded * exact).sum(1).min() > 0.999


@only_cuda
def test_auto_is_bfloat16_on_gpus_that_compute_in_it() -> None:
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    found = NetworkDescriptor(find_model("hndesc-fast"), DEVICE).settings.get("compute_precision")
    assert found == ("bfloat16" if native else None)


def test_tiles_yield_the_descriptors_of_the_whole_image() -> None:
    image, features = textured(1, 1400, 300), keypoints(1400, 300)
    whole, tiled = (
        NetworkDescriptor(find_model("hndesc-lite"), DEVICE, tile, compute_precision="float32") for tile in (2048, 256)
    )
    assert (whole.describe(image, features) * tiled.describe(image, features)).sum(1).min() > 0.9999


def test_training_starts_as_on_the_cpu(photos: Data, tmp_path: Path) -> None:
    histories = []
    for number, device in enumerate(("cpu", DEVICE)):
        arguments = arguments_of(photos, tmp_path / str(number))
        train(**arguments, **SETTINGS | {"device": device, "steps": 2})
        histories.append(np.genfromtxt(arguments["history"], delimiter=",", names=True))
    for column in ("loss", "validation_loss"):
        on_cpu, here = (np.atleast_1d(rows[column]) for rows in histories)
        known = np.isfinite(on_cpu)
        np.testing.assert_allclose(here[known], on_cpu[known], rtol=0.02)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_lowers_the_loss(photos: Data, tmp_path: Path, precision: str) -> None:
    arguments = arguments_of(photos, tmp_path)
    train(**arguments, **SETTINGS | {"device": DEVICE, "steps": 30, "precision": precision})
    card = load_checkpoint(arguments["output"])[1]
    rows = np.genfromtxt(arguments["history"], delimiter=",", names=True)
    assert card["metrics"]["validation_loss"] < rows["validation_loss"][0]


def test_an_interrupted_training_resumes(photos: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SETTINGS | {"device": DEVICE}
    whole, broken = arguments_of(photos, tmp_path / "whole"), arguments_of(photos, tmp_path / "broken")
    train(**whole, **settings)
    update, done = training_loop.Trainer._update, []

    def interrupted(self, stream):
        if self.step == 4 and not done:
            done.append(self.step)
            raise KeyboardInterrupt
        return update(self, stream)

    monkeypatch.setattr(training_loop.Trainer, "_update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(**broken, **settings)
    assert torch.load(tmp_path / "broken" / "state" / "state.pt", weights_only=True)["step"] == 4
    train(**broken, **settings)
    first, second = (load_checkpoint(arguments["output"])[0].state_dict() for arguments in (whole, broken))
    for name, values in first.items():
        torch.testing.assert_close(second[name], values, rtol=0.01, atol=1e-3, msg=name)


@only_cuda
def test_batches_lie_in_pinned_memory(photos: Data) -> None:
    settings = training_settings(SETTINGS)
    with_copies = TrainingPhotos(photos.photos, photos.keypoints, photos.stylized, None)
    batches = PairBatches(with_copies, with_copies.names, settings)
    batch = next(stream_batches(batches, range(1), 1, pin_memory=True))
    assert batch.images.is_pinned()
    assert batch.points.is_pinned()


@only_cuda
def test_sums_over_processes_by_nccl(tmp_path: Path) -> None:
    torch.cuda.set_device(0)
    distributed.init_process_group("nccl", f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    try:
        value = torch.tensor([1.0, 2.0], device="cuda", requires_grad=True)
        total = _Sum.apply(value)
        total.square().sum().backward()
        assert total.tolist() == [1, 2]
        assert value.grad.tolist() == [2, 4]
        assert ProcessGroup(0, 1).gather(value).tolist() == [1, 2]
    finally:
        distributed.destroy_process_group()


@only_cuda
def test_onnx_on_cuda_equals_pytorch(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has no CUDA provider")
    from hndesc.models.onnx_export import export_onnx

    save_checkpoint(tmp_path / "model.safetensors", build_model("lite", "random", seed=2), {})
    export_onnx(tmp_path / "model.safetensors", tmp_path / "model.onnx")
    image, features = textured(2, 150, 110), keypoints(150, 110)
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CUDAExecutionProvider"])
    inputs = {"image": image.transpose(2, 0, 1)[None].astype(np.float32) / 255, "keypoints": features.keypoints[None]}
    describer = NetworkDescriptor(tmp_path / "model.safetensors", DEVICE, compute_precision="float32")
    expected = describer.describe(image, features)
    assert (session.run(None, inputs)[0][0] * expected).sum(1).min() > 0.9999
