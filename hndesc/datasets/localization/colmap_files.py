"""Readers of the files of a COLMAP model, binary or text: cameras, images with poses, and point tracks.

COLMAP's own reader trusts the counts in a file; with wrong counts, it ends the process or exhausts memory. These
readers never read beyond the end of a file, and inconsistencies are errors that name the file.
"""

import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from hndesc.datasets.localization.cameras import CAMERA_MODELS, Intrinsics, pycolmap, read_camera
from hndesc.datasets.localization.poses import quaternion_and_position
from hndesc.datasets.localization.scene import Pose
from hndesc.errors import HndescError
from hndesc.io.lists import read_lines, split, text_lines, whole

FILES = ("cameras", "images", "points3D")
_LONGEST = 4096  # bytes of a name
_UNIT = 1e-12


class Image(NamedTuple):
    """An image of a model."""

    name: str
    camera: int
    pose: Pose


def read_cameras(folder: Path) -> dict[int, Intrinsics | None]:
    """Read the cameras of a model by id, None if COLMAP does not know the camera model (text only)."""
    path, binary = _file(folder, "cameras")
    cameras: dict[int, Intrinsics | None] = {}
    for number, place, model, fields in _binary_cameras(path) if binary else _text_cameras(path):
        if number in cameras:
            raise HndescError(f"{place}: a second camera {number}")
        cameras[number] = read_camera(model, fields, place)
    return cameras


def read_images(folder: Path) -> dict[int, Image]:
    """Read the images of a model by id."""
    path, binary = _file(folder, "images")
    images: dict[int, Image] = {}
    names: set[str] = set()
    for number, place, image in _binary_images(path) if binary else _text_images(path):
        if number in images or image.name in names:
            raise HndescError(f"{place}: a second image {number} or '{image.name}'")
        names.add(image.name)
        images[number] = image
    return images


def read_tracks(folder: Path, images: Mapping[int, Image]) -> Iterator[list[str]]:
    """Yield, for each point of a model, the names of the images that observe it."""
    path, binary = _file(folder, "points3D")
    for place, track in _binary_tracks(path) if binary else _text_tracks(path):
        try:
            yield [images[number].name for number in track]
        except KeyError as error:
            raise HndescError(f"{place}: a point is observed by image {error}, which is not in the model") from None


def _file(folder: Path, name: str) -> tuple[Path, bool]:
    """Return a file of a model, and whether it is binary; a single binary file can be of another model."""
    binary = all((folder / f"{one}.bin").is_file() for one in FILES)
    return folder / f"{name}.{'bin' if binary else 'txt'}", binary


class _Binary:
    """A file of little-endian numbers, never read beyond its end."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path, self._stream = path, stream
        self._left = os.fstat(stream.fileno()).st_size

    def read(self, form: struct.Struct) -> tuple:
        return form.unpack(self.bytes(form.size))

    def bytes(self, size: int) -> bytes:
        self._take(size)
        return self._stream.read(size)

    def skip(self, size: int) -> None:
        self._take(size)
        self._stream.seek(size, os.SEEK_CUR)

    def name(self) -> str:
        letters = bytearray()
        while (letter := self.bytes(1)) != b"\0":
            letters += letter
            if len(letters) > _LONGEST:
                raise HndescError(f"{self.path}: a name of more than {_LONGEST} bytes; it must be a COLMAP model")
        try:
            return letters.decode()
        except UnicodeDecodeError:
            raise HndescError(f"{self.path}: the name {bytes(letters)!r} is not UTF-8") from None

    def count(self, least: int) -> int:
        """Read the number of following entries, each of at least `least` bytes."""
        (count,) = self.read(_COUNT)
        if count * least > self._left:
            raise HndescError(
                f"{self.path}: truncated: {count} entries are declared, but only {self._left} bytes follow"
            )
        return count

    def _take(self, size: int) -> None:
        if size > self._left:
            raise HndescError(f"{self.path}: truncated; get the model again")
        self._left -= size


_COUNT = struct.Struct("<Q")
_CAMERA = struct.Struct("<iiQQ")
_IMAGE = struct.Struct("<I7dI")
_POINT = struct.Struct("<Q3d3BdQ")
_KEYPOINT, _OBSERVATION = 24, 8  # bytes


@contextmanager
def _opened(path: Path) -> Iterator[_Binary]:
    try:
        with open(path, "rb") as stream:
            yield _Binary(path, stream)
    except OSError as error:
        raise HndescError(f"{path}: cannot be read ({error.strerror})") from None


def _binary_cameras(path: Path) -> Iterator[tuple[int, str, str, list[str]]]:
    names = {int(number): name for name, number in pycolmap.CameraModelId.__members__.items()}
    with _opened(path) as file:
        for _ in range(file.count(_CAMERA.size)):
            number, model, width, height = file.read(_CAMERA)
            form = CAMERA_MODELS.get(names.get(model, ""))
            place = f"{path}: camera {number}"
            if form is None:
                known = ", ".join(f"{number} {name}" for number, name in names.items() if name in CAMERA_MODELS)
                raise HndescError(f"{place} has the unknown model {model}; known ones: {known}")
            params = file.read(struct.Struct(f"<{form.count}d"))
            yield number, place, names[model], [str(value) for value in (width, height, *params)]


def _text_cameras(path: Path) -> Iterator[tuple[int, str, str, list[str]]]:
    for place, line in read_lines(path):
        fields = split(line)
        if len(fields) < 4:
            raise HndescError(f"{place}: expected 'id MODEL width height parameters…', found {len(fields)} fields")
        yield whole(fields[0], place), place, fields[1], fields[2:]


def _binary_images(path: Path) -> Iterator[tuple[int, str, Image]]:
    with _opened(path) as file:
        for _ in range(file.count(_IMAGE.size + 1 + _COUNT.size)):
            number, *values, camera = file.read(_IMAGE)
            name = file.name()
            file.skip(_KEYPOINT * file.count(_KEYPOINT))
            place = f"{path}: image '{name}'"
            yield number, place, Image(name, camera, _pose([repr(value) for value in values], place))


def _text_images(path: Path) -> Iterator[tuple[int, str, Image]]:
    lines = ((place, line.strip()) for place, line in text_lines(path))
    for place, line in lines:
        if not line or line.startswith("#"):
            continue
        fields = line.split(None, 9)
        if len(fields) != 10:
            raise HndescError(f"{place}: expected 'id qw qx qy qz tx ty tz camera name', found {len(fields)} fields")
        yield whole(fields[0], place), place, Image(fields[9], whole(fields[8], place), _pose(fields[1:8], place))
        place, line = next(lines, (place, ""))  # the line of keypoints, possibly empty
        keypoints = line.split()
        # The line of an image ends in a file name, that of keypoints in the number of a point.
        if len(keypoints) % 3 or (keypoints and not keypoints[-1].removeprefix("-").isdecimal()):
            raise HndescError(
                f"{place}: expected 'x y point' for each keypoint, in a possibly empty line after each image"
            )


def _pose(fields: list[str], place: str) -> Pose:
    quaternion, translation = quaternion_and_position(fields, place)
    # COLMAP's arithmetic, which does not change unit quaternions; others would differ in the last bits.
    rotation = pycolmap.Rotation3d(np.roll(quaternion, -1))
    if abs(rotation.norm() - 1) > _UNIT:
        rotation.normalize()
    return Pose(rotation.matrix(), np.array(translation))


def _binary_tracks(path: Path) -> Iterator[tuple[str, list[int]]]:
    with _opened(path) as file:
        for _ in range(file.count(_POINT.size)):
            number, *_, length = file.read(_POINT)
            track = np.frombuffer(file.bytes(_OBSERVATION * length), "<u4")
            yield f"{path}: point {number}", track[::2].tolist()


def _text_tracks(path: Path) -> Iterator[tuple[str, list[int]]]:
    for place, line in read_lines(path):
        fields = split(line)
        if len(fields) < 8 or len(fields) % 2:
            raise HndescError(f"{place}: expected 'id x y z r g b error' and pairs of image and keypoint")
        yield place, [whole(field, place) for field in fields[8::2]]
