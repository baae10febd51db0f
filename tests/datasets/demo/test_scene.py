"""The scene: files that agree with each other and with what the photos show."""

import sqlite3

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hndesc.datasets.demo import scene
from hndesc.datasets.demo.photographs import HELD_OUT, load
from hndesc.datasets.demo.rendering import Camera
from hndesc.io.images import find_images, read_image, to_gray

MODEL = "3D-models/aachen_v_1_1"


@pytest.fixture(scope="module")
def root(demo):
    return demo.root / "scene"


def rows(path):
    return [line.split() for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def intrinsics(root):
    """Name -> (model, width, height, f, cx, cy, k) of all images, from the three lists."""
    lists = [root / MODEL / "database_intrinsics_v1_1.txt"]
    lists += [root / "queries" / f"{time}_time_queries_with_intrinsics.txt" for time in ("day", "night")]
    return {row[0]: (row[1], *map(float, row[2:])) for path in lists for row in rows(path)}


@pytest.fixture(scope="module")
def poses(root):
    """Name -> (R, t), world to camera, of the database from the NVM and of the queries from the truth."""
    lines = (root / MODEL / "aachen_v_1_1.nvm").read_text().splitlines()
    assert lines[0] == "NVM_V3" and lines[1] == ""
    found = {}
    for line in lines[3 : 3 + int(lines[2])]:
        name, _, *numbers = line.split(" ")
        R = Rotation.from_quat([float(n) for n in numbers[:4]], scalar_first=True).as_matrix()
        found[name] = R, -R @ [float(n) for n in numbers[4:7]]
        assert numbers[7:] == ["0", "0"]
    for name, *numbers in rows(root / "queries" / "ground_truth.txt"):
        R = Rotation.from_quat([float(n) for n in numbers[:4]], scalar_first=True).as_matrix()
        found[name] = R, np.array(numbers[4:], float)
    return found


def camera(name, intrinsics, poses):
    _, width, height, focal, *_ = intrinsics[name]
    return Camera((int(width), int(height)), focal, *poses[name])


def test_files_name_the_same_images(root, intrinsics, poses):
    images = find_images(root / "images" / "images_upright")
    assert sorted(intrinsics) == sorted(poses) == images
    assert len({name.rpartition("/")[2] for name in images}) == len(images)
    kinds = [name.rpartition("/")[0] for name in images]
    assert {kind: kinds.count(kind) for kind in kinds} == {"db": 20, "query/day/cam": 8, "query/night/cam": 4}


def test_intrinsics_follow_colmap(root, intrinsics):
    for name, (model, width, height, focal, cx, cy, k) in intrinsics.items():
        assert read_image(root / "images" / "images_upright" / name).shape == (height, width, 3)
        assert (model, cx, cy, k) == ("SIMPLE_RADIAL", width / 2, height / 2, 0)
        assert 0.7 < focal / max(width, height) < 1.2


def test_written_poses_are_those_of_the_cameras(intrinsics, poses):
    for name, made in scene.make_cameras(0).items():
        read = camera(name, intrinsics, poses)
        assert (read.size, read.focal) == (made.size, made.focal)
        assert np.allclose(read.R, made.R, atol=1e-9) and np.allclose(read.t, made.t, atol=1e-9)
        assert np.linalg.det(read.R) == pytest.approx(1)


def test_cameras_stand_in_the_courtyard_and_look_into_it(poses):
    centers = np.array([-R.T @ t for R, t in poses.values()])
    assert (np.abs(centers[:, 0]) < 7).all() and (centers[:, 1] < 5).all()
    assert ((centers[:, 2] > 1) & (centers[:, 2] < 3)).all()
    assert all(R[2, 1] > 0.5 and R[1, 2] < -0.9 for R, _ in poses.values())  # forward is +y, image down is -z
    assert np.ptp(centers[:, 0]) > 8


def test_database_is_one_that_colmap_3_6_made(root, intrinsics):
    connection = sqlite3.connect(root / "database_v1_1.db")
    assert connection.execute("PRAGMA user_version").fetchone() == (3600,)
    listed = connection.execute(
        "SELECT name, model, width, height, params, prior_focal_length FROM images NATURAL JOIN cameras"
    ).fetchall()
    connection.close()
    assert sorted(row[0] for row in listed) == sorted(intrinsics)
    for name, model, width, height, blob, prior in listed:
        assert (model, prior) == (2, 1)
        assert (width, height, *np.frombuffer(blob, "<f8")) == intrinsics[name][1:]


def test_database_has_the_tables_of_the_real_one(root, shared):
    def tables(path):
        connection = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f"PRAGMA table_info({name})").fetchall() for name in names}

    assert tables(root / "database_v1_1.db") == tables(shared / "data" / "aachen" / "database_v1_1.db")


def test_database_opens_in_pycolmap(root, tmp_path, intrinsics):
    pycolmap = pytest.importorskip("pycolmap")
    (tmp_path / "copy.db").write_bytes((root / "database_v1_1.db").read_bytes())
    database = pycolmap.Database.open(tmp_path / "copy.db")
    cameras = {camera.camera_id: camera for camera in database.read_all_cameras()}
    images = database.read_all_images()
    database.close()
    assert sorted(image.name for image in images) == sorted(intrinsics)
    for image in images:
        assert np.allclose(cameras[image.camera_id].params, intrinsics[image.name][3:])


def test_pairs(root, intrinsics):
    pairs = [tuple(row) for row in rows(root / "image_pairs_to_match_v1_1.txt")]
    assert len({frozenset(pair) for pair in pairs}) == len(pairs)
    assert {name for pair in pairs for name in pair} == set(intrinsics)
    assert all(second.startswith("db/") and first != second for first, second in pairs)
    partners = {name: sum(name in pair for pair in pairs) for name in intrinsics}
    assert all(partners[name] >= scene.NEIGHBORS for name in partners if name.startswith("db/"))
    assert {partners[name] for name in partners if name.startswith("query/")} == {scene.SHORTLIST}


def test_first_pair_of_a_query_shares_more_than_the_last(root, intrinsics, poses):
    panels = scene.courtyard(0)
    points = np.concatenate([panel.at(scene._grid(panel)) for panel in panels])

    def seen(name):
        return scene.visible(points, panels, camera(name, intrinsics, poses))

    query = "query/day/cam/day_02.jpg"
    ranked = [second for first, second in rows(root / "image_pairs_to_match_v1_1.txt") if first == query]
    shared = [(seen(query) & seen(name)).sum() for name in ranked]
    assert shared == sorted(shared, reverse=True) and shared[-1] > 0


POSTERS = {poster[1]: poster for poster in scene.POSTERS}


@pytest.mark.parametrize(
    ("name", "poster"),
    [
        ("db/9.jpg", "astronaut"),
        ("db/11.jpg", "china"),
        ("query/day/cam/day_04.jpg", "motorcycle_left"),
        ("query/night/cam/night_04.jpg", "motorcycle_left"),
    ],
)
def test_photos_show_the_facades_where_the_written_poses_put_them(root, intrinsics, poses, name, poster):
    start, end = (np.array(point) for point in scene.OUTLINE[POSTERS[poster][0] :][:2])
    panel = scene._poster(start, end, *POSTERS[poster][1:])
    photo = to_gray(load(poster, HELD_OUT)).astype(np.float32)
    view = camera(name, intrinsics, poses)
    H = panel.homography(view, photo.shape[::-1])
    # Back from the image onto the photograph: correlation is highest for the pose as written.
    image = to_gray(read_image(root / "images" / "images_upright" / name)).astype(np.float32)
    columns, lines = np.meshgrid(np.linspace(0.05, 0.95, 150), np.linspace(0.05, 0.95, 150))
    shares = np.column_stack([columns.ravel(), lines.ravel()])
    points = panel.at(shares)
    pixels, _ = view.project(points)
    assert np.allclose(pixels, cv2.perspectiveTransform((shares * photo.shape[::-1] - 0.5)[None], H)[0], atol=1e-6)
    seen = scene.visible(points, scene.courtyard(0), view)
    assert seen.mean() > 0.4
    source = sample(photo, shares * photo.shape[::-1] - 0.5, 3.0)[seen]

    def agreement(dx, dy):
        return np.corrcoef(source, sample(image, pixels + np.array([dx, dy]), 1.2)[seen])[0, 1]

    # Lamplight and noise pull at the correlation by night.
    least, most = (0.6, 0.5) if "night" in name else (0.9, 0.3)
    assert agreement(0, 0) > least
    for axis in ((1, 0), (0, 1)):
        low, middle, high = (agreement(axis[0] * step, axis[1] * step) for step in (-1, 0, 1))
        assert abs((low - high) / (2 * (low - 2 * middle + high))) < most


def sample(image, points, blur):
    points = points.astype(np.float32)
    return cv2.remap(cv2.GaussianBlur(image, (0, 0), blur), points[:, :1], points[:, 1:], cv2.INTER_LINEAR)[:, 0]


def test_scene_is_not_flat():
    normals = np.array([panel.inward for panel in scene.courtyard(0)])
    assert np.linalg.matrix_rank(normals, tol=0.1) == 3
    assert len(np.unique(np.round(normals, 2), axis=0)) > 10


def test_nights_are_dark_and_days_are_not(root):
    upright = root / "images" / "images_upright"
    light = {name: read_image(upright / name).mean() for name in find_images(upright)}
    assert max(light[name] for name in light if "night" in name) < 35
    assert min(light[name] for name in light if "night" not in name) > 60
