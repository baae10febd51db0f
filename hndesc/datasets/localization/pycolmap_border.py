"""The border to COLMAP: conversions, and databases.

Inside the package the center of the top-left pixel is at (0, 0), in COLMAP at (0.5, 0.5): `to_colmap` adds the half,
here and nowhere else.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hndesc.datasets.localization.cameras import Intrinsics, pycolmap
from hndesc.datasets.localization.scene import Pose
from hndesc.errors import HndescError
from hndesc.io.features import Features
from hndesc.io.files import check_space


@contextmanager
def opened(path: Path) -> Iterator[pycolmap.Database]:
    """Open a COLMAP database, new or existing, and close it after the block."""
    database = pycolmap.Database.open(path)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def opened_copy(path: Path) -> Iterator[pycolmap.Database]:
    """Open a copy of a COLMAP database: COLMAP writes to each one that it opens, and locks it."""
    with tempfile.TemporaryDirectory(prefix="hndesc-map-") as folder:
        copy = Path(folder, path.name)
        check_space(copy, path.stat().st_size)
        shutil.copyfile(path, copy)
        with opened(copy) as database:
            yield database


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


def camera_keypoints(features: Features, camera: Intrinsics, name: str) -> np.ndarray:
    """Return the keypoints of image `name` in COLMAP's convention and in pixels of its camera, N x 2 float64.

    Raises:
        HndescError: the photo is no resized copy of what the camera took: it was turned, or its aspect ratio is
            another one.
    """
    if features.orientation != 1:
        raise HndescError(
            f"'{name}' was turned by its EXIF tag ({features.orientation}) before its features were extracted, but its "
            "camera and pose are of the photo as it is stored; extract with --as-stored"
        )
    width, height = features.image_size
    if min(width, height) < 1:  # written by a program that does not tell
        return to_colmap(features.keypoints)
    # Both sides of a resized photo are rounded to whole pixels.
    if abs(width * camera.height - height * camera.width) > max(camera.width, camera.height):
        raise HndescError(
            f"'{name}' has {width}x{height} pixels, but its camera {camera.width}x{camera.height}, which is another "
            "aspect ratio; use the photo as the camera wrote it, neither turned nor cropped"
        )
    return to_colmap(features.keypoints) * [camera.width / width, camera.height / height]


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
