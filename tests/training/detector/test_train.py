"""Training of the detector: it learns, resumes to equal weights, and its file is a detector."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from hndesc.cli.main import main
from hndesc.detectors import load_detector
from hndesc.errors import HndescError
from hndesc.io.images import read_image
from hndesc.models.keypoint_network import load_weights, read_detector_card
from hndesc.training.detector.train import DetectorTrainer, train_detector

FEW = {
    "steps": 4,
    "batch_size": 2,
    "crop_size": 64,
    "validation_pairs": 2,
    "validate_every": 2,
    "save_every": 1,
    "workers": 0,
    "cache_megabytes": 8,
    "held_out": 0.3,
    "device": "cpu",
}


def weights(path: Path) -> torch.Tensor:
    return torch.cat([values.flatten().double() for values in load_weights(path)[0].state_dict().values()])


def test_notes_beside_the_detector_are_kept(data, tmp_path: Path) -> None:
    notes = tmp_path / "detector.csv"
    notes.write_text("step,to do\n")
    with pytest.raises(HndescError, match=r"detector\.csv: exists and was not made by hndesc"):
        train_detector(data.photos, tmp_path / "detector.safetensors", **FEW)
    assert notes.read_text() == "step,to do\n"


def test_training_writes_a_detector(data, tmp_path: Path) -> None:
    output = tmp_path / "out" / "detector.safetensors"
    found = train_detector(data.photos, output, **FEW, seed=3)
    card = read_detector_card(output)
    assert card["settings"]["seed"] == 3 and card["photos"] == 6 and card["metrics"] == found
    assert str(tmp_path) not in str(card)
    with open(output.with_suffix(".csv"), encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows] == ["2", "4"] and 0 <= float(rows[-1]["repeatability"]) <= 1
    assert {path.name for path in output.parent.iterdir() if path.name[0] != "."} == {output.name, "detector.csv"}
    detected = load_detector("hndesc", output, max_keypoints=20).detect(read_image(data.photos / "set" / "0.png"))
    assert len(detected) == 20


def test_interrupted_training_ends_with_equal_weights(data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_detector(data.photos, tmp_path / "whole.safetensors", **FEW)
    update = DetectorTrainer._update

    def stop(self, batch):
        if self.step == 3:
            raise KeyboardInterrupt
        return update(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(DetectorTrainer, "_update", stop)
        with pytest.raises(KeyboardInterrupt):
            train_detector(data.photos, tmp_path / "parts.safetensors", **FEW)
    assert not (tmp_path / "parts.safetensors").exists()
    steps = []
    monkeypatch.setattr(DetectorTrainer, "_update", lambda self, batch: steps.append(self.step) or update(self, batch))
    train_detector(data.photos, tmp_path / "parts.safetensors", **FEW)
    assert steps == [3]
    assert torch.equal(weights(tmp_path / "whole.safetensors"), weights(tmp_path / "parts.safetensors"))


@pytest.mark.slow
def test_it_learns_to_find_keypoints_again(data, tmp_path: Path) -> None:
    output = tmp_path / "detector.safetensors"
    few = FEW | {"steps": 150, "validate_every": 10, "batch_size": 4, "learning_rate": 5e-3, "warmup": 10}
    train_detector(data.photos, output, **few, color={"probability": 0.3}, keypoints=30)
    with open(output.with_suffix(".csv"), encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    first, last = float(rows[0]["repeatability"]), np.mean([float(row["repeatability"]) for row in rows[-3:]])
    assert last > first + 0.15, (first, last)


def test_command_reads_the_section(data, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "few.yaml").write_text(f"detector_training: {FEW | {'steps': 100}}".replace("'", ""))
    output = tmp_path / "detector.safetensors"
    config = ["--config", str(tmp_path / "few.yaml"), "--set", "steps=1"]
    arguments = ["train-detector", str(data.photos), str(output), *config, "--seed", "5", "--threads", "1"]
    main(arguments)
    printed = capsys.readouterr().out
    assert printed.startswith(f"{output}: repeatability 0.") and "px" in printed
    assert read_detector_card(output)["settings"]["seed"] == 5
    content = output.read_bytes()
    with pytest.raises(SystemExit):
        main([*arguments, "--set", "seed=6"])
    assert "has been trained; choose another name" in capsys.readouterr().err and output.read_bytes() == content


def test_what_cannot_be_trained_is_named(data, tmp_path: Path) -> None:
    with pytest.raises(HndescError, match="detector training setting 'stepz' is unknown; did you mean 'steps'"):
        train_detector(data.photos, tmp_path / "a.safetensors", stepz=3)
    with pytest.raises(HndescError, match="must be named"):
        train_detector(data.photos, tmp_path / "a.pt")
    one = tmp_path / "one"
    one.mkdir()
    (one / "1.png").write_bytes((data.photos / "set" / "0.png").read_bytes())
    with pytest.raises(HndescError, match=r"contains 1 photo; training and validation need one each at least"):
        train_detector(one, tmp_path / "a.safetensors", **FEW)
