from pathlib import Path

import numpy as np
import pytest

from hndesc.datasets.listing import list_images
from hndesc.datasets.localization.kapture import read_images, read_kapture
from hndesc.datasets.localization.readers import read_scene
from hndesc.errors import HndescError
from hndesc.io.images import write_image
from tests.fixtures.synthetic import FOCAL, HEIGHT, WIDTH, Synthetic, look_at, map_scene

HEADER = "# kapture format: 1.1\n"
CAMERA = f"SIMPLE_PINHOLE, {WIDTH}, {HEIGHT}, {FOCAL}, {WIDTH / 2}, {HEIGHT / 2}"


def row(*fields: object) -> str:
    return ", ".join(str(field) for field in fields) + "\n"


def pose_fields(pose) -> list[str]:
    return [repr(float(value)) for value in [*pose.quaternion(), *pose.translation]]


def write_kapture(root: Path, poses: dict, posed: bool = True) -> None:
    """Write images of one camera, one a second."""
    sensors = root / "sensors"
    sensors.mkdir(parents=True)
    (sensors / "sensors.txt").write_text(f"{HEADER}cam, my camera, camera, {CAMERA}\ngps, , gnss, EPSG:4326\n")
    records = [row(time, "cam", name) for time, name in enumerate(poses)]
    (sensors / "records_camera.txt").write_text(HEADER + "".join(records))
    if posed:
        rows = [row(time, "cam", *pose_fields(pose)) for time, pose in enumerate(poses.values())]
        (sensors / "trajectories.txt").write_text(HEADER + "".join(rows))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_one_folder_holds_out_every_third_photo(exact: Synthetic, tmp_path: Path) -> None:
    write_kapture(tmp_path, exact.poses)
    scene = read_kapture(tmp_path)
    names = sorted(exact.poses)
    assert list(scene.queries) == names[2::3] == list(scene.truth)
    for name, pose in (scene.poses | scene.truth).items():
        assert np.allclose(pose.rotation, exact.poses[name].rotation, atol=1e-12)
        assert np.allclose(pose.translation, exact.poses[name].translation, atol=1e-12)
    camera = scene.database["db/0.jpg"]
    assert (camera.model, camera.params) == ("SIMPLE_PINHOLE", (FOCAL, WIDTH / 2, HEIGHT / 2))


@pytest.mark.parametrize("posed", [True, False])
def test_mapping_and_query_folders(exact: Synthetic, tmp_path: Path, posed: bool) -> None:
    root = tmp_path / "kapture"
    database = {name: pose for name, pose in exact.poses.items() if name.startswith("db/")}
    queries = {name: exact.poses[name] for name in exact.queries}
    write_kapture(root / "mapping", database)
    write_kapture(root / "query", queries, posed)
    (root / "pairs.txt").write_text((exact.root / "image_pairs_to_match_v1_1.txt").read_text())
    for part, names in (("mapping", database), ("query", queries)):
        for name in names:
            write_image(root / part / "sensors" / "records_data" / name, np.zeros((8, 8, 3), np.uint8))
    assert [photo.name for photo in list_images(root, "localization")] == [*database, *queries]
    scene = read_scene(root)
    assert list(scene.database) == list(database) and list(scene.queries) == list(queries)
    assert scene.truth.keys() == (queries.keys() if posed else set())
    record = map_scene(Synthetic(root, exact.features, {}, exact.points, {}), tmp_path).localize(tmp_path)
    assert record["figures"]["localized"] == {"query": {"queries": 7, "localized": 7}}
    if posed:
        assert all(query["position_error"] < 2e-6 for query in record["per_query"].values())


def test_queries_may_come_in_several_folders(exact: Synthetic, tmp_path: Path) -> None:
    write_kapture(tmp_path / "mapping", {name: pose for name, pose in exact.poses.items() if name.startswith("db/")})
    for condition in ("night", "day"):
        names = [name for name in exact.queries if condition in name]
        write_kapture(tmp_path / f"query_{condition}", {name: exact.poses[name] for name in names}, posed=False)
        for name in names:
            write_image(tmp_path / f"query_{condition}/sensors/records_data" / name, np.zeros((8, 8, 3), np.uint8))
    write_image(tmp_path / "mapping/sensors/records_data/db/0.jpg", np.zeros((8, 8, 3), np.uint8))
    scene = read_kapture(tmp_path)
    assert list(scene.queries) == exact.queries and scene.truth == {}
    assert all(scene.conditions[name] == name.split("/")[1] for name in exact.queries)
    assert [photo.name for photo in list_images(tmp_path, "localization")] == ["db/0.jpg", *exact.queries]


def test_a_rig_carries_its_cameras(tmp_path: Path) -> None:
    rig, place = look_at(np.array([1.0, 2, 3]), np.zeros(3), 10), look_at(np.array([0.1, 0, 0]), np.ones(3), -4)
    write_kapture(tmp_path, {"a.jpg": rig})
    edit(tmp_path / "sensors" / "trajectories.txt", "0, cam", "0, rig")
    (tmp_path / "sensors" / "rigs.txt").write_text(row("rig", "cam", *pose_fields(place)))
    pose = read_images(tmp_path)[1]["a.jpg"]
    point = np.array([0.5, -1.0, 2.0])
    in_rig = rig.rotation @ point + rig.translation
    expected = place.rotation @ in_rig + place.translation
    assert np.allclose(pose.rotation @ point + pose.translation, expected, atol=1e-12)


def test_images_without_pose_or_with_an_unknown_model_are_counted(
    exact: Synthetic, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_kapture(tmp_path, exact.poses)
    sensors = tmp_path / "sensors"
    lines = (sensors / "trajectories.txt").read_text().splitlines()
    # kapture leaves the half of a pose that is not known blank.
    lines[2] = row(1, "cam", *pose_fields(exact.poses["db/1.jpg"])[:4], "", "", "").strip()
    del lines[4]
    (sensors / "trajectories.txt").write_text("\n".join(lines))
    (sensors / "sensors.txt").write_text(f"cam, , camera, {CAMERA}\nodd, , camera, UNKNOWN_CAMERA, 640, 480\n")
    edit(sensors / "records_camera.txt", "5, cam", "5, odd")
    scene = read_kapture(tmp_path)
    assert not {"db/1.jpg", "db/3.jpg", "db/5.jpg"} & (scene.database.keys() | scene.queries.keys())
    assert scene.problems == {"database images of unknown camera model": 1, "database images without pose": 2}
    assert "12 of 15 images have camera and pose" in caplog.text


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("records_camera", "1, cam, db/1.jpg", "1, cam", "records_camera.txt:3: expected 3 fields, found 2"),
        ("records_camera", "1, cam", "1, other", "records_camera.txt:3: 'db/1.jpg' was taken by sensor 'other'"),
        ("sensors", "SIMPLE_PINHOLE, 640", "SIMPLE_PINHOLE, wide", "sensors.txt:2: 'wide' is not a number"),
        ("sensors", f"{CAMERA}", "SIMPLE_PINHOLE", "sensors.txt:2: expected model, width, height"),
        ("sensors", "SIMPLE_PINHOLE, 640", "PINHOLE, 640", "sensors.txt:2: PINHOLE has 4 parameters, not 3"),
        ("trajectories", "1, cam, ", "1, cam, 3, ", "trajectories.txt:3: expected 9 fields, found 10"),
    ],
)
def test_a_malformed_line_is_named(
    exact: Synthetic, tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    write_kapture(tmp_path, exact.poses)
    edit(tmp_path / "sensors" / f"{name}.txt", old, new)
    with pytest.raises(HndescError, match=message):
        read_kapture(tmp_path)


def test_missing_files_and_names_in_both_parts_are_errors(exact: Synthetic, tmp_path: Path) -> None:
    write_kapture(tmp_path / "mapping", exact.poses)
    write_kapture(tmp_path / "query", exact.poses)
    with pytest.raises(HndescError, match=r"'db/0.jpg' of query is in another folder, too"):
        read_kapture(tmp_path)
    (tmp_path / "mapping" / "sensors" / "trajectories.txt").unlink()
    with pytest.raises(HndescError, match="mapping: no image with a camera and a pose"):
        read_kapture(tmp_path)
    (tmp_path / "mapping" / "sensors" / "sensors.txt").unlink()
    with pytest.raises(HndescError, match=r"sensors.txt: no such file"):
        read_kapture(tmp_path)


def test_rigs_that_carry_each_other_in_every_way_end_at_once(exact: Synthetic, tmp_path: Path) -> None:
    write_kapture(tmp_path, exact.poses, posed=False)
    devices = ["cam", *(f"rig{number}" for number in range(40))]
    rows = [row(rig, sensor, 1, 0, 0, 0, 0, 0, 1) for rig in devices for sensor in devices if rig != sensor]
    (tmp_path / "sensors" / "rigs.txt").write_text(HEADER + "".join(rows))
    (tmp_path / "sensors" / "trajectories.txt").write_text(HEADER + row(0, "rig39", 1, 0, 0, 0, 5, 0, 0))
    _, poses = read_images(tmp_path)
    assert [pose.translation.tolist() for pose in poses.values()] == [[5, 0, 1]]
