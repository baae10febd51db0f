"""A job from photos to a model, on a rendered wall whose cameras are known and on measured photographs."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from hndesc.cli.main import main
from hndesc.cli.reconstruction import _report
from hndesc.datasets.listing import list_images
from hndesc.datasets.localization.posed import read_cameras
from hndesc.datasets.localization.pycolmap_border import pycolmap, to_pose
from hndesc.errors import HndescError
from hndesc.evaluation.reconstruction.metrics import position_figures
from hndesc.extraction.extractor import Extractor
from hndesc.localization import matches as matching
from hndesc.reconstruction import mapping
from hndesc.reconstruction.photos import reconstruct_photos
from tests.fixtures.corner import photograph_corner
from tests.fixtures.sharing import make_once

SETTINGS = {"extraction": {"descriptor": "sift", "max_keypoints": 800}}


@pytest.fixture(scope="module")
def corner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight photos of a textured corner, with their cameras."""
    return make_once(tmp_path_factory, "corner", photograph_corner)


def read_poses(folder: Path) -> dict:
    model = pycolmap.Reconstruction(folder)
    return {image.name: to_pose(image.cam_from_world()) for image in model.images.values()}


def test_photos_become_a_model_that_agrees_with_the_cameras(
    corner: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    output = tmp_path / "out"
    arguments = ["--model", "sift", "--max-keypoints", "800", "--threads", "1"]
    main(["reconstruct", str(corner / "images"), str(output), *arguments])
    summary = json.loads((output / "reconstruction.json").read_text())
    assert summary["registered"] == summary["images"] == 8 and len(summary["models"]) == 1
    assert summary["guessed_focal_lengths"] == []  # from EXIF data
    largest = summary["models"][0]
    assert largest["points"] > 200 and largest["mean_reprojection_error"] < 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "8 of 8 photos registered" and f"{largest['points']:,} points" in lines[1]
    errors = position_figures(read_poses(output / "sparse" / "0"), read_cameras(corner / "cameras.tsv")[1])
    assert errors["median_position_share"] < 0.005 and errors["median_rotation_error"] < 1
    with open(output / "sparse" / "0" / "points.ply", "rb") as stream:
        assert stream.readline() == b"ply\n"
    for name in ("model.png", "model.html"):
        assert (output / "sparse" / "0" / name).stat().st_size > 10_000
    for name in ("database.db", "features.h5", "matches.h5", "pairs.txt"):
        assert (output / name).is_file()


def interrupt(monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, name, interrupted)


def test_every_stage_resumes(corner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "out"
    counts = {"detect": 0, "match": 0, "verify": 0}
    detect, match = Extractor.__call__, matching._Matcher.__call__
    verify = pycolmap.estimate_two_view_geometry

    def counted(name: str, original: object, limit: int | None = None):
        def work(*arguments: object):
            if limit is not None and counts[name] == limit:
                raise KeyboardInterrupt
            counts[name] += 1
            return original(*arguments)

        return work

    def run(**limits: int | None) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Extractor, "__call__", counted("detect", detect, limits.get("detect")))
            patch.setattr(matching._Matcher, "__call__", counted("match", match, limits.get("match")))
            patch.setattr(matching, "_BATCH", 4)
            patch.setattr(mapping, "_BATCH", 4)
            patch.setattr(
                mapping.pycolmap, "estimate_two_view_geometry", counted("verify", verify, limits.get("verify"))
            )
            reconstruct_photos(corner / "images", output, **SETTINGS)

    for limits in ({"detect": 3}, {"match": 10}, {"verify": 10}):
        with pytest.raises(KeyboardInterrupt):
            run(**limits)
        assert not output.exists()
    run()
    assert output.exists()
    # Each photo is detected once, and of a batch of pairs no more than the one that was interrupted is worked on twice.
    assert counts["detect"] == 8 and 28 <= counts["match"] <= 32 and 28 <= counts["verify"] <= 32


@pytest.mark.slow
def test_mapping_resumes_at_a_snapshot(
    corner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mapping, "_SNAPSHOT", 2)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt(patch, mapping, "_write_finished")
        reconstruct_photos(corner / "images", tmp_path / "out", **SETTINGS)
    caplog.set_level(logging.INFO)
    summary = reconstruct_photos(corner / "images", tmp_path / "out", **SETTINGS)
    assert "resuming an interrupted run with" in caplog.text
    assert summary["registered"] == 8 and len(summary["models"]) == 1


@pytest.mark.slow
def test_other_settings_and_photos_start_over(corner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt(patch, mapping.pycolmap, "incremental_mapping")
        reconstruct_photos(corner / "images", tmp_path / "out", **SETTINGS)
    changed = {"extraction": SETTINGS["extraction"] | {"max_keypoints": 700}}
    summary = reconstruct_photos(corner / "images", tmp_path / "out", **changed)
    assert summary["features"]["detector"]["max_keypoints"] == 700 and summary["counts"]["keypoints"] <= 5600


def test_two_scenes_give_two_models(corner: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photograph_corner(tmp_path / "other", seed=5, count=4)
    photos.mkdir()
    for name, root in (("a", corner), ("b", tmp_path / "other")):
        (photos / name).symlink_to(root / "images")
    few = {"extraction": SETTINGS["extraction"] | {"max_keypoints": 300}}
    summary = reconstruct_photos(photos, tmp_path / "out", **few)
    assert [model["images"] for model in summary["models"]] == [8, 4] and not summary["not_registered"]
    assert {Path(name).parts[0] for name in read_poses(tmp_path / "out" / "sparse" / "1")} == {"b"}


def test_photos_without_overlap_give_no_model(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for seed in (1, 2, 3):
        photograph_corner(tmp_path / str(seed), seed=seed, count=1)
        (tmp_path / str(seed) / "images" / "0.jpg").rename(photos / f"{seed}.jpg")
    with pytest.raises(SystemExit):
        main(["reconstruct", str(photos), str(tmp_path / "out"), "--model", "sift", "--max-keypoints", "200"])
    found = capfd.readouterr()
    assert "0 of 3 photos registered" in found.out and ".cc:" not in found.err  # no message of COLMAP's own
    assert json.loads((tmp_path / "out" / "reconstruction.json").read_text())["not_registered"] == [
        "1.jpg",
        "2.jpg",
        "3.jpg",
    ]


def test_a_folder_of_the_users_stays(corner: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(HndescError, match="was not made by"):
        reconstruct_photos(corner / "images", tmp_path / "out", **SETTINGS)
    with pytest.raises(HndescError, match="overlaps with the input"):
        reconstruct_photos(corner / "images", corner / "images" / "out", **SETTINGS)


def test_missing_weights_are_named(corner: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ["--detector", "superpoint", "--detector-weights", str(tmp_path / "w.npz")]
    with pytest.raises(SystemExit, match="1"):
        main(["reconstruct", str(corner / "images"), str(tmp_path / "out"), *arguments])
    assert "w.npz" in capsys.readouterr().err


def test_copies_of_a_photo_are_said_to_show_no_depth(
    corner: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "photos").mkdir()
    for name in "ab":
        shutil.copy(corner / "images" / "0.jpg", tmp_path / "photos" / f"{name}.jpg")
    with pytest.raises(SystemExit, match="1"):
        main(["reconstruct", str(tmp_path / "photos"), str(tmp_path / "out"), "--model", "sift"])
    assert "1 matching pair of photos without depth" in capsys.readouterr().err


@pytest.mark.parametrize(("count", "end"), [(10, "9.jpg"), (12, "9.jpg and 2 more, named in reconstruction.json")])
def test_few_of_many_photos_without_a_pose_are_named(count: int, end: str) -> None:
    names = [f"{number}.jpg" for number in range(count)]
    summary = {"registered": 0, "images": count, "not_registered": names, "models": []}
    line = _report(summary, Path("out"))[1]
    assert line.startswith("not registered: 0.jpg, 1.jpg") and line.endswith(end)


def test_mistakes_leave_nothing_behind(corner: Path, tmp_path: Path) -> None:
    mistakes = [
        {"pairing": {"exhaustive": 0, "similar": 0, "sequential": 0}},
        {"pairing": {"exhaustive": 0, "descriptor": "none"}},
        {"extraction": {"descriptor": "none"}},
        {"extraction": {"descriptor": "sift", "detector": "none"}},
    ]
    for settings in mistakes:
        with pytest.raises(HndescError, match=r"give no pairs|none"):
            reconstruct_photos(corner / "images", tmp_path / "out", **settings)
    assert [path.name for path in tmp_path.iterdir()] == [".out.part"]  # at most one folder, which the next run fills


def test_a_single_photo_is_too_few(tmp_path: Path) -> None:
    photograph_corner(tmp_path / "one", count=1)
    with pytest.raises(HndescError, match="images: 1 photo, and two are needed"):
        reconstruct_photos(tmp_path / "one" / "images", tmp_path / "out", **SETTINGS)


def test_photos_turned_by_their_tag_are_reconstructed_as_they_are_stored(corner: Path, tmp_path: Path) -> None:
    photograph_corner(tmp_path / "turned", orientation=6, count=4)
    summary = reconstruct_photos(tmp_path / "turned" / "images", tmp_path / "out", **SETTINGS)
    assert summary["registered"] == 4 and summary["counts"]["images_of_other_size"] == 0
    poses = read_poses(tmp_path / "out" / "sparse" / "0")
    errors = position_figures(poses, read_cameras(tmp_path / "turned" / "cameras.tsv")[1])
    assert errors["median_position_share"] < 0.01 and errors["median_rotation_error"] < 2
    assert {entry.orientation for entry in list_images(tmp_path / "turned" / "images")} == {6}


@pytest.mark.slow
@pytest.mark.golden
@pytest.mark.parametrize("scene", ["fountain-P11", "entry-P10"])
def test_measured_cameras(shared: Path, tmp_path: Path, scene: str) -> None:
    root = shared / "data" / "strecha" / scene
    settings = {"extraction": {"max_keypoints": 4096, "resize_max": 1600}, "threads": 2}
    summary = reconstruct_photos(root / "images", tmp_path / "out", **settings)
    assert summary["registered"] == summary["images"]
    errors = position_figures(read_poses(tmp_path / "out" / "sparse" / "0"), read_cameras(root / "cameras.tsv")[1])
    print(scene, {name: value for name, value in errors.items() if name != "errors"})
    assert np.isfinite(errors["median_position_share"]) and errors["median_position_share"] < 0.005
