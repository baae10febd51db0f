"""Cameras in the convention of COLMAP, and the only import of pycolmap."""

import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

# Imported before pycolmap: if pycolmap's copy of zlib is loaded first, OpenCV cannot write PNG files.
import cv2  # noqa: F401
import numpy as np
import pycolmap

from hndesc.errors import HndescError
from hndesc.io.exif import ExifCamera
from hndesc.io.lists import numbers

pycolmap.logging.minloglevel = pycolmap.logging.Level.WARNING.value
if threading.current_thread() is threading.main_thread():
    # Replaces pycolmap's own handler, which prints a stack trace.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM) or signal.SIG_DFL)

# Maximum side of an image in pixels.
_LARGEST = 10**6


@dataclass(frozen=True)
class _Form:
    """The parameters of a camera model: number, and indices of focal lengths and principal point."""

    count: int
    focal: tuple[int, ...]
    center: tuple[int, ...]


def _forms() -> Mapping[str, _Form]:
    forms = {}
    for name in pycolmap.CameraModelId.__members__:
        if name != "INVALID":
            camera = pycolmap.Camera.create_from_model_name(1, name, 100.0, 200, 200)
            indices = camera.focal_length_idxs(), camera.principal_point_idxs()
            forms[name] = _Form(len(camera.params), *map(tuple, indices))
    return MappingProxyType(forms)


# All camera models of pycolmap.
CAMERA_MODELS = _forms()


class UnknownModelError(HndescError):
    """A camera model that COLMAP does not know; images with such a model are skipped."""


@dataclass(frozen=True)
class Intrinsics:
    """A camera in the convention of COLMAP: the center of the top-left pixel is at (0.5, 0.5)."""

    model: str
    width: int
    height: int
    params: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.model not in CAMERA_MODELS:
            raise UnknownModelError(f"unknown camera model '{self.model}'; known ones: {', '.join(CAMERA_MODELS)}")
        form, size = CAMERA_MODELS[self.model], (self.width, self.height)
        if len(self.params) != form.count:
            raise HndescError(f"{self.model} has {form.count} parameters, not {len(self.params)}")
        if not all(side == int(side) and 1 <= side <= _LARGEST for side in size):
            raise HndescError(f"impossible camera: {self.width}x{self.height} pixels")
        if not np.isfinite(self.params).all():
            raise HndescError(f"impossible camera: parameters {self.params} that are not finite")
        if any(self.params[index] <= 0 for index in form.focal):
            raise HndescError(f"impossible camera: focal length {min(self.params[i] for i in form.focal):g}")
        # The principal point of a cropped image can be outside of it.
        for index, side in zip(form.center, size, strict=False):
            if not -side <= self.params[index] <= 2 * side:
                raise HndescError(f"impossible camera: principal point at {self.params[index]:g} of {side} pixels")


def exif_intrinsics(camera: ExifCamera, model: str) -> Intrinsics:
    """Return the camera of a photo by its EXIF data, of a model with one focal length, without distortion."""
    width, height = camera.size
    params = camera.focal_or_usual, width / 2, height / 2
    return Intrinsics(model, width, height, (*params, *[0.0] * (CAMERA_MODELS[model].count - len(params))))


def read_camera(model: str, fields: Sequence[str], place: str) -> Intrinsics | None:
    """Return the camera of a line of text, or None if COLMAP does not know its model.

    Args:
        model: name of the model.
        fields: width, height and parameters.
        place: file and line, for messages.

    Raises:
        HndescError: the camera is impossible; the message names `place`.
    """
    width, height, *params = numbers(fields, place)
    if model not in CAMERA_MODELS:
        return None
    if not (width.is_integer() and height.is_integer()):
        raise HndescError(f"{place}: impossible camera: {width:g}x{height:g} pixels")
    try:
        return Intrinsics(model, int(width), int(height), tuple(params))
    except HndescError as error:
        raise HndescError(f"{place}: {error}") from None
