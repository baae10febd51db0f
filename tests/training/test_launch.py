"""Several processes that the launcher starts: the model of one process, one clear error, and no orphans."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from hndesc.errors import HndescError
from hndesc.models.checkpoint import load_checkpoint, read_card
from hndesc.training import launch
from hndesc.training.launch import train_distributed

SETTINGS = {
    "architecture": "lite",
    "steps": 6,
    "batch_size": 4,
    "crop_size": 48,
    "max_keypoints": 30,
    "learning_rate": 1e-4,
    "workers": 0,
    "save_every": 2,
    "log_every": 1,
    "device": "cpu",
    "validation": {"every": 3, "pairs": 4},
    "steerer": True,
}

ALONE = """
import json, sys
from hndesc.training.launch import train_distributed
train_distributed(2, None, 2, **json.loads(sys.argv[1]))
"""


def arguments_of(data, folder: Path) -> dict[str, str | None]:
    return {
        "photos": str(data.photos),
        "keypoints": str(data.keypoints),
        "stylized": str(data.stylized),
        "neighbors": None,
        "output": str(folder / "model.safetensors"),
        "initial": str(folder / "initial.safetensors"),
        "history": str(folder / "history.csv"),
        "state": str(folder / "state"),
        "record": str(folder / "validation.npz"),
    }


@pytest.fixture(scope="module")
def many(make_data, tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("many"), count=8)


@pytest.fixture(scope="module")
def whole(many, tmp_path_factory) -> Path:
    """A run of two processes that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    train_distributed(2, folder / "log.txt", 2, **arguments_of(many, folder), **SETTINGS)
    return folder


def losses(folder: Path) -> list[float]:
    with open(folder / "history.csv", newline="") as stream:
        return [float(row["loss"]) for row in csv.DictReader(stream) if row["loss"]]


@pytest.mark.slow
def test_two_processes_train_the_model_of_one(many, whole, tmp_path) -> None:
    train_distributed(1, **arguments_of(many, tmp_path), **SETTINGS)
    assert len(losses(tmp_path)) == 6
    assert losses(whole) == pytest.approx(losses(tmp_path), abs=1e-4)
    one, two, first = (
        dict(load_checkpoint(path)[0].requires_grad_(False).named_parameters())
        for path in (tmp_path / "model.safetensors", whole / "model.safetensors", whole / "initial.safetensors")
    )
    apart, moved = (sum(float((one[k] - other[k]).double().norm() ** 2) for k in one) for other in (two, first))
    assert apart < 1e-3 * moved
    fits = [read_card(folder / "model.safetensors")["steerer"] for folder in (tmp_path, whole)]
    assert fits[0]["keypoints"] == fits[1]["keypoints"] > 0
    np.testing.assert_allclose(fits[0]["cosine"], fits[1]["cosine"], atol=1e-3)
    assert (whole / "validation.npz").exists()


@pytest.mark.slow
def test_the_log_is_of_the_first_process(whole) -> None:
    log = (whole / "log.txt").read_text()
    assert log.count("photos for training") == 1
    assert log.count("step 6: validation loss") == 1


@pytest.mark.slow
def test_killed_it_leaves_no_process_behind_and_resumes(many, whole, tmp_path) -> None:
    arguments = arguments_of(many, tmp_path)
    command = [sys.executable, "-c", ALONE, json.dumps(arguments | SETTINGS)]
    parent = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not (tmp_path / "state" / "state.pt").exists():
        assert parent.poll() is None
        time.sleep(0.02)
    children = _children(parent.pid)
    assert len(children) == 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _ in range(200):
        if not any(_alive(child) for child in children):
            break
        time.sleep(0.05)
    assert not any(_alive(child) for child in children)
    assert not (tmp_path / "model.safetensors").exists()
    train_distributed(2, tmp_path / "log.txt", 2, **arguments, **SETTINGS)
    assert "training resumes from step" in (tmp_path / "log.txt").read_text()
    assert (tmp_path / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def _children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.slow
def test_an_error_for_the_user_comes_back_as_one(many, tmp_path) -> None:
    with pytest.raises(HndescError, match=r"^training setting 'nonsense' is unknown"):
        train_distributed(2, **arguments_of(many, tmp_path), **SETTINGS, nonsense=1)


@pytest.mark.parametrize(("processes", "batch_size", "expected"), [(4, 16, 4), (3, 16, 2), (2, 7, 1), (8, 6, 6)])
def test_the_batch_is_divided_evenly(processes, batch_size, expected, caplog) -> None:
    assert launch.divide(processes, batch_size) == expected
    assert ("is not divisible" in caplog.text) == (expected < processes)


@pytest.mark.slow
def test_an_unexpected_error_comes_with_its_traceback(many, tmp_path) -> None:
    arguments = arguments_of(many, tmp_path) | {"history": None}
    with pytest.raises(RuntimeError, match=r"a training process failed:\nTraceback"):
        train_distributed(2, **arguments, **(SETTINGS | {"steps": 1}))


def test_a_process_that_is_killed_ends_the_others(many, tmp_path, monkeypatch) -> None:
    def kill_one(workers):
        workers[1].kill()
        return watch(workers)

    watch = launch._watch
    monkeypatch.setattr(launch, "_watch", kill_one)
    monkeypatch.setattr(launch, "_GRACE", 0.5)
    with pytest.raises(HndescError, match="training process 1 was ended by signal 9"):
        train_distributed(2, **arguments_of(many, tmp_path), **SETTINGS)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (HndescError("photos: none"), HndescError, r"^photos: none$"),
        (KeyError("x"), RuntimeError, r"a training process failed:\nTraceback[\s\S]*KeyError: 'x'"),
    ],
)
def test_what_ends_a_process_is_raised_by_the_launcher(error, kind, message, tmp_path, monkeypatch) -> None:
    def fail(**arguments) -> None:
        assert arguments == {"seed": 5}
        raise error

    monkeypatch.setattr(launch, "train", fail)
    monkeypatch.setattr(launch, "_end_with_parent", lambda: None)
    monkeypatch.setattr(launch, "step", lambda *_, **__: nullcontext())  # leaves the log of the tests
    monkeypatch.setenv("RANK", "0")
    (tmp_path / "job.json").write_text(json.dumps({"log": None, "threads": None, "arguments": {"seed": 5}}))
    with pytest.raises(SystemExit) as ended:
        launch._work(tmp_path)
    assert ended.value.code == 1
    with pytest.raises(kind, match=message):
        launch._raise_failure(tmp_path, [-9 if kind is HndescError else 1, 1])


def test_processes_that_end_without_a_word_are_an_error(tmp_path) -> None:
    launch._raise_failure(tmp_path, [0, 0])
    with pytest.raises(RuntimeError, match=r"exit status \[0, 3\]"):
        launch._raise_failure(tmp_path, [0, 3])
