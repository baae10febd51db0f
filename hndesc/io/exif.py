"""Focal lengths and cameras from the EXIF data of photos."""

import math
import os
from typing import NamedTuple

import numpy as np

from hndesc.io.image_reading import image_size, read_exif

# Diagonal of the 35 mm film frame, 36 x 24 mm.
_FILM = math.hypot(36, 24)
_MAKE, _MODEL = 0x010F, 0x0110
_FOCAL, _FOCAL_35 = 0x920A, 0xA405
_PLANE_X, _PLANE_UNIT, _PLANE_WIDTH = 0xA20E, 0xA210, 0xA002
_MILLIMETERS = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
# Focal length of a photo of unknown camera, relative to its longer side, as in COLMAP.
_USUAL = 1.2
# Focal lengths relative to the longer side, of a fisheye lens and of a telescope: others are mistakes.
_SHORTEST, _LONGEST = 0.1, 100.0


class ExifCamera(NamedTuple):
    """What EXIF data says about the camera of a photo.

    Attributes:
        size: (width, height) in pixels as the file stores them.
        focal: focal length in pixels, None if unknown.
        name: make and model, empty if unknown.
    """

    size: tuple[int, int]
    focal: float | None
    name: str

    @property
    def focal_or_usual(self) -> float:
        """The focal length in pixels; that of a usual camera if unknown."""
        return self.focal or _USUAL * max(self.size)


def camera_matrix(focal: float, size: tuple[int, int]) -> np.ndarray:
    """Return the intrinsics, 3 x 3, of a camera whose axis meets the center of an image of (width, height)."""
    return np.array([[focal, 0.0, (size[0] - 1) / 2], [0.0, focal, (size[1] - 1) / 2], [0.0, 0.0, 1.0]])


def exif_matrix(path: str | os.PathLike | None, size: tuple[int, int]) -> np.ndarray:
    """Return the intrinsics, 3 x 3, of an image of (width, height) by its EXIF data; of a usual camera without it."""
    camera = ExifCamera(size, None, "") if path is None else read_exif_camera(path)
    return camera_matrix(camera.focal_or_usual, size)


def read_exif_camera(path: str | os.PathLike) -> ExifCamera:
    """Return size, focal length and name of the camera of a photo; errors as for `hndesc.io.images.read_image`.

    The focal length is that of the 35 mm equivalent over the diagonal, else that in millimeters with the resolution of
    the sensor.
    """
    tags = read_exif(path)
    size = image_size(path, upright=False)
    focal = _from_film(tags, size) or _from_sensor(tags, size)
    if focal is not None and not _SHORTEST <= focal / max(size) <= _LONGEST:
        focal = None
    words = [str(tags.get(tag, "")).strip(" \0") for tag in (_MAKE, _MODEL)]
    return ExifCamera(size, focal, " ".join(filter(None, words)))


def _from_film(tags: dict[int, object], size: tuple[int, int]) -> float | None:
    focal = _number(tags.get(_FOCAL_35))
    return None if focal is None else focal * math.hypot(*size) / _FILM


def _from_sensor(tags: dict[int, object], size: tuple[int, int]) -> float | None:
    focal, resolution = _number(tags.get(_FOCAL)), _number(tags.get(_PLANE_X))
    unit = _MILLIMETERS.get(int(_number(tags.get(_PLANE_UNIT)) or 2))
    if focal is None or resolution is None or unit is None:
        return None
    # The resolution is that of the image as the camera took it, which may have been resized since.
    width = _number(tags.get(_PLANE_WIDTH)) or max(size)
    return focal / unit * resolution * max(size) / width


def _number(value: object) -> float | None:
    """Return a positive finite number, None for anything else."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None
