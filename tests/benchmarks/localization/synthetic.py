"""A synthetic scene with exact poses, in the files of Aachen v1.1, and its features."""

import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from hndesc.benchmarks.localization.localize import localize_queries
from hndesc.benchmarks.localization.matches import match_pairs
from hndesc.benchmarks.localization.model import build_map
from hndesc.benchmarks.localization.scene import Pose
from hndesc.features import Features, FeatureWriter

WIDTH, HEIGHT, FOCAL = 640, 480, 500.0


@dataclass
class Synthetic:
    """Where the scene lies and what is true of it."""

    root: Path
    features: Path
    poses: dict[str, Pose]
    points: np.ndarray
    seen: dict[str, np.ndarray]

    @property
    def queries(self) -> list[str]:
        return [name for name in self.poses if name.startswith("query/")]


def look_at(center: np.ndarray, target: np.ndarray, roll: float) -> Pose:
    """Return the pose of a camera at `center` that looks at `target`, turned by `roll` degrees."""
    forward = (target - center) / np.linalg.norm(target - center)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    rotation = Rotation.from_euler("z", roll, degrees=True).as_matrix() @ rotation
    return Pose(rotation, -rotation @ center)


def make_scene(root: Path, shift: float = 0.5, noise: float = 0.0, keypoints: int = 200, seed: int = 0) -> Synthetic:
    """Write a scene of 200 random points, of which each of 15 images shows `keypoints`, all it can see by default.

    Keypoints are exact projections less `shift`, plus noise (pixels); the fewer there are, the more matches are wrong.
    """
    rng = np.random.default_rng(seed)
    points = rng.uniform([-2, -1.5, -1], [2, 1.5, 1], (200, 3))
    descriptors = rng.normal(size=(len(points), 32)).astype(np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    names = [f"db/{i}.jpg" for i in range(8)]
    names += [f"query/day/cam/d{i}.jpg" for i in range(4)] + [f"query/night/cam/n{i}.jpg" for i in range(3)]
    poses, seen, features = {}, {}, {}
    for name in names:
        center = np.array([*rng.uniform([-3, -1], [3, 1]), -8.0 + rng.uniform(-1, 1)])
        pose = look_at(center, rng.uniform(-0.5, 0.5, 3), rng.uniform(-10, 10))
        camera = points @ pose.rotation.T + pose.translation
        pixels = camera[:, :2] / camera[:, 2:] * FOCAL + [WIDTH / 2, HEIGHT / 2]
        assert ((pixels > 0) & (pixels < [WIDTH, HEIGHT])).all()
        rows = rng.permutation(len(points))[:keypoints]
        found = pixels[rows] - shift + rng.normal(scale=noise, size=(len(rows), 2))
        poses[name], seen[name] = pose, rows
        features[name] = Features(
            found.astype(np.float32), (WIDTH, HEIGHT), np.ones(len(rows), np.float32), descriptors[rows]
        )
    write_features(root.parent / "features.h5", features)
    write_layout(root, poses)
    return Synthetic(root, root.parent / "features.h5", poses, points, seen)


def write_features(path: Path, features: dict[str, Features], failed: dict[str, str] | None = None) -> None:
    with FeatureWriter(path, {"detector": "exact"}) as writer:
        for name, entry in features.items():
            writer.write(name, entry)
        for name, reason in (failed or {}).items():
            writer.fail(name, reason)


def write_layout(root: Path, poses: dict[str, Pose]) -> None:
    """Write the files of Aachen v1.1: intrinsics, NVM, query lists, pairs, database of ids, ground truth."""
    model, queries = root / "3D-models" / "aachen_v_1_1", root / "queries"
    model.mkdir(parents=True)
    queries.mkdir()
    database = [name for name in poses if name.startswith("db/")]
    camera = f"SIMPLE_RADIAL {WIDTH} {HEIGHT} {FOCAL} {WIDTH / 2} {HEIGHT / 2} 0.0"
    (model / "database_intrinsics_v1_1.txt").write_text("".join(f"{name} {camera}\n" for name in database))
    lines = ["NVM_V3 ", "", str(len(database))]
    for name in database:
        pose = poses[name]
        center = -pose.rotation.T @ pose.translation
        values = " ".join(repr(float(v)) for v in [FOCAL, *pose.quaternion(), *center])
        lines.append(f"{name} {values} 0 0")
    (model / "aachen_v_1_1.nvm").write_text("\n".join([*lines, "", "0", "0"]) + "\n")
    truth, pairs = [], [f"{a} {b}" for i, a in enumerate(database) for b in database[i + 1 :]]
    for condition in ("day", "night"):
        listed = [name for name in poses if name.startswith(f"query/{condition}/")]
        (queries / f"{condition}_time_queries_with_intrinsics.txt").write_text(
            "".join(f"{name} {camera}\n" for name in listed)
        )
        pairs += [f"{name} {other}" for name in listed for other in database[::-1][:5]]
        for name in listed:
            values = " ".join(repr(float(v)) for v in [*poses[name].quaternion(), *poses[name].translation])
            truth.append(f"{name} {values}\n")
    (queries / "ground_truth.txt").write_text("".join(truth))
    (root / "image_pairs_to_match_v1_1.txt").write_text("\n".join(pairs) + "\n")
    with sqlite3.connect(root / "database_v1_1.db") as connection:
        connection.execute("CREATE TABLE images (image_id INTEGER PRIMARY KEY, name TEXT, camera_id INTEGER)")
        rows = [(100 + 2 * i, name, 50 + i // 2) for i, name in enumerate(database)]
        connection.executemany("INSERT INTO images VALUES (?, ?, ?)", rows)
    connection.close()


@dataclass(frozen=True)
class Mapped:
    """A scene with its matches and its map."""

    scene: Synthetic
    matches: Path
    folder: Path

    def localize(self, output: Path, **settings) -> dict:
        """Localise the queries; poses in `<output>/poses.txt`, figures in `<output>/poses.json`."""
        paths = self.scene.root, self.scene.features, self.matches, self.folder
        return localize_queries(*paths, output / "poses.txt", output / "poses.json", **settings)


def map_scene(scene: Synthetic, folder: Path, features: Path | None = None, pairs: Path | None = None) -> Mapped:
    """Match and map a scene, with its own features and pairs or those in other files."""
    scene = replace(scene, features=features or scene.features)
    match_pairs(scene.root, scene.features, folder / "matches.h5", pairs=pairs)
    build_map(scene.root, scene.features, folder / "matches.h5", folder / "map", pairs=pairs)
    return Mapped(scene, folder / "matches.h5", folder / "map")
