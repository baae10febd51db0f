"""The training step from files to files; killed in the middle it ends with the same weights."""

import csv
import json
import signal
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.nn import functional

from hndesc.datasets.listing import list_images
from hndesc.errors import HndescError
from hndesc.extraction.steerer import fit_steerer
from hndesc.io.images import read_image, write_image
from hndesc.io.locks import writing
from hndesc.models.checkpoint import load_checkpoint, read_card, save_checkpoint
from hndesc.models.initial_weights import build_model
from hndesc.retrieval.neighbor_table import write_neighbors
from hndesc.training import train as training
from hndesc.training.data import PairBatches
from hndesc.training.settings import training_settings
from hndesc.training.sources import TrainingPhotos
from hndesc.training.train import train
from tests.fixtures.commands import commands

ROOT = Path(__file__).resolve().parents[2]

SETTINGS = {
    "architecture": "lite",
    "steps": 6,
    "batch_size": 2,
    "crop_size": 48,
    "max_keypoints": 30,
    "learning_rate": 1e-2,
    "workers": 0,
    "save_every": 2,
    "device": "cpu",
    "validation": {"every": 3, "pairs": 2},
}
# Kills itself in the update of a step, in the fit of the steerer, or between writing a state and giving it its name.
KILLED = """
import os, signal, sys, json
import torch, cv2
torch.set_num_threads(1)
cv2.setNumThreads(1)
from hndesc.extraction import steerer
from hndesc.training import state, train, trainer
where, number, arguments, settings = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]), json.loads(sys.argv[4])
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
if where == "update":
    update = trainer.Trainer._update
    def wrapped(self, stream):
        result = update(self, stream)
        if self.step == number:
            kill()
        return result
    trainer.Trainer._update = wrapped
elif where == "fit":
    steerer._quarter_turns = lambda turned: kill()
else:
    save = torch.save
    def wrapped(content, path):
        save(content, path)
        if content["step"] == number:
            kill()
    state.torch.save = wrapped
train.train(**arguments, **settings)
"""


def kill(where: str, number: int, arguments: Mapping[str, object], settings: Mapping[str, object]) -> None:
    """Train in a process that is killed."""
    texts = where, str(number), json.dumps(arguments), json.dumps(settings)
    done = commands("torch", "cv2", "h5py").run("-c", KILLED, *texts, folder=ROOT)
    assert done.returncode == -signal.SIGKILL, done.stderr


def arguments_of(data, folder, stylized=True) -> dict[str, str | None]:
    return {
        "photos": str(data.photos),
        "keypoints": str(data.keypoints),
        "stylized": str(data.stylized) if stylized else None,
        "neighbors": None,
        "output": str(folder / "model.safetensors"),
        "initial": str(folder / "initial.safetensors"),
        "history": str(folder / "history.csv"),
        "state": str(folder / "state"),
    }


def test_from_files_to_files(data, tmp_path):
    train(**arguments_of(data, tmp_path), record=tmp_path / "validation.npz", **SETTINGS)
    model, card = load_checkpoint(tmp_path / "model.safetensors")
    first, first_card = load_checkpoint(tmp_path / "initial.safetensors")
    assert any(not torch.equal(a, b) for a, b in zip(model.parameters(), first.parameters(), strict=True))
    assert (card["trained"], first_card["trained"]) == (True, False)
    assert card["settings"]["steps"] == 6
    assert card["settings"]["loss"]["bins"] == 20
    assert card["data"]["photos"] == 6
    assert card["metrics"]["step"] in (0, 3, 6)
    with open(tmp_path / "history.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows if row["validation_loss"]] == ["0", "3", "6"]
    best = min((row for row in rows if row["validation_loss"]), key=lambda row: float(row["validation_loss"]))
    assert card["metrics"]["validation_loss"] == float(best["validation_loss"])
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["tensorboard"]
    with np.load(tmp_path / "validation.npz") as record:
        assert record["first"].shape == (2, 48, 48, 3)
        assert not np.array_equal(record["untrained/positive"], record["trained/positive"])
    events = EventAccumulator(str(tmp_path / "state" / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("validation/accuracy")] == [0, 3, 6]
    assert [event.step for event in events.Images("validation/matches")] == [0, 3, 6]
    assert {"similarity/positive", "similarity/hardest_negative"} <= set(events.Tags()["histograms"])


def test_the_written_weights_are_interpolated_with_the_initial_ones(data, tmp_path) -> None:
    weights = {}
    for share in (0.0, 0.25):
        train(**arguments_of(data, tmp_path / str(share)), **SETTINGS, initial_share=share)
        weights[share] = load_checkpoint(tmp_path / str(share) / "model.safetensors")[0].state_dict()
    initial = load_checkpoint(tmp_path / "0.25" / "initial.safetensors")[0].state_dict()
    for name, values in weights[0.25].items():
        if values.is_floating_point():
            torch.testing.assert_close(values, 0.75 * weights[0.0][name] + 0.25 * initial[name])
    assert any(not torch.equal(weights[0.0][name], weights[0.25][name]) for name in initial)


def test_the_trained_weights_become_all_octaves_of_a_pyramid(data, tmp_path) -> None:
    for octaves in (False, True):
        train(**arguments_of(data, tmp_path / str(octaves)), **SETTINGS, octaves=octaves)
    for name in ("model", "initial"):
        tower = load_checkpoint(tmp_path / "False" / f"{name}.safetensors")[0]
        pyramid, card = load_checkpoint(tmp_path / "True" / f"{name}.safetensors")
        assert (pyramid.name, card["settings"]["architecture"]) == ("lite_pyramid", "lite")
        assert pyramid.dim == 3 * tower.dim
        image = torch.rand(1, 3, 64, 96)
        with torch.inference_mode():
            torch.testing.assert_close(pyramid(image)[:, : tower.dim], functional.normalize(tower(image)))


def test_the_steerer_is_that_of_fit_steerer(data, tmp_path, monkeypatch) -> None:
    """It is fitted to the pyramid that is written, which is the same as without a steerer."""
    settings = SETTINGS | {"steps": 2, "octaves": True, "half_weights": True}
    for steerer in (False, True):
        train(**arguments_of(data, tmp_path / str(steerer)), **settings, steerer=steerer)
    plain, steered, later = (tmp_path / name / "model.safetensors" for name in ("False", "True", "later"))
    fit_steerer(plain, list_images(data.photos), later)
    (model, card), (expected, later_card) = load_checkpoint(steered), load_checkpoint(later)
    assert all(torch.equal(values, model.state_dict()[name]) for name, values in load_file(plain).items())
    torch.testing.assert_close(model.steerer, expected.steerer)
    assert card["steerer"] == later_card["steerer"] and card["steerer"]["photos"] == 6
    assert not {"steerer"} & (read_card(plain).keys() | read_card(tmp_path / "True" / "initial.safetensors").keys())
    monkeypatch.setattr(training, "_STEERER_PHOTOS", 4)
    train(**arguments_of(data, tmp_path / "four"), **SETTINGS | {"steps": 1}, steerer=True)
    assert read_card(tmp_path / "four" / "model.safetensors")["steerer"]["photos"] == 4


@pytest.mark.slow
def test_killed_in_the_fit_of_the_steerer_it_resumes_after_the_last_step(data, tmp_path, caplog) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    settings = SETTINGS | {"steerer": True}
    train(**arguments_of(data, whole), **settings)
    kill("fit", 0, arguments_of(data, killed), settings)
    assert not (killed / "model.safetensors").exists()
    with caplog.at_level("INFO"):
        train(**arguments_of(data, killed), **settings)
    assert "training resumes from step 6" in caplog.text
    assert (killed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_photos_without_keypoints_for_a_steerer_cost_no_training(data, tmp_path, caplog) -> None:
    for place in data.photos.glob("set/*.png"):
        write_image(place, cv2.GaussianBlur(read_image(place), None, 20))
    arguments = arguments_of(data, tmp_path / "run")
    settings = SETTINGS | {"steps": 2}
    with pytest.raises(HndescError, match=r"model\.safetensors: no steerer was fitted.*or set steerer: false"):
        train(**arguments, **settings, steerer=True)
    assert not (tmp_path / "run" / "model.safetensors").exists()
    with caplog.at_level("INFO"):
        train(**arguments, **settings)
    assert "training resumes from step 2" in caplog.text
    assert "steerer" not in read_card(tmp_path / "run" / "model.safetensors")


def test_each_pair_is_drawn_at_the_keypoints_of_one_detector(data, tmp_path, write_keypoints) -> None:
    write_keypoints(tmp_path / "few.h5", {f"set/{number}.png": (120, 96) for number in range(6)}, count=20)
    arguments = arguments_of(data, tmp_path / "run") | {"keypoints": [str(data.keypoints), str(tmp_path / "few.h5")]}
    with pytest.raises(HndescError, match=r"training\.detectors asks for 1 file of keypoints, not 2"):
        train(**arguments, **SETTINGS)
    settings = training_settings(SETTINGS | {"detectors": ["superpoint", "sift"], "max_keypoints": 200})
    photos = TrainingPhotos(data.photos, [data.keypoints, tmp_path / "few.h5"], None, None)
    batches = PairBatches(photos, photos.names, settings)
    counts = torch.cat([batches.batch(number).counts[:2] for number in range(20)])
    assert 8 < int((counts <= 20).sum()) < 32  # of 40 pairs
    assert int(counts.max()) > 20


def test_without_logs_nothing_remains_but_the_outputs(data, tmp_path):
    train(**arguments_of(data, tmp_path / "run", stylized=False), **SETTINGS, keep_logs=False)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"model.safetensors", "model.json", "initial.safetensors", "initial.json", "history.csv"}


@pytest.mark.parametrize(("where", "number"), [pytest.param("update", 3, marks=pytest.mark.slow), ("save", 4)])
def test_killed_at_any_moment_it_ends_with_the_same_weights(data, tmp_path, where, number):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(**arguments_of(data, whole), **SETTINGS)
    arguments = arguments_of(data, killed)
    kill(where, number, arguments, SETTINGS)
    assert not (killed / "model.safetensors").exists()
    assert torch.load(killed / "state" / "state.pt", weights_only=True)["step"] == 2
    train(**arguments, **SETTINGS)
    assert (killed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_a_state_from_other_initial_weights_is_not_continued(data, tmp_path, caplog):
    start = tmp_path / "start.safetensors"
    save_checkpoint(start, build_model("lite", "random", seed=7), {})
    settings = SETTINGS | {"weights": str(start)}
    arguments = arguments_of(data, tmp_path / "run")
    kill("update", 3, arguments, settings)
    save_checkpoint(start, build_model("lite", "random", seed=8), {})
    with caplog.at_level("INFO"):
        train(**arguments, **settings)
    assert "training starts from the beginning" in caplog.text


@pytest.mark.slow
def test_a_state_of_other_data_is_not_continued(data, tmp_path, caplog, write_keypoints):
    arguments = arguments_of(data, tmp_path)
    kill("update", 3, arguments, SETTINGS)
    write_keypoints(data.keypoints, {f"set/{number}.png": (120, 96) for number in range(6)}, count=150)
    with caplog.at_level("INFO"):
        train(**arguments, **SETTINGS)
    assert "training starts from the beginning" in caplog.text
    train(**arguments_of(data, tmp_path / "fresh"), **SETTINGS)
    assert (tmp_path / "model.safetensors").read_bytes() == (tmp_path / "fresh/model.safetensors").read_bytes()


def test_a_second_training_of_the_same_state_is_refused(data, tmp_path):
    arguments = arguments_of(data, tmp_path)
    with writing(arguments["state"]), pytest.raises(HndescError, match="state: another run is writing this"):
        train(**arguments, **SETTINGS)
    assert not (tmp_path / "initial.safetensors").exists()


def test_similar_photos_are_negatives(data, tmp_path):
    table = tmp_path / "neighbors.tsv"
    write_neighbors(table, [(f"set/{n}.png", f"set/{(n + 1) % 6}.png", 0.5) for n in range(6)])
    settings = SETTINGS | {"loss": {"negatives": "in_batch_global"}}
    arguments = arguments_of(data, tmp_path)
    with pytest.raises(HndescError, match="'in_batch_global' needs a neighbor table"):
        train(**arguments, **settings)
    train(**(arguments | {"neighbors": str(table)}), **settings)
    assert "neighbors_hash" in load_checkpoint(tmp_path / "model.safetensors")[1]["data"]


def test_too_few_photos(make_data, tmp_path):
    few = make_data(tmp_path / "few", count=3)
    with pytest.raises(HndescError, match="3 usable photos are too few"):
        train(**arguments_of(few, tmp_path), **SETTINGS)
    settings = SETTINGS | {"loss": {"negatives": "in_pair"}, "steps": 1}
    train(**arguments_of(few, tmp_path), **settings)
    assert (tmp_path / "model.safetensors").exists()


def test_an_unknown_setting_or_architecture_is_named_before_anything_is_read(data, tmp_path):
    arguments = arguments_of(data, tmp_path) | {"photos": "nowhere"}
    with pytest.raises(HndescError, match="'learningrate'"):
        train(**arguments, **SETTINGS, learningrate=1e-3)
    with pytest.raises(HndescError, match="nowhere"):
        train(**arguments, **SETTINGS)
    with pytest.raises(HndescError, match="'architecture' is 'liter'; did you mean 'lite'"):
        train(**arguments, **(SETTINGS | {"architecture": "liter"}))
