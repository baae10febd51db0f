"""Conversions to and from COLMAP, and its databases.

In this package, the center of the top-left pixel is at (0, 0), in COLMAP at (0.5, 0.5). Only `to_colmap` converts
keypoints between the two, and `pinhole_matrix` cameras.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hndesc.datasets.localization.cameras import CAMERA_MODELS, Intrinsics, pycolmap
from hndesc.datasets.localization.scene import Pose
from hndesc.errors import HndescError
from hndesc.io.features import Features
from hndesc.io.files import check_space, check_whole
from hndesc.io.images import stored_points, upright_points

# Bytes that SQLite writes late, and those of an empty database.
_CACHE = 2**22
# Camera models that are a pinhole where all distortions are 0.
_PERSPECTIVE = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV")


@contextmanager
def opened(path: Path) -> Iterator[pycolmap.Database]:
    """Open a COLMAP database, new or existing, and close it after the block."""
    check_database_space(path)
    database = pycolmap.Database.open(path)
    try:
        yield database
    finally:
        database.close()


def check_database_space(path: Path, size: int = 0) -> None:
    """Check that `size` bytes can be added to a database: COLMAP ends the process where its disk is full.

    Raises:
        HndescError: the disk is full, or the file would exceed the limit on the size of files.
    """
    journal = path.with_name(f"{path.name}-wal")  # written first, and then copied into the database
    waiting = journal.stat().st_size if journal.exists() else 0
    check_space(path, waiting + 2 * size + _CACHE)


def write_model(model: pycolmap.Reconstruction, folder: Path, suffix: str = "bin") -> None:
    """Write a model in COLMAP's binary form, "bin", or text form, "txt".

    Raises:
        HndescError: the disk is full, which COLMAP does not notice.
    """
    (model.write_binary if suffix == "bin" else model.write_text)(folder)
    for path in folder.glob(f"*.{suffix}"):
        check_whole(path)


@contextmanager
def opened_copy(path: Path) -> Iterator[pycolmap.Database]:
    """Open a copy of a COLMAP database: COLMAP writes to each one that it opens, and locks it."""
    with tempfile.TemporaryDirectory(prefix="hndesc-map-") as folder:
        copy = Path(folder, path.name)
        check_space(copy, path.stat().st_size)
        shutil.copyfile(path, copy)
        with opened(copy) as database:
            yield database


def count_verified(database: pycolmap.Database) -> int:
    """Return the number of pairs with verified matches; COLMAP's own count includes pairs without any."""
    _, counts = database.read_two_view_geometry_num_inliers()
    return sum(count > 0 for count in counts)


@contextmanager
def silenced(errors: bool = False) -> Iterator[None]:
    """Suppress COLMAP's warnings within the block, and if wanted its errors."""
    level = pycolmap.logging.minloglevel
    pycolmap.logging.minloglevel = (pycolmap.logging.Level.FATAL if errors else pycolmap.logging.Level.ERROR).value
    try:
        yield
    finally:
        pycolmap.logging.minloglevel = level


def to_colmap(keypoints: np.ndarray) -> np.ndarray:
    """Convert N x 2 keypoints to COLMAP's pixel convention, float64."""
    return np.asarray(keypoints, np.float64) + 0.5


def camera_keypoints(features: Features, camera: Intrinsics, name: str) -> np.ndarray:
    """Return the keypoints of image `name` in COLMAP's convention and in pixels of its camera, N x 2 float64.

    Cameras are of images as they are stored: keypoints of an image that was rotated by its EXIF tag are rotated back.

    Raises:
        HndescError: the image is not a resized copy of the camera's image: its aspect ratio differs.
    """
    keypoints, (width, height) = stored_points(features.keypoints, features.image_size, features.orientation)
    if min(width, height) < 1:  # unknown, in imported files
        return to_colmap(features.keypoints)
    return to_colmap(keypoints) * _scale(camera, (width, height), name)


def _scale(camera: Intrinsics, size: tuple[int, int], name: str) -> np.ndarray:
    """Return the factors from pixels of an image as it is stored to those of its camera."""
    width, height = size
    # Both sides of a resized image are rounded to whole pixels.
    if abs(width * camera.height - height * camera.width) > max(camera.width, camera.height):
        raise HndescError(
            f"'{name}' has {width}x{height} pixels, but its camera {camera.width}x{camera.height}, with a different "
            "aspect ratio; use the original image, neither rotated nor cropped"
        )
    return np.array([camera.width / width, camera.height / height])


def pinhole_matrix(camera: Intrinsics, size: tuple[int, int], orientation: int, name: str) -> np.ndarray:
    """Return the intrinsics of an image that was rotated by its EXIF tag as a matrix, in the package's convention.

    Args:
        camera: of the image as it is stored.
        size: (width, height) of the rotated image in pixels.
        orientation: value of the tag.
        name: of the image, for messages.

    Raises:
        HndescError: a camera with distortion, or of an image of another aspect ratio.
    """
    form = CAMERA_MODELS[camera.model]
    rest = [value for index, value in enumerate(camera.params) if index not in (*form.focal, *form.center)]
    if camera.model not in _PERSPECTIVE or any(rest):
        raise HndescError(
            f"a {camera.model} camera with distortion has no matrix; undistort the photos and give SIMPLE_PINHOLE or "
            "PINHOLE"
        )
    stored = size if orientation < 5 else size[::-1]
    scale = _scale(camera, stored, name)
    focal = np.array([camera.params[index] for index in (form.focal[0], form.focal[-1])]) / scale
    center = np.array([camera.params[index] for index in form.center]) / scale - 0.5
    (upright,), _ = upright_points(center[None], stored, orientation)
    fx, fy = focal if orientation < 5 else focal[::-1]
    return np.array([[fx, 0.0, upright[0]], [0.0, fy, upright[1]], [0.0, 0.0, 1.0]])


def to_camera(intrinsics: Intrinsics, camera_id: int = 1, known: bool = True) -> pycolmap.Camera:
    """Return COLMAP's camera; `known` says whether its focal length is more than a guess."""
    return pycolmap.Camera(
        camera_id=camera_id,
        model=intrinsics.model,
        width=intrinsics.width,
        height=intrinsics.height,
        params=list(intrinsics.params),
        has_prior_focal_length=known,
    )


def to_rigid(pose: Pose) -> pycolmap.Rigid3d:
    """Convert a pose to COLMAP's type, camera from world."""
    return pycolmap.Rigid3d(pycolmap.Rotation3d(pose.rotation), pose.translation)


def to_pose(rigid: pycolmap.Rigid3d) -> Pose:
    """Convert a pose from COLMAP's type, camera from world."""
    matrix = rigid.matrix()
    return Pose(matrix[:, :3], matrix[:, 3])
