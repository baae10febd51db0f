"""The border to COLMAP: the one import of pycolmap, and conversions.

Inside the package the centre of the top-left pixel is at (0, 0), in COLMAP at (0.5, 0.5): `to_colmap` adds the half,
here and nowhere else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Imported before pycolmap on purpose: with pycolmap's own copy of zlib loaded first, OpenCV cannot write PNG files.
import cv2  # noqa: F401
import numpy as np
import pycolmap

from hndesc.benchmarks.localization.scene import Intrinsics, Pose

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
