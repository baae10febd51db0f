"""Training from the command line: a folder of photos to a model, and stylized copies."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hndesc.cli.main import main
from hndesc.cli.training import read_section
from hndesc.errors import HndescError
from hndesc.io.features import FeatureReader
from hndesc.io.images import write_image
from hndesc.models.checkpoint import read_card
from hndesc.stylization.tables import read_copies
from hndesc.training import from_photos
from tests.training.conftest import textured

FEW = """
training:
  steps: 100
  batch_size: 2
  crop_size: 48
  weights: random
  workers: 0
  loss: {negatives: all}
  validation: {every: 1, pairs: 4, share: 0.4}
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(6):
        write_image(tmp_path / "photos" / f"{number}.png", textured(number, 120, 96))
    return tmp_path / "photos"


@pytest.fixture
def train(photos: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that trains two steps, with further arguments."""
    (tmp_path / "few.yaml").write_text(FEW)

    def run(*arguments: str, output: Path = tmp_path / "model") -> Path:
        few = ["--config", str(tmp_path / "few.yaml"), "--set", "steps=2", "--max-keypoints", "60", "--threads", "1"]
        main(["train", str(photos), str(output), *few, *arguments])
        return output

    return run


def test_photos_and_their_copies_become_a_model(
    train: Callable[..., Path], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    main(["stylize", str(photos), str(tmp_path / "copies"), "--copies", "2", "--set", "strength=0.5"])
    assert capsys.readouterr().out == f"{tmp_path / 'copies'}: 12 copies\n"
    assert {row.method for row in read_copies(tmp_path / "copies")} == {"relighting"}
    changes = ("--set", "loss.negatives=in_batch", "--set", "steerer=true")
    output = train("--stylized", str(tmp_path / "copies"), *changes, "--seed", "3")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{output / 'model.safetensors'}: step ") and "accuracy 0." in lines[0]
    card = read_card(output / "model.safetensors")
    assert card["steerer"]["photos"] == 6
    assert card["seed"] == 3 and card["settings"]["steps"] == 2 and card["settings"]["batch_size"] == 2
    assert card["settings"]["loss"]["negatives"] == "in_batch" and card["data"]["stylized_hash"]
    assert (output / "training.png").stat().st_size > 10_000
    with FeatureReader(output / "keypoints" / "sift.h5") as reader:
        assert len(reader.names()) == 6 and len(reader.read("0.png")) == 60


def test_what_was_made_is_used_again(
    train: Callable[..., Path], photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    detected = []
    detect = from_photos.detect_keypoints
    monkeypatch.setattr(from_photos, "detect_keypoints", lambda *a, **b: (detected.append(a[2]), detect(*a, **b)))
    monkeypatch.setattr(from_photos, "train_distributed", lambda *a, **b: (_ for _ in ()).throw(HndescError("stop")))
    for _ in range(2):
        with pytest.raises(SystemExit):
            train()
    assert detected == ["sift"]
    with pytest.raises(SystemExit):
        train("--resize-max", "100")
    write_image(photos / "0.png", textured(9, 120, 96))
    with pytest.raises(SystemExit):
        train("--resize-max", "100")
    assert detected == ["sift"] * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "step=3"], "'step' is unknown; did you mean 'steps'?"),
        (["--set", "steps"], "write KEY=VALUE"),
        (["--set", "loss.kind=hinge"], "'loss.kind' is 'hinge'"),
        (["--config", "{folder}/other.yaml"], "other.yaml: has no section 'training'"),
    ],
)
def test_a_wrong_setting_is_named(
    train: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture, arguments: list[str], message: str
) -> None:
    (tmp_path / "other.yaml").write_text("photos: here\n")
    with pytest.raises(SystemExit) as stopped:
        train(*(one.format(folder=tmp_path) for one in arguments))
    assert stopped.value.code == 1 and message in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_no_output_is_lost(
    train: Callable[..., Path], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for output, message in ((photos / "model", "overlaps with the input"), (tmp_path / "few.yaml", "not a folder")):
        with pytest.raises(SystemExit):
            train(output=output)
        assert message in capsys.readouterr().err
    (tmp_path / "model").mkdir()
    for name, message in (("model.safetensors", "has been trained"), ("training_inputs.json", "not made by hndesc")):
        mine = tmp_path / "model" / name
        mine.write_text('{"mine": 1}')
        with pytest.raises(SystemExit):
            train()
        assert message in capsys.readouterr().err and mine.read_text() == '{"mine": 1}'
        mine.unlink()


def test_settings_are_laid_over_each_other(tmp_path: Path) -> None:
    for name, text in (("a", "{steps: 1, loss: {k: 3, bins: 9}}"), ("b", "{loss: {k: 4}}")):
        (tmp_path / f"{name}.yaml").write_text(f"training: {text}\n")
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    found = read_section(files, ["loss.kind=triplet", "detectors=[sift, disk]"], "training")
    assert found == {"steps": 1, "loss": {"k": 4, "bins": 9, "kind": "triplet"}, "detectors": ["sift", "disk"]}
