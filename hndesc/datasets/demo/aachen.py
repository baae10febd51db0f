"""Writer of the files of Aachen Day-Night v1.1: intrinsics and poses, pairs, query lists, ground truth."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from hndesc.datasets.demo.rendering import Camera
from hndesc.io.files import atomic_path, write_text

# COLMAP's id of the camera model SIMPLE_RADIAL (f, cx, cy, k), which the real dataset uses for all images.
SIMPLE_RADIAL = 2
# The tables of the database of the real dataset (COLMAP 3.6). Only cameras and images are filled.
SCHEMA = """
PRAGMA user_version = 3600;
CREATE TABLE cameras (
    camera_id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, model INTEGER NOT NULL, width INTEGER NOT NULL,
    height INTEGER NOT NULL, params BLOB, prior_focal_length INTEGER NOT NULL);
CREATE TABLE images (
    image_id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, name TEXT NOT NULL UNIQUE, camera_id INTEGER NOT NULL,
    prior_qw REAL, prior_qx REAL, prior_qy REAL, prior_qz REAL, prior_tx REAL, prior_ty REAL, prior_tz REAL,
    CONSTRAINT image_id_check CHECK(image_id >= 0 and image_id < 2147483647),
    FOREIGN KEY(camera_id) REFERENCES cameras(camera_id));
CREATE UNIQUE INDEX index_name ON images(name);
CREATE TABLE keypoints (
    image_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL, data BLOB,
    FOREIGN KEY(image_id) REFERENCES images(image_id) ON DELETE CASCADE);
CREATE TABLE descriptors (
    image_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL, data BLOB,
    FOREIGN KEY(image_id) REFERENCES images(image_id) ON DELETE CASCADE);
CREATE TABLE matches (
    pair_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL, data BLOB);
CREATE TABLE two_view_geometries (
    pair_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL, data BLOB,
    config INTEGER NOT NULL, F BLOB, E BLOB, H BLOB);
"""


def write(output: Path, cameras: Mapping[str, Camera], pairs: Sequence[tuple[str, str]]) -> None:
    """Write all files of a scene to `output`.

    Args:
        output: folder of the dataset.
        cameras: camera of each image, named relative to `images_upright`: `db/…`, `query/day/…`, `query/night/…`.
        pairs: names of the images to match.
    """
    database = {name: camera for name, camera in cameras.items() if name.startswith("db/")}
    queries = {name: camera for name, camera in cameras.items() if name.startswith("query/")}
    model = output / "3D-models" / "aachen_v_1_1"
    write_text(model / "database_intrinsics_v1_1.txt", _lines(map(_intrinsics, database.items())))
    write_text(model / "aachen_v_1_1.nvm", _nvm(database))
    for time in ("day", "night"):
        listed = [item for item in queries.items() if item[0].startswith(f"query/{time}/")]
        write_text(output / "queries" / f"{time}_time_queries_with_intrinsics.txt", _lines(map(_intrinsics, listed)))
    truth = (f"{name} {_numbers(quaternion(c.R))} {_numbers(c.t)}" for name, c in queries.items())
    write_text(output / "queries" / "ground_truth.txt", _lines(truth))
    write_text(output / "image_pairs_to_match_v1_1.txt", _lines(f"{first} {second}" for first, second in pairs))
    _write_database(output / "database_v1_1.db", cameras)


def quaternion(R: np.ndarray) -> np.ndarray:
    """Return the quaternion (w, x, y, z), w >= 0, of a rotation matrix."""
    return Rotation.from_matrix(R).as_quat(canonical=True, scalar_first=True)


def parameters(camera: Camera) -> list[float]:
    """Return f, cx, cy, k in the convention of COLMAP: the center of the top-left pixel is at (0.5, 0.5)."""
    return [camera.focal, camera.size[0] / 2, camera.size[1] / 2, 0.0]


def _intrinsics(item: tuple[str, Camera]) -> str:
    name, camera = item
    return f"{name} SIMPLE_RADIAL {camera.size[0]} {camera.size[1]} {_numbers(parameters(camera))}"


def _nvm(database: Mapping[str, Camera]) -> str:
    """Return the NVM model: name, focal length, rotation, center, distortion, 0; it has no 3-D points."""
    rows = (
        f"{name} {c.focal:.12g} {_numbers(quaternion(c.R))} {_numbers(c.center)} 0 0" for name, c in database.items()
    )
    return f"NVM_V3\n\n{len(database)}\n{_lines(rows)}\n0\n\n0\n"


def _numbers(values: Iterable[float]) -> str:
    return " ".join(f"{value:.12g}" for value in values)


def _lines(rows: Iterable[str]) -> str:
    return "".join(f"{row}\n" for row in rows)


def _write_database(path: Path, cameras: Mapping[str, Camera]) -> None:
    """Write the COLMAP database with one camera per image, numbered from 1 in the order of `cameras`."""
    with atomic_path(path) as temporary, closing(sqlite3.connect(temporary)) as connection:
        connection.executescript(SCHEMA)
        for number, (name, camera) in enumerate(cameras.items(), start=1):
            blob = np.array(parameters(camera), "<f8").tobytes()
            connection.execute(
                "INSERT INTO cameras VALUES (?, ?, ?, ?, ?, 1)", (number, SIMPLE_RADIAL, *camera.size, blob)
            )
            connection.execute(
                "INSERT INTO images (image_id, name, camera_id) VALUES (?, ?, ?)", (number, name, number)
            )
        connection.commit()
