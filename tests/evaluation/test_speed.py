"""Measurements of speed, and the command that prints them."""

import json
from pathlib import Path

import numpy as np
import pytest

from hndesc.cli.main import main
from hndesc.evaluation.speed import least_times, made_image
from hndesc.io.images import write_image

FEW = ["--keypoints", "40", "--seconds", "0.01"]


def test_the_table_has_every_step(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    output = tmp_path / "speed.json"
    chosen = ["--size", "96x80", "--detectors", "sift", "--models", "sift", "hndesc-lite", "--output", str(output)]
    main(["bench", *FEW, *chosen])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("96 x 80 pixels, 1 thread, networks on ")
    assert [line.split()[:2] for line in lines[2:-1]] == [
        ["detect", "sift"],
        ["describe", "sift"],
        ["match", "sift"],
        ["describe", "hndesc-lite"],
        ["match", "hndesc-lite"],
    ]
    assert lines[5].endswith("40 x 192") and lines[-1] == str(output)
    record = json.loads(output.read_text())
    assert record["size"] == [96, 80] and record["threads"] == 1
    assert all(row["processor"] > 0 and row["wall"] > 0 for row in record["milliseconds"])


def test_what_lacks_weights_is_left_out_unless_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)  # without fetched weights
    write_image(tmp_path / "a.png", made_image(64, 48))
    main(["bench", "a.png", *FEW, "--models"])
    found = capsys.readouterr()
    assert "64 x 48 pixels" in found.out and "sift" in found.out and "superpoint" not in found.out
    assert "left out, since weights or packages are missing" in found.err and "superpoint" in found.err
    with pytest.raises(SystemExit):
        main(["bench", "a.png", *FEW, "--detectors", "superpoint"])
    assert "superpoint needs its pretrained weights" in capsys.readouterr().err


def test_the_first_repetition_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    monkeypatch.setattr("time.process_time", lambda: 2 * clock[0])
    durations = iter([1.0, 9.0, 5.0, 7.0])

    def work() -> str:
        clock[0] += next(durations)
        return "done"

    assert least_times(work, 20.0) == (10_000.0, 5_000.0, "done")


def test_a_made_image_has_detail_at_every_scale() -> None:
    image = made_image(200, 120).astype(float)
    assert image.shape == (120, 200, 3)
    for step in (1, 4, 16):
        assert np.abs(image[:, step:] - image[:, :-step]).mean() > 10
