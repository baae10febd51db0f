import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hndesc.datasets.localization.pycolmap_border import pycolmap, to_pose
from hndesc.errors import HndescError
from hndesc.io.features import FeatureReader
from hndesc.io.markers import MARKER
from hndesc.io.owned_folders import open_part_folder, replace_folder
from hndesc.localization.mapping import DATABASE, MODEL, STEP, SUMMARY, MapperSettings, build_map
from tests.fixtures.synthetic import Mapped, Synthetic, map_scene, write_features


def read_model(folder: Path) -> "pycolmap.Reconstruction":
    return pycolmap.Reconstruction(folder / MODEL)


def test_settings_reach_colmap() -> None:
    options = MapperSettings(filter_max_reproj_error=5.0).options(seed=3)
    mapper = options.get_mapper()
    assert (options.min_num_matches, options.ba_local_max_num_iterations) == (4, 50)
    assert (mapper.init_min_num_inliers, mapper.abs_pose_min_num_inliers) == (4, 4)
    assert (mapper.abs_pose_min_inlier_ratio, mapper.abs_pose_max_error) == (0.05, 20.0)
    assert mapper.filter_max_reproj_error == 5.0
    assert (mapper.random_seed, mapper.num_threads) == (3, 1)
    assert not mapper.abs_pose_refine_focal_length and not mapper.abs_pose_refine_extra_params
    adjustment = options.get_global_bundle_adjustment()
    assert not (adjustment.refine_focal_length or adjustment.refine_principal_point or adjustment.refine_extra_params)


def test_points_are_where_they_are(mapped: Mapped) -> None:
    model = read_model(mapped.folder)
    seen = mapped.scene.seen["db/0.jpg"]
    image = model.find_image_with_name("db/0.jpg")
    errors = [
        np.linalg.norm(model.points3D[point.point3D_id].xyz - mapped.scene.points[seen[row]])
        for row, point in enumerate(image.points2D)
        if point.has_point3D()
    ]
    assert len(errors) == model.num_points3D() == 200
    assert max(errors) < 1e-5


def test_poses_and_cameras_stay_as_they_are_given(make, tmp_path: Path) -> None:
    mapped = map_scene(make(noise=1.0), tmp_path)
    model = read_model(mapped.folder)
    assert model.num_reg_images() == model.num_images() == 8
    for image in model.images.values():
        pose, truth = to_pose(image.cam_from_world()), mapped.scene.poses[image.name]
        assert np.allclose(pose.rotation, truth.rotation, atol=1e-12)
        assert np.allclose(pose.translation, truth.translation, atol=1e-12)
    assert all((camera.params == [500, 320, 240, 0]).all() for camera in model.cameras.values())


def test_summary_has_the_figures(mapped: Mapped) -> None:
    summary = json.loads((mapped.folder / SUMMARY).read_text())
    assert summary["figures"]["images"] == 8 and summary["figures"]["points"] == 200
    assert summary["figures"]["mean_track_length"] == 8.0
    assert 0 < summary["figures"]["mean_reprojection_error"] < 1e-4
    assert summary["counts"] == {
        "images": 15,
        "keypoints": 3000,
        "images_without_features": 0,
        "images_of_other_size": 0,
        "listed_pairs": 63,
        "matched_pairs": 63,
        "verified_pairs": 63,
    }
    assert summary["features"] == {"detector": "exact"}
    assert summary["settings"]["abs_pose_max_error"] == 20.0


def test_reprojection_error_is_that_of_the_noise(make, tmp_path: Path) -> None:
    figures = json.loads((map_scene(make(noise=0.5), tmp_path).folder / SUMMARY).read_text())["figures"]
    # The mean length of a 2-D Gaussian is sigma * sqrt(pi / 2); fitting a point to 8 views takes some of it away.
    assert 0.8 * 0.627 < figures["mean_reprojection_error"] < 0.627


def test_only_what_is_complete_is_seen_and_an_old_map_is_replaced(make, tmp_path: Path) -> None:
    scene = make()
    with replace_folder(tmp_path / "map", STEP) as part:
        (part / "old").touch()
    (open_part_folder(tmp_path / "map", STEP) / DATABASE).touch()
    map_scene(scene, tmp_path)
    assert sorted(path.name for path in (tmp_path / "map").iterdir()) == [MARKER, DATABASE, SUMMARY, MODEL]
    assert not list(tmp_path.glob(".map.*"))


def test_a_scene_that_cannot_be_triangulated_is_reported(
    exact: Synthetic, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with FeatureReader(exact.features) as reader:
        write_features(tmp_path / "f.h5", {n: reader.read(n).take(np.arange(0)) for n in reader.names()})
    mapped = map_scene(exact, tmp_path, tmp_path / "f.h5")
    figures = json.loads((mapped.folder / SUMMARY).read_text())["figures"]
    assert figures == {"images": 8, "points": 0, "mean_track_length": None, "mean_reprojection_error": None}
    assert "scene: no point could be triangulated" in caplog.text


def test_an_unknown_setting_is_named(mapped: Mapped, tmp_path: Path) -> None:
    with pytest.raises(HndescError, match="unknown setting 'max_trials' of localization; choose from: min_num_matches"):
        build_map(mapped.scene.root, mapped.scene.features, mapped.matches, tmp_path / "map", max_trials=3)


def test_same_map_twice_on_two_threads(make, tmp_path: Path) -> None:
    scene = make(noise=0.5, keypoints=120)
    first = map_scene(scene, tmp_path / "0")
    build_map(scene.root, scene.features, first.matches, tmp_path / "1" / "map", threads=2)
    for name in ("points3D.bin", "images.bin"):
        assert (first.folder / MODEL / name).read_bytes() == (tmp_path / "1" / "map" / MODEL / name).read_bytes()


@pytest.mark.parametrize("name", ["points3D.bin", "images.bin", "frames.bin", "rigs.bin", "cameras.bin"])
@pytest.mark.parametrize("method", ["pnp", "registration"])
def test_a_model_that_is_not_the_one_written_is_refused(mapped: Mapped, tmp_path: Path, name: str, method: str) -> None:
    folder = tmp_path / "map"
    shutil.copytree(mapped.folder, folder)
    data = (folder / MODEL / name).read_bytes()
    for changed in (data[: len(data) // 2], b"\xff" * 8 + data[8:], data + b"\0"):
        (folder / MODEL / name).write_bytes(changed)
        with pytest.raises(HndescError, match=r"map/model: not the model that map\.json describes"):
            replace(mapped, folder=folder).localize(tmp_path, method=method)


def test_photos_that_do_not_fit_their_poses_are_warned_about(
    make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene = make(noise=0.5)
    map_scene(scene, tmp_path / "right")
    assert "matches agree with the poses" not in caplog.text
    with FeatureReader(scene.features) as reader:
        entries = {name: reader.read(name) for name in reader.names()}
    for entry in entries.values():  # as if the photos had been turned by 180 degrees
        entry.keypoints[:] = np.array(entry.image_size) - 1 - entry.keypoints
    write_features(tmp_path / "turned.h5", entries)
    record = map_scene(scene, tmp_path / "turned", tmp_path / "turned.h5").localize(tmp_path)
    assert "of the verified matches agree with the poses: were images rotated" in caplog.text
    wrong = sum(count["localized"] for count in record["figures"]["localized"].values())
    assert not wrong or "localized queries have errors above" in caplog.text
