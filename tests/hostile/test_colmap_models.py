"""COLMAP models and databases that are cut short, lie about their counts, or hold what cannot be."""

import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hndesc.datasets.localization.aachen import read_intrinsics
from hndesc.datasets.localization.cameras import CAMERA_MODELS, Intrinsics, pycolmap
from hndesc.datasets.localization.colmap import read_model, read_model_tracks
from hndesc.datasets.localization.colmap_files import read_cameras, read_images, read_tracks
from hndesc.datasets.localization.image_ids import read_ids
from hndesc.datasets.localization.pycolmap_border import to_camera, to_pose, to_rigid
from hndesc.datasets.localization.scene import Pose
from hndesc.errors import HndescError
from hndesc.localization.pnp import PnpSettings, solve
from tests.hostile.guard import outcome, refusal

FILES = ("cameras.bin", "images.bin", "points3D.bin", "cameras.txt", "images.txt", "points3D.txt")


def read_all(root: Path) -> tuple:
    """Read a model as a dataset, and its tracks."""
    scene = read_model(root)
    return list(scene.database), list(scene.queries), list(read_model_tracks(root))


def params_of(model: str) -> list[float]:
    return pycolmap.Camera.create_from_model_name(1, model, 500.0, 640, 480).params.tolist()


@pytest.fixture(scope="session")
def model() -> "pycolmap.Reconstruction":
    """Six images of two camera models, and three points that some of them see."""
    made = pycolmap.Reconstruction()
    for number, kind in enumerate(("SIMPLE_RADIAL", "RAD_TAN_THIN_PRISM_FISHEYE"), 1):
        made.add_camera_with_trivial_rig(to_camera(Intrinsics(kind, 640, 480, tuple(params_of(kind))), number))
    for number in range(1, 7):
        image = pycolmap.Image(name=f"an image {number}.jpg", camera_id=1 + number % 2, image_id=number)
        image.points2D = pycolmap.Point2DList([pycolmap.Point2D(np.array([5.0 * k, 7.0])) for k in range(3)])
        pose = Pose.from_quaternion([1, 0.1 * number, 0, 0], [number, 0, 5])
        made.add_image_with_trivial_frame(image, to_rigid(pose))
    for point in range(3):
        track = pycolmap.Track()
        for number in range(1, 4 + point):
            track.add_element(number, point)
        made.add_point3D(np.array([point, 0.0, 9.0]), track)
    return made


@pytest.fixture(params=["binary", "text"])
def root(request: pytest.FixtureRequest, model: "pycolmap.Reconstruction", tmp_path: Path) -> Path:
    (model.write_binary if request.param == "binary" else model.write_text)(tmp_path)
    return tmp_path


def test_a_model_is_read_as_colmap_reads_it(root: Path, model: "pycolmap.Reconstruction") -> None:
    images, cameras = read_images(root), read_cameras(root)
    again = pycolmap.Reconstruction(root)
    assert {number: image.name for number, image in images.items()} == {n: i.name for n, i in model.images.items()}
    for number, image in images.items():
        pose = to_pose(again.images[number].cam_from_world())
        assert np.array_equal(image.pose.rotation, pose.rotation)
        assert np.array_equal(image.pose.translation, pose.translation)
        assert image.camera == model.images[number].camera_id
    for number, camera in model.cameras.items():
        assert cameras[number] == Intrinsics(camera.model_name, 640, 480, tuple(camera.params))
    tracks = sorted(read_tracks(root, images), key=len)
    assert tracks == [[f"an image {number}.jpg" for number in range(1, 4 + point)] for point in range(3)]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("name", FILES)
def test_files_that_are_cut_short_are_refused_or_complete(
    model: "pycolmap.Reconstruction", tmp_path: Path, name: str, share: float
) -> None:
    (model.write_binary if name.endswith("bin") else model.write_text)(tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    if name in ("images.txt", "points3D.txt"):  # a line less is a point less; keypoints are not read
        outcome(read_all, tmp_path)
    else:
        refusal(read_all, tmp_path)


@pytest.mark.parametrize("count", [2**20, 2**40, 2**63, 2**64 - 1])
@pytest.mark.parametrize(
    ("name", "at"),
    [("cameras.bin", 0), ("images.bin", 0), ("points3D.bin", 0), ("images.bin", 88), ("points3D.bin", 51)],
)
def test_huge_counts_are_refused_at_once(
    model: "pycolmap.Reconstruction", tmp_path: Path, name: str, at: int, count: int
) -> None:
    model.write_binary(tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    if (name, at) == ("images.bin", 88):
        at = data.index(b".jpg\0") + 5  # the number of keypoints comes after the first image's name
    data[at : at + 8] = struct.pack("<Q", count)
    (tmp_path / name).write_bytes(data)
    assert str(tmp_path / name) in refusal(read_all, tmp_path)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("cameras.txt", "500 320", "-500 320", "focal length -500"),
        ("cameras.txt", "640 480", "0 480", "impossible camera: 0x480 pixels"),
        ("cameras.txt", "500 320", "nan 320", "a number is not finite"),
        ("cameras.txt", "500 320 240", "500 9999 240", "principal point at 9999 of 640"),
        ("cameras.txt", "500 320 240", "500 320", "SIMPLE_RADIAL has 4 parameters, not 3"),
        ("cameras.txt", "\n2 RAD", "\n1 RAD", "a second camera 1"),
        ("cameras.txt", "\n2 RAD", "\n7 RAD", "has camera 2, which does not exist"),
        ("images.txt", "an image 2.jpg", "an image 1.jpg", "'an image 1.jpg'"),
        ("images.txt", " 2 0 5 ", " nan 0 5 ", "a number is not finite"),
        ("points3D.txt", " 1 0 2 0", " 9 0 2 0", "a point is observed by image 9, which is not in the model"),
        ("points3D.txt", " 1 0 2 0", " -1 0 2 0", "'-1' is not a whole number"),
    ],
)
def test_what_cannot_be_is_refused(
    model: "pycolmap.Reconstruction", tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    model.write_text(tmp_path)
    text = (tmp_path / name).read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new))
    with pytest.raises(HndescError) as caught:
        read_all(tmp_path)
    assert message in str(caught.value)


def test_an_unknown_camera_model_is_an_error_that_lists_the_known_ones(
    model: "pycolmap.Reconstruction", tmp_path: Path
) -> None:
    model.write_binary(tmp_path)
    data = bytearray((tmp_path / "cameras.bin").read_bytes())
    data[12:16] = struct.pack("<i", 99)
    (tmp_path / "cameras.bin").write_bytes(data)
    with pytest.raises(HndescError, match=r"unknown model 99; known ones: .*2 SIMPLE_RADIAL.*17 EQUIRECTANGULAR"):
        read_all(tmp_path)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_mutated_models_are_read_or_refused(
    model: "pycolmap.Reconstruction", tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    folder = tmp_path_factory.mktemp("model")
    name = data.draw(st.sampled_from(FILES))
    (model.write_binary if name.endswith("bin") else model.write_text)(folder)
    content = bytearray((folder / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    (folder / name).write_bytes(content)
    try:
        read_all(folder)
    except HndescError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("name", CAMERA_MODELS)
def test_every_model_of_pycolmap_is_read_from_a_list_and_localizes(tmp_path: Path, name: str) -> None:
    params = " ".join(map(str, params_of(name)))
    (tmp_path / "list.txt").write_text(f"my photo.jpg {name} 640 480 {params}\n")
    camera = to_camera(read_intrinsics(tmp_path / "list.txt")["my photo.jpg"])
    points = np.random.default_rng(0).uniform([-2, -2, 6], [2, 2, 9], (60, 3))
    pose = Pose.from_quaternion([1, 0.02, 0.05, 0], [0.3, -0.2, 0.5])
    pixels = camera.img_from_cam(points @ pose.rotation.T + pose.translation)
    found = solve(pixels, points, camera, PnpSettings())
    assert found.inliers == 60 and np.allclose(found.pose.translation, pose.translation, atol=1e-6)


def database(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path


TABLE = "CREATE TABLE images (image_id, name, camera_id)"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
DATABASES = {
    "an endless view": (
        f"CREATE VIEW images AS {ENDLESS} SELECT i AS image_id, 'a' || i AS name, i AS camera_id FROM n",
    ),
    "another table": ("CREATE TABLE photos (image_id, name, camera_id)",),
    "other columns": ("CREATE TABLE images (id, name)",),
    "a blob as name": (TABLE, "INSERT INTO images VALUES (1, x'00ff', 1)"),
    "a giant name": (TABLE, "INSERT INTO images VALUES (1, printf('%.*c', 900000, 'x'), 1)"),
    "names that are computed": (
        "CREATE TABLE images (image_id, camera_id, name GENERATED ALWAYS AS (printf('%.*c', 900000, 'x')))",
        "INSERT INTO images WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i, i FROM n",
    ),
    "a text as id": (TABLE, "INSERT INTO images VALUES ('one', 'a.jpg', 1)"),
    "no id": (TABLE, "INSERT INTO images VALUES (NULL, 'a.jpg', 1)"),
    "a negative id": (TABLE, "INSERT INTO images VALUES (-1, 'a.jpg', 1)"),
    "an id beyond COLMAP's": (TABLE, "INSERT INTO images VALUES (9223372036854775807, 'a.jpg', 1)"),
    "a fraction as id": (TABLE, "INSERT INTO images VALUES (1.5, 'a.jpg', 1)"),
    "a name twice": (TABLE, "INSERT INTO images VALUES (1, 'a.jpg', 1), (2, 'a.jpg', 2)"),
    "an id twice": (TABLE, "INSERT INTO images VALUES (1, 'a.jpg', 1), (1, 'b.jpg', 2)"),
}


@pytest.mark.parametrize("kind", DATABASES)
def test_databases_that_are_none_of_colmap_are_refused(tmp_path: Path, kind: str) -> None:
    path = database(tmp_path / "a.db", *DATABASES[kind])
    assert str(path) in refusal(read_ids, path)


@pytest.mark.parametrize("change", [lambda data: data[:3000], lambda data: b"no database", lambda data: data[::-1]])
def test_broken_databases_are_refused(tmp_path: Path, change: Callable) -> None:
    rows = ", ".join(f"({i}, '{i}.jpg', {i})" for i in range(1, 500))
    path = database(tmp_path / "a.db", TABLE, f"INSERT INTO images VALUES {rows}")
    assert len(read_ids(path)) == 499
    path.write_bytes(change(path.read_bytes()))
    assert str(path) in refusal(read_ids, path)


def test_a_text_model_without_its_lines_of_keypoints_is_refused(
    model: "pycolmap.Reconstruction", tmp_path: Path
) -> None:
    model.write_text(tmp_path)
    path = tmp_path / "images.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if line.endswith(".jpg")) + "\n")
    assert "images.txt:2: expected 'x y point' for each keypoint" in refusal(read_all, tmp_path)


def test_a_stray_file_of_another_model_is_not_mixed_in(model: "pycolmap.Reconstruction", tmp_path: Path) -> None:
    model.write_text(tmp_path)
    whole = read_all(tmp_path), read_cameras(tmp_path)
    (tmp_path / "cameras.bin").write_bytes(struct.pack("<Q", 0))
    assert (read_all(tmp_path), read_cameras(tmp_path)) == whole
