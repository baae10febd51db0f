"""Checkpoints: what goes in comes out, and bad files say what they are."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from hndesc import __version__
from hndesc.errors import HndescError
from hndesc.models.checkpoint import has_card, load_checkpoint, read_card, save_checkpoint
from hndesc.models.initial_weights import build_model

CARD = {"seed": 7, "settings": {"steps": 10, "photos": Path("data/photos")}, "metrics": {"ap": float("nan"), "n": 3}}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "run" / "lite.safetensors"
    save_checkpoint(path, build_model("lite", seed=7), CARD)
    return path


def _with_card(path: Path, card: dict | str, tensors: dict | None = None) -> Path:
    text = card if isinstance(card, str) else json.dumps(card)
    save_file(tensors or {"a": torch.zeros(2)}, path, {"hndesc": text})
    return path


def test_round_trip(checkpoint: Path) -> None:
    model, card = load_checkpoint(checkpoint)
    assert not model.training
    saved = build_model("lite", seed=7).state_dict()
    assert all(torch.equal(values, saved[name]) for name, values in model.state_dict().items())
    assert card == {
        "architecture": "lite",
        "dim": model.dim,
        "stride": 4,
        "version": __version__,
        "seed": 7,
        "settings": {"steps": 10, "photos": "data/photos"},
        "metrics": {"ap": None, "n": 3},
    }
    assert json.loads(checkpoint.with_suffix(".json").read_text()) == card == read_card(checkpoint)
    assert sorted(path.name for path in checkpoint.parent.iterdir()) == ["lite.json", "lite.safetensors"]


def test_half_weights_come_back_rounded(checkpoint: Path, tmp_path: Path) -> None:
    model, card = load_checkpoint(checkpoint)
    save_checkpoint(tmp_path / "half.safetensors", model, card, half=True)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.6 * checkpoint.stat().st_size
    again, read = load_checkpoint(tmp_path / "half.safetensors")
    assert read == card
    for name, values in again.state_dict().items():
        whole = model.state_dict()[name]
        assert values.dtype == whole.dtype, name
        assert torch.equal(values, whole.half().float() if whole.dim() == 4 else whole), name
    save_checkpoint(tmp_path / "twice.safetensors", again, card, half=True)
    assert (tmp_path / "twice.safetensors").read_bytes() == (tmp_path / "half.safetensors").read_bytes()


def test_the_card_cannot_lie_about_the_architecture(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "m.safetensors", build_model("lite"), {"architecture": "caps", "dim": 3})
    assert load_checkpoint(tmp_path / "m.safetensors")[1]["architecture"] == "lite"


@pytest.mark.parametrize(
    ("trained", "octaves", "valid"),
    [("lite", False, True), ("caps", False, False), ("lite", True, False), ("fast", True, False), (["x"], True, False)],
)
def test_the_card_cannot_name_another_backbone_as_trained(
    tmp_path: Path, trained: object, octaves: bool, valid: bool
) -> None:
    settings = {"architecture": trained, "octaves": octaves}
    save_checkpoint(tmp_path / "m.safetensors", build_model("lite"), {"settings": settings})
    if valid:
        load_checkpoint(tmp_path / "m.safetensors")
    else:
        with pytest.raises(HndescError, match=r"'settings\.architecture' cannot be"):
            load_checkpoint(tmp_path / "m.safetensors")


def test_same_model_same_bytes(checkpoint: Path, tmp_path: Path) -> None:
    model, card = load_checkpoint(checkpoint)
    save_checkpoint(tmp_path / "again.safetensors", model.to(memory_format=torch.channels_last), card)
    assert (tmp_path / "again.safetensors").read_bytes() == checkpoint.read_bytes()


def test_numbers_of_numpy_are_plain_numbers(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_checkpoint(path, build_model("lite"), {"loss": np.float32(0.5), "step": np.int64(3), "all": np.arange(2)})
    card = read_card(path)
    assert (card["loss"], card["step"], card["all"]) == (0.5, 3, [0, 1])


def test_no_permission(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(HndescError, match=r"^[^\[]*\.safetensors: no permission to read this checkpoint"):
        load_checkpoint(checkpoint)


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HndescError, match=r"model\.pth.*\*\.safetensors"):
        save_checkpoint(tmp_path / "model.pth", build_model("lite"), {})


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(HndescError, match=r"none\.safetensors: no such checkpoint"):
        load_checkpoint(tmp_path / "none.safetensors")


@pytest.mark.parametrize("keep", [0, 5, 300, -1])
def test_cut_short(checkpoint: Path, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "short.safetensors"
    path.write_bytes(checkpoint.read_bytes()[:keep])
    with pytest.raises(HndescError, match=r"short\.safetensors: not a complete safetensors file.*again"):
        load_checkpoint(path)


def test_not_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "text.safetensors"
    path.write_text("<html>quota exceeded</html>")
    with pytest.raises(HndescError, match=r"text\.safetensors: not a complete safetensors file"):
        load_checkpoint(path)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pkl"])
def test_pickles_are_not_opened(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    torch.save({"state_dict": {}}, path)
    with pytest.raises(HndescError, match=r"pickled weights are not accepted.*\.safetensors"):
        load_checkpoint(path)


def test_no_card(tmp_path: Path) -> None:
    path = tmp_path / "plain.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    assert not has_card(path)
    with pytest.raises(HndescError, match=r"plain\.safetensors: .*without a card of hndesc"):
        load_checkpoint(path)


@pytest.mark.parametrize("card", ["{", "[1]", "3"])
def test_broken_card(tmp_path: Path, card: str) -> None:
    with pytest.raises(HndescError, match="without a card of hndesc"):
        load_checkpoint(_with_card(tmp_path / "m.safetensors", card))


@pytest.mark.parametrize("architecture", ["superglue", None, ["lite"], {"a": 1}])
def test_unknown_architecture(tmp_path: Path, architecture: object) -> None:
    path = _with_card(tmp_path / "m.safetensors", {"architecture": architecture})
    with pytest.raises(
        HndescError,
        match=r"m\.safetensors: unknown architecture.*caps, fast, fast_pyramid, lite, lite_pyramid, r2d2, r2d2_",
    ):
        load_checkpoint(path)


def test_weights_of_another_architecture(tmp_path: Path) -> None:
    tensors = build_model("lite").state_dict()
    path = _with_card(tmp_path / "m.safetensors", {"architecture": "r2d2"}, tensors)
    with pytest.raises(HndescError, match=r"m\.safetensors: not the weights of r2d2"):
        load_checkpoint(path)


@pytest.mark.parametrize("change", ["missing", "unknown", "shape"])
def test_one_weight_that_does_not_fit(checkpoint: Path, tmp_path: Path, change: str) -> None:
    tensors = load_file(checkpoint)
    name = max(tensors)
    if change == "missing":
        del tensors[name]
    elif change == "unknown":
        name = "extra"
        tensors[name] = torch.zeros(1)
    else:
        tensors[name] = torch.zeros(*tensors[name].shape, 1)
    path = _with_card(tmp_path / "m.safetensors", {"architecture": "lite"}, tensors)
    with pytest.raises(HndescError, match=rf"m\.safetensors: .*1 of .*'{name}'"):
        load_checkpoint(path)


def test_weights_that_are_not_finite(checkpoint: Path, tmp_path: Path) -> None:
    tensors = load_file(checkpoint)
    name = next(name for name, values in tensors.items() if values.is_floating_point())
    tensors[name].flatten()[0] = torch.nan
    path = _with_card(tmp_path / "m.safetensors", {"architecture": "lite"}, tensors)
    with pytest.raises(HndescError, match="not finite"):
        load_checkpoint(path)
