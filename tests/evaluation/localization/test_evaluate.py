import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hndesc.datasets.localization.poses import read_poses
from hndesc.datasets.localization.readers import read_scene
from hndesc.errors import HndescError
from hndesc.evaluation.localization.evaluate import _report
from hndesc.evaluation.localization.metrics import THRESHOLDS
from hndesc.io.features import FeatureReader, FeatureWriter
from hndesc.io.owned_folders import check_output_folder
from hndesc.localization.mapping import STEP, build_map
from hndesc.localization.matches import match_pairs
from hndesc.localization.queries import count_localized
from tests.fixtures.synthetic import Mapped, Synthetic, map_scene, write_features

METHODS = ["pnp", "registration"]


def worst(record: dict) -> tuple[float, float]:
    queries = record["per_query"].values()
    return max(q["position_error"] for q in queries), max(q["rotation_error"] for q in queries)


def entries(scene: Synthetic) -> dict:
    with FeatureReader(scene.features) as reader:
        return {name: reader.read(name) for name in reader.names()}


@pytest.mark.parametrize("method", METHODS)
def test_exact_keypoints_give_exact_poses(mapped: Mapped, tmp_path: Path, method: str) -> None:
    record = mapped.localize(tmp_path, method=method)
    position, rotation = worst(record)
    # Keypoints are float32, about 3e-5 pixels; the scene is 8 units away and has a focal length of 500 pixels.
    assert position < 2e-6 and rotation < 2e-5
    assert all(query["inliers"] == 200 and query["pose_of"] is None for query in record["per_query"].values())


@pytest.mark.parametrize("method", METHODS)
def test_half_a_pixel_more_or_less_is_measurably_worse(make, tmp_path: Path, method: str) -> None:
    for shift in (0.0, 1.0):
        folder = tmp_path / str(shift)
        position, rotation = worst(map_scene(make(shift=shift), folder).localize(folder, method=method))
        assert position > 1e-3 and rotation > 1e-2


def test_poses_file_has_every_query_by_its_file_name(mapped: Mapped, tmp_path: Path) -> None:
    record = mapped.localize(tmp_path)
    poses = read_poses(tmp_path / "poses.txt")
    assert list(poses) == [name.rpartition("/")[2] for name in mapped.scene.queries]
    for name in mapped.scene.queries:
        pose, truth = poses[name.rpartition("/")[2]], mapped.scene.poses[name]
        stored = record["per_query"][name]["pose"]
        assert np.allclose(stored, [*pose.quaternion(), *pose.translation], atol=1e-12)
        assert np.allclose(pose.rotation, truth.rotation, atol=1e-6)
        assert np.allclose(pose.translation, truth.translation, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_the_map_is_only_read(mapped: Mapped, tmp_path: Path, method: str) -> None:
    def state() -> dict[str, tuple[int, int]]:
        return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in mapped.folder.rglob("*")}

    before = state()
    mapped.localize(tmp_path, method=method)
    assert state() == before
    check_output_folder(mapped.folder, STEP)


def test_figures_and_where_they_came_from(mapped: Mapped, tmp_path: Path) -> None:
    returned = mapped.localize(tmp_path, name="towns")
    record = json.loads((tmp_path / "poses.json").read_text())
    assert (record["benchmark"], record["kind"]) == ("towns", "localization")
    assert record["figures"]["day"]["recall"] == {"0.25/2": 1.0, "0.5/5": 1.0, "5/10": 1.0}
    assert record["figures"]["night"]["queries"] == 3 and record["figures"]["all"]["queries"] == 7
    assert record["figures"]["localized"]["day"] == {"queries": 4, "localized": 4}
    assert record["figures"]["map"]["points"] == 200
    assert record["settings"]["method"] == "pnp" and record["settings"]["max_error"] == 12.0
    assert record["settings"]["map"]["filter_max_reproj_error"] == 12.0
    assert record["features"] == {"detector": "exact"}
    assert record["failures"] == [] and record["problems"] == {}
    assert record["versions"]["pycolmap"]
    assert returned["figures"] == record["figures"]


def test_thresholds_may_be_others(mapped: Mapped, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    record = mapped.localize(tmp_path, thresholds=[(1e-9, 1e-9), (0.1, 1)])
    assert record["figures"]["all"]["recall"] == {"1e-09/1e-09": 0.0, "0.1/1": 1.0}
    assert record["settings"]["thresholds"] == [(1e-9, 1e-9), (0.1, 1)]
    assert "all: 0.0 / 100.0 % within 1e-09/1e-09 / 0.1/1" in caplog.text
    assert "% of the mean camera distance" in caplog.text


@pytest.mark.parametrize("method", METHODS)
def test_noise_and_false_matches(make, tmp_path: Path, method: str) -> None:
    mapped = map_scene(make(noise=0.5, keypoints=130), tmp_path)
    record = mapped.localize(tmp_path, method=method)
    assert record["figures"]["all"]["recall"]["0.25/2"] == 1.0
    assert record["figures"]["all"]["median_position_error"] < 0.05


@pytest.mark.parametrize("method", METHODS)
def test_queries_that_cannot_be_localized_take_the_pose_of_their_first_pair(
    make, tmp_path: Path, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    scene = make()
    features = entries(scene)
    lost, empty, unpaired, magic = scene.queries[0], scene.queries[1], scene.queries[2], scene.queries[4]
    del features[lost]
    features[empty] = features[empty].take(np.arange(0))
    write_features(tmp_path / "features.h5", features, {lost: "truncated image"})
    pairs = scene.root / "image_pairs_to_match_v1_1.txt"
    pairs.write_text("".join(line for line in pairs.read_text().splitlines(True) if unpaired not in line))
    night = scene.root / "queries" / "night_time_queries_with_intrinsics.txt"
    night.write_text(night.read_text().replace(f"{magic} SIMPLE_RADIAL", f"{magic} MAGIC"))
    record = map_scene(scene, tmp_path, tmp_path / "features.h5").localize(tmp_path, method=method)
    queries = record["per_query"]
    assert [queries[name]["pose_of"] for name in (lost, empty, magic)] == ["db/7.jpg"] * 3
    assert queries[unpaired]["pose_of"] == "db/0.jpg"
    assert queries[lost]["reason"] == "no features (truncated image)"
    assert queries[unpaired]["reason"] == "no pair with a database image"
    assert queries[magic]["reason"] == "unknown camera model"
    assert queries[empty]["reason"] in ("0 2D-3D matches, fewer than 12", "no pair with 4 verified matches")
    assert [failure["name"] for failure in record["failures"]] == [lost, empty, unpaired, magic]
    assert record["problems"]["queries of unknown camera model"] == 1
    assert record["figures"]["localized"] == {
        "day": {"queries": 4, "localized": 1},
        "night": {"queries": 3, "localized": 2},
    }
    assert (
        f"'{lost}' could not be localized (no features (truncated image)): it gets the pose of 'db/7.jpg'"
        in caplog.text
    )
    poses = read_poses(tmp_path / "poses.txt")
    assert len(poses) == 7
    assert np.allclose(poses["d0.jpg"].translation, scene.poses["db/7.jpg"].translation)
    # They count with the errors of the pose that they took.
    truth, taken = scene.poses[lost], scene.poses["db/7.jpg"]
    distance = np.linalg.norm(truth.rotation.T @ truth.translation - taken.rotation.T @ taken.translation)
    assert queries[lost]["position_error"] == pytest.approx(distance)
    assert queries[scene.queries[3]]["position_error"] < 1e-5


def test_few_agreeing_matches_are_no_pose(make, tmp_path: Path) -> None:
    scene = make()
    features = entries(scene)
    name = scene.queries[0]
    features[name].keypoints[:] = np.random.default_rng(0).uniform(0, 480, features[name].keypoints.shape)
    features[name].keypoints[:40] = entries(scene)[name].keypoints[:40]
    write_features(tmp_path / "features.h5", features)
    mapped = map_scene(scene, tmp_path, tmp_path / "features.h5")
    failed = mapped.localize(tmp_path, min_inliers=50)["per_query"][name]
    assert 40 <= failed["inliers"] < 50
    assert failed["reason"] == f"{failed['inliers']} of 200 2D-3D matches agree, fewer than 50"
    assert mapped.localize(tmp_path, min_inliers=40)["per_query"][name]["position_error"] < 0.02


@pytest.mark.parametrize("method", METHODS)
def test_a_scene_that_cannot_be_triangulated_still_gives_every_query_a_pose(
    exact: Synthetic, tmp_path: Path, method: str
) -> None:
    features = entries(exact)
    for seed, (name, entry) in enumerate(features.items()):
        rng = np.random.default_rng(seed)
        descriptors = rng.normal(size=(25, 32)).astype(np.float32)
        descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
        features[name] = replace(entry.take(np.arange(25)), descriptors=descriptors)
    write_features(tmp_path / "features.h5", features)
    record = map_scene(exact, tmp_path, tmp_path / "features.h5").localize(tmp_path, method=method)
    assert record["figures"]["map"]["points"] == 0 and record["counts"]["matched_pairs"] == 63
    assert record["figures"]["localized"]["day"] == {"queries": 4, "localized": 0}
    assert len(record["failures"]) == 7
    assert [query["pose_of"] for query in record["per_query"].values()] == ["db/7.jpg"] * 7
    assert len(read_poses(tmp_path / "poses.txt")) == 7


def test_without_truth_there_are_poses_and_no_recall(make, tmp_path: Path) -> None:
    scene = make()
    (scene.root / "queries" / "ground_truth.txt").unlink()
    record = map_scene(scene, tmp_path).localize(tmp_path)
    assert record["figures"].keys() == {"localized", "map"}
    assert len(read_poses(tmp_path / "poses.txt")) == 7
    assert "position_error" not in record["per_query"][scene.queries[0]]


@pytest.mark.parametrize("method", METHODS)
def test_same_poses_twice(make, tmp_path: Path, method: str) -> None:
    mapped = map_scene(make(noise=0.5, keypoints=120), tmp_path)
    mapped.localize(tmp_path / "0", method=method)
    mapped.localize(tmp_path / "1", method=method)
    for name in ("poses.txt", "poses.json"):
        assert (tmp_path / "0" / name).read_bytes() == (tmp_path / "1" / name).read_bytes()


def test_an_unknown_method_or_setting_is_named(mapped: Mapped, tmp_path: Path) -> None:
    with pytest.raises(HndescError, match="unknown localization method 'magic'; choose one of: pnp, registration"):
        mapped.localize(tmp_path, method="magic")
    with pytest.raises(
        HndescError, match="unknown setting 'magic' of localization; choose from: max_error, min_inliers"
    ):
        mapped.localize(tmp_path, magic=3.0)


def test_a_folder_that_is_no_dataset_or_no_map_is_named(mapped: Mapped, tmp_path: Path) -> None:
    with pytest.raises(HndescError, match=r"map.json: no such file"):
        replace(mapped, folder=tmp_path).localize(tmp_path)
    for root, message in ((tmp_path, "not a localization dataset"), (tmp_path / "none", "none: no such folder")):
        with pytest.raises(HndescError, match=message):
            replace(mapped, scene=replace(mapped.scene, root=root)).localize(tmp_path)


def test_a_pose_of_few_inliers_is_not_counted_as_localized(caplog: pytest.LogCaptureFixture) -> None:
    records = {
        f"{inliers}.jpg": {"condition": "day", "inliers": inliers, "reason": None, "pose_of": None}
        for inliers in (4, 11, 12)
    }
    assert count_localized(records) == {"day": {"queries": 3, "localized": 1}}
    _report({}, records, THRESHOLDS)
    assert "'11.jpg' has a pose with only 11 inliers, which does not count as localized" in caplog.text
    assert "'12.jpg'" not in caplog.text


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "many", True, None])
@pytest.mark.parametrize(("method", "setting"), [("pnp", "max_error"), ("registration", "abs_pose_max_error")])
def test_settings_that_are_no_positive_numbers_are_refused(
    mapped: Mapped, tmp_path: Path, method: str, setting: str, value: object
) -> None:
    with pytest.raises(HndescError, match=rf"setting '{setting}' of localization is .*a number above 0"):
        mapped.localize(tmp_path, method=method, **{setting: value})


def test_a_file_among_the_queries_that_nothing_reads_is_named_once(
    make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene = make()
    (scene.root / "queries" / "dusk_queries_with_intrinsics.txt").write_text("")
    read_scene(scene.root)
    assert caplog.text.count("not read: dusk_queries_with_intrinsics.txt; lists of queries are named *_time_") == 1


@pytest.mark.parametrize(
    "thresholds", [[], [(0, 1)], [(1,)], [(float("nan"), 1)], [(float("inf"), 1)], [("a", 1)], None, 5]
)
def test_thresholds_within_which_nothing_lies_are_refused(mapped: Mapped, tmp_path: Path, thresholds: object) -> None:
    with pytest.raises(HndescError, match=r"thresholds of recall are .*; expected pairs of numbers above 0"):
        mapped.localize(tmp_path, thresholds=thresholds)


def test_features_matches_and_maps_of_different_makers_are_not_mixed(mapped: Mapped, make, tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    with FeatureWriter(other, {"detector": "another"}) as writer:
        for name, entry in entries(mapped.scene).items():
            writer.write(name, entry)
    with pytest.raises(HndescError, match=r"matches\.h5: matches of other features than .*other\.h5; match these"):
        replace(mapped, scene=replace(mapped.scene, features=other)).localize(tmp_path)
    with pytest.raises(HndescError, match=r"matches of other features"):
        build_map(mapped.scene.root, other, mapped.matches, tmp_path / "map")
    match_pairs(mapped.scene.root, other, tmp_path / "matches.h5")
    mixed = replace(mapped, scene=replace(mapped.scene, features=other), matches=tmp_path / "matches.h5")
    with pytest.raises(HndescError, match=r"a map of other features than .*other\.h5; build it of these"):
        mixed.localize(tmp_path)
    with pytest.raises(HndescError, match=r"has none of the \d+ listed pairs; match those"):
        build_map(mapped.scene.root, other, other, tmp_path / "map")
    assert not (tmp_path / "map").exists() and not (tmp_path / "poses.txt").exists()
