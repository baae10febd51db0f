"""What a dry run prints about photos and hours."""

import json
from pathlib import Path

import pytest

from hndesc.models.architectures import MODELS
from hndesc.training.estimate import expect_training, measured_speed, megapixels
from hndesc.training.settings import training_settings

SMALL = {"architecture": "lite", "steps": 200, "batch_size": 10, "crop_size": 100}


START = 300.0  # seconds before the first step


def finish(folder: Path, seconds: float, **changes) -> Path:
    """Write what a finished training leaves."""
    settings = training_settings(SMALL | changes).model_dump()
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps({"settings": settings}))
    rows = [f"{step},1,{START + seconds * step / settings['steps']}" for step in range(20, settings["steps"] + 1, 20)]
    (folder / "history.csv").write_text("\n".join(["step,loss,seconds", f"0,,{START}", *rows, ""]))
    return folder


def test_pixels_count_both_crops_and_those_of_similar_photos() -> None:
    assert megapixels(training_settings(SMALL)) == pytest.approx(200 * 20 * 0.01)
    more = {"loss": {"negatives": "in_batch_global"}, "accumulation": 3}
    assert megapixels(training_settings(SMALL | more)) == pytest.approx(200 * 3 * 30 * 0.01)


def test_speed_of_a_finished_training(tmp_path: Path) -> None:
    assert measured_speed(finish(tmp_path / "a", 120.0)) == (200, "lite", pytest.approx(3.0))
    assert measured_speed(tmp_path / "b") is None
    (tmp_path / "a" / "history.csv").write_text("step,loss\n")
    assert measured_speed(tmp_path / "a") is None


def test_start_and_validation_are_no_part_of_the_speed(tmp_path: Path) -> None:
    folder = finish(tmp_path / "a", 120.0)
    head, first, *rows = (folder / "history.csv").read_text().split()
    late = [
        f"{row.rpartition(',')[0]},{float(row.rpartition(',')[2]) + 90.0}" for row in rows[5:]
    ]  # validated for 90 s
    (folder / "history.csv").write_text("\n".join([head, first, *rows[:5], *late, ""]))
    assert measured_speed(folder) == (200, "lite", pytest.approx(3.0))


def test_a_short_training_says_nothing_and_the_longest_counts(tmp_path: Path) -> None:
    short, slow = finish(tmp_path / "short", 1.0, steps=100), finish(tmp_path / "slow", 1200.0)
    longest = finish(tmp_path / "longest", 600.0, steps=1000)
    assert measured_speed(short) is None
    for folders in ([longest, slow, short], [short, slow, longest]):
        assert "about 20 hours" in expect_training(tmp_path, "", [SMALL | {"steps": 120_000}], folders)


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
    done = finish(tmp_path / "done", 120.0)
    longer = SMALL | {"steps": 60_000}
    text = expect_training(tmp_path / "photos", "", [longer, longer, SMALL], [done])
    first, second = text.splitlines()
    assert first == f"To train on: 2 photos in {tmp_path / 'photos'}."
    # 3 s per million pixels, 20 crops of 0.01 million per step
    assert second == (
        "To train: 2 runs of 60,000 steps of lite, 1 run of 200 steps of lite; "
        "about 20 hours at the speed of earlier trainings on this machine."
    )
    assert "on two CPU cores" in expect_training(tmp_path / "photos", "", [SMALL | {"architecture": "r2d2"}], [done])
    assert "about 2 minutes at" in expect_training(tmp_path / "photos", "", [SMALL], [done])


@pytest.mark.parametrize("name", MODELS.places)
def test_every_model_has_a_speed(tmp_path: Path, name: str) -> None:
    assert "about" in expect_training(tmp_path, "", [SMALL | {"architecture": name}], [])
