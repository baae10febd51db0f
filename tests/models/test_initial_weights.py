"""Initial weights: ImageNet's, files of other programs, checkpoints of hndesc, and what can go wrong with them."""

import pickle
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file

from hndesc.errors import HndescError
from hndesc.models.caps import Caps
from hndesc.models.checkpoint import save_checkpoint
from hndesc.models.initial_weights import build_model, read_state

RESNET = "resnet50-0676ba61.pth"
MODEL_SEED = 2


@pytest.fixture(scope="module")
def encoder() -> dict[str, torch.Tensor]:
    """An encoder's weights under torchvision's names, with one weight more that is not part of it."""
    state = build_model("caps", "random", seed=11).encoder.state_dict()
    return {name: values.contiguous() for name, values in state.items()} | {"fc.bias": torch.zeros(1000)}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of torch hub, and no network."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    return tmp_path / "hub" / "checkpoints"


def _assert_encoder(model: Caps, encoder: dict[str, torch.Tensor]) -> None:
    loaded = model.encoder.state_dict()
    assert all(torch.equal(values, encoder[name]) for name, values in loaded.items())
    fresh = build_model("caps", "random", seed=MODEL_SEED).state_dict()
    decoder = [name for name in fresh if not name.startswith("encoder.")]
    assert decoder and all(torch.equal(model.state_dict()[name], fresh[name]) for name in decoder)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_caps_takes_the_encoder_from_a_file(tmp_path: Path, encoder: dict, suffix: str) -> None:
    path = tmp_path / f"resnet50{suffix}"
    torch.save(encoder, path) if suffix == ".pth" else save_file(encoder, path)
    _assert_encoder(build_model("caps", path, seed=MODEL_SEED), encoder)


def test_caps_takes_imagenet_from_the_cache_by_default(hub: Path, encoder: dict) -> None:
    hub.mkdir(parents=True)
    torch.save(encoder, hub / RESNET)
    _assert_encoder(build_model("caps", seed=MODEL_SEED), encoder)


@pytest.mark.parametrize("weights", ["imagenet", None])
def test_imagenet_out_of_reach_says_where_to_put_the_file(hub: Path, weights: str | None) -> None:
    with pytest.raises(HndescError) as error:
        build_model("caps", weights)
    message = str(error.value)
    assert str(hub / RESNET) in message
    assert "training.weights" in message and "'random'" in message and "no route to host" in message


def test_a_broken_file_in_the_cache_is_named(hub: Path) -> None:
    hub.mkdir(parents=True)
    (hub / RESNET).write_bytes(b"<html>")
    with pytest.raises(HndescError, match=RESNET):
        build_model("caps")


@pytest.mark.parametrize("name", ["lite", "r2d2"])
def test_no_imagenet_for_the_others(name: str) -> None:
    with pytest.raises(HndescError, match=rf"'{name}' has no ImageNet weights; .*'random'"):
        build_model(name, "imagenet")


def test_a_checkpoint_resumes_from_itself(tmp_path: Path) -> None:
    path = tmp_path / "first.safetensors"
    first = build_model("lite", seed=1)
    save_checkpoint(path, first, {})
    second = build_model("lite", path, seed=2)
    assert all(torch.equal(values, first.state_dict()[name]) for name, values in second.state_dict().items())
    assert second.training
    with pytest.raises(HndescError, match=r"first\.safetensors: .*'lite'.*'r2d2'"):
        build_model("r2d2", path)


def test_weights_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "vgg.pth"
    torch.save({"features.0.weight": torch.zeros(3)}, path)
    for name in ("caps", "r2d2", "lite"):
        with pytest.raises(HndescError, match=r"vgg\.pth: (not the weights of|no pretrained weights)"):
            build_model(name, path)


def test_missing_file_names_the_key(tmp_path: Path) -> None:
    with pytest.raises(HndescError, match=r"none\.pth: no such weights file.*training\.weights"):
        build_model("caps", tmp_path / "none.pth")


class _Evil:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("evil"),))


def test_code_in_a_pickle_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.pth"
    torch.save({"state_dict": {"a": _Evil()}}, path)
    with pytest.raises(HndescError, match=r"bad\.pth: not a readable file of weights"):
        read_state(path)
    path.write_bytes(pickle.dumps(_Evil(), protocol=2))
    with pytest.raises(HndescError, match=r"bad\.pth: not a readable file of weights"):
        read_state(path)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"<html>"])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_broken_files(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(HndescError, match=name):
        read_state(path)


@pytest.mark.parametrize("data", [[torch.zeros(1)], {}, {"epoch": 3}, torch.zeros(2)])
def test_files_that_hold_no_weights(tmp_path: Path, data: object) -> None:
    torch.save(data, tmp_path / "w.pt")
    with pytest.raises(HndescError, match=r"w\.pt: contains no dictionary of tensors"):
        read_state(tmp_path / "w.pt")
