"""What a dry run tells of photos and hours."""

import json
from pathlib import Path

import pytest

from hndesc.models.architectures import MODELS
from hndesc.training.estimate import expect_training, measured_speed, megapixels
from hndesc.training.settings import training_settings

SMALL = {"architecture": "lite", "steps": 100, "batch_size": 10, "crop_size": 100}


def finish(folder: Path, seconds: float, **changes) -> Path:
    """Write what a finished training leaves."""
    settings = training_settings(SMALL | changes).model_dump()
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps({"settings": settings}))
    (folder / "history.csv").write_text(f"step,loss,seconds\n0,,0\n50,1,{seconds / 2}\n100,1,{seconds}\n")
    return folder


def test_pixels_count_both_crops_and_those_of_similar_photos() -> None:
    assert megapixels(training_settings(SMALL)) == pytest.approx(100 * 20 * 0.01)
    more = {"loss": {"negatives": "in_batch_global"}, "accumulation": 3}
    assert megapixels(training_settings(SMALL | more)) == pytest.approx(100 * 3 * 30 * 0.01)


def test_speed_of_a_finished_training(tmp_path: Path) -> None:
    assert measured_speed(finish(tmp_path / "a", 60.0)) == ("lite", pytest.approx(3.0))
    assert measured_speed(tmp_path / "b") is None
    (tmp_path / "a" / "history.csv").write_text("step,loss\n")
    assert measured_speed(tmp_path / "a") is None


def test_a_missing_folder_is_described_by_the_expected_size(tmp_path: Path) -> None:
    paper = {"architecture": "caps", "steps": 220_000, "batch_size": 16, "crop_size": 256}
    text = expect_training(tmp_path / "photos", "130,000 of them", [paper], [tmp_path / "none"])
    assert text.splitlines() == [
        f"To train on: {tmp_path / 'photos'}, which does not exist yet (130,000 of them).",
        "To train: 1 run of 220,000 steps of caps; about 2,307 hours on two CPU cores, a fraction of it on a GPU "
        "(later estimates use the speed measured on this machine).",
    ]


def test_photos_are_counted_and_the_measured_speed_is_used(tmp_path: Path) -> None:
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for name in ("a.jpg", "more/b.png", "notes.txt"):
        (tmp_path / "photos" / name).touch()
    done = finish(tmp_path / "done", 60.0)
    longer = SMALL | {"steps": 60_000}
    text = expect_training(tmp_path / "photos", "", [longer, longer, SMALL], [done])
    first, second = text.splitlines()
    assert first == f"To train on: 2 photos in {tmp_path / 'photos'}."
    # 3 s per million pixels, 20 crops of 0.01 million per step
    assert second == (
        "To train: 2 runs of 60,000 steps of lite, 1 run of 100 steps of lite; "
        "about 20 hours at the speed of earlier trainings on this machine."
    )
    assert "on two CPU cores" in expect_training(tmp_path / "photos", "", [SMALL | {"architecture": "r2d2"}], [done])
    assert "about 1 minute at" in expect_training(tmp_path / "photos", "", [SMALL], [done])


@pytest.mark.parametrize("name", MODELS.places)
def test_every_model_has_a_speed(tmp_path: Path, name: str) -> None:
    assert "about" in expect_training(tmp_path, "", [SMALL | {"architecture": name}], [])
