"""The border to COLMAP: the one import of pycolmap, conversions, and the database of features and matches.

Inside the package the centre of the top-left pixel is at (0, 0), in COLMAP at (0.5, 0.5): `to_colmap` adds the half,
here and nowhere else.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# Imported before pycolmap on purpose: with pycolmap's own copy of zlib loaded first, OpenCV cannot write PNG files.
import cv2  # noqa: F401
import numpy as np
import pycolmap
from tqdm import tqdm

from hndesc.benchmarks.localization.matches import MatchReader
from hndesc.benchmarks.localization.scene import Intrinsics, Pose, Scene
from hndesc.errors import HndescError
from hndesc.features import FeatureReader

logger = logging.getLogger(__name__)

pycolmap.logging.minloglevel = pycolmap.logging.Level.WARNING.value


@contextmanager
def opened(path: Path) -> Iterator[pycolmap.Database]:
    """Open a COLMAP database, new or existing, and close it after the block."""
    database = pycolmap.Database.open(path)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def silenced() -> Iterator[None]:
    """Keep COLMAP's warnings away within the block; errors are still seen."""
    level = pycolmap.logging.minloglevel
    pycolmap.logging.minloglevel = pycolmap.logging.Level.ERROR.value
    try:
        yield
    finally:
        pycolmap.logging.minloglevel = level


def to_colmap(keypoints: np.ndarray) -> np.ndarray:
    """Move N x 2 keypoints to COLMAP's convention, float64."""
    return np.asarray(keypoints, np.float64) + 0.5


def to_camera(intrinsics: Intrinsics, camera_id: int = 1) -> pycolmap.Camera:
    """Return COLMAP's camera; its focal length counts as known."""
    return pycolmap.Camera(
        camera_id=camera_id,
        model=intrinsics.model,
        width=intrinsics.width,
        height=intrinsics.height,
        params=list(intrinsics.params),
        has_prior_focal_length=True,
    )


def to_rigid(pose: Pose) -> pycolmap.Rigid3d:
    """Return COLMAP's form of a pose, camera from world."""
    return pycolmap.Rigid3d(pycolmap.Rotation3d(pose.rotation), pose.translation)


def to_pose(rigid: pycolmap.Rigid3d) -> Pose:
    """Return a pose from COLMAP's form, camera from world."""
    matrix = rigid.matrix()
    return Pose(matrix[:, :3], matrix[:, 3])


def assign_ids(scene: Scene) -> dict[str, tuple[int, int]]:
    """Choose (image id, camera id) for each image with a camera: those of the dataset's own database where it has them.

    Images with one camera id there share a camera if their intrinsics agree; the others get new ids above.
    """
    next_image = max((image for image, _ in scene.ids.values()), default=0) + 1
    next_camera = max((camera for _, camera in scene.ids.values()), default=0) + 1
    taken: dict[int, Intrinsics] = {}
    ids: dict[str, tuple[int, int]] = {}
    for name, intrinsics in scene.cameras().items():
        image, camera = scene.ids.get(name, (next_image, next_camera))
        if taken.setdefault(camera, intrinsics) != intrinsics:
            camera = next_camera
            taken[camera] = intrinsics
        next_image, next_camera = max(next_image, image + 1), max(next_camera, camera + 1)
        ids[name] = image, camera
    return ids


def write_database(
    path: Path, scene: Scene, ids: Mapping[str, tuple[int, int]], features: FeatureReader, matches: MatchReader
) -> dict[str, int]:
    """Write a COLMAP database of all images with a camera, their keypoints and the matches, in one transaction.

    Returns:
        Counts: `images`, `keypoints`, `images_without_features`, `images_of_other_size`, `listed_pairs`,
        `matched_pairs`.
    """
    with opened(path) as database, pycolmap.DatabaseTransaction(database):
        _write_images(database, scene, ids)
        counts = _write_keypoints(database, scene, ids, features)
        counts["listed_pairs"] = len(scene.pairs)
        counts["matched_pairs"] = _write_matches(database, scene, ids, matches)
    return counts


def _write_images(database: pycolmap.Database, scene: Scene, ids: Mapping[str, tuple[int, int]]) -> None:
    written: set[int] = set()
    for name, intrinsics in scene.cameras().items():
        image_id, camera_id = ids[name]
        camera = to_camera(intrinsics, camera_id)
        if camera_id not in written:
            database.write_camera(camera, use_camera_id=True)
            rig = pycolmap.Rig(rig_id=camera_id)
            rig.add_ref_sensor(camera.sensor_id)
            database.write_rig(rig, use_rig_id=True)
            written.add(camera_id)
        image = pycolmap.Image(name=name, camera_id=camera_id, image_id=image_id)
        database.write_image(image, use_image_id=True)
        frame = pycolmap.Frame(frame_id=image_id, rig_id=camera_id)
        frame.add_data_id(image.data_id)
        database.write_frame(frame, use_frame_id=True)


def _write_keypoints(
    database: pycolmap.Database, scene: Scene, ids: Mapping[str, tuple[int, int]], features: FeatureReader
) -> dict[str, int]:
    counts = {"images": len(ids), "keypoints": 0, "images_without_features": 0, "images_of_other_size": 0}
    cameras = scene.cameras()
    for name, (image_id, _) in tqdm(ids.items(), desc="keypoints", unit="image", disable=None):
        if name not in features:
            counts["images_without_features"] += 1
            continue
        entry = features.read(name)
        size = cameras[name].width, cameras[name].height
        if entry.image_size not in (size, (0, 0)):
            counts["images_of_other_size"] += 1
            logger.warning("'%s' has %dx%d pixels, but its camera %dx%d: is it turned?", name, *entry.image_size, *size)
        database.write_keypoints(image_id, to_colmap(entry.keypoints).astype(np.float32))
        counts["keypoints"] += len(entry)
    if counts["images_without_features"] == len(ids):
        raise HndescError(f"{features.path}: has features of no image of {scene.root}; was it made from another one?")
    return counts


def _write_matches(
    database: pycolmap.Database, scene: Scene, ids: Mapping[str, tuple[int, int]], matches: MatchReader
) -> int:
    written = 0
    for first, second in tqdm(scene.pairs, desc="matches", unit="pair", disable=None):
        rows = matches.read(first, second) if first in ids and second in ids else None
        if rows is not None and len(rows):
            database.write_matches(ids[first][0], ids[second][0], rows.astype(np.uint32))
            written += 1
    return written
