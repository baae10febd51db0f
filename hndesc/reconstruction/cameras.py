"""The cameras of uncalibrated photos: focal lengths from EXIF data, shared by photos of one camera."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hndesc.datasets.image_set import ImageEntry
from hndesc.datasets.localization.cameras import Intrinsics, exif_intrinsics
from hndesc.io.exif import ExifCamera, read_exif_camera

# One radial distortion, as COLMAP takes by default.
MODEL = "SIMPLE_RADIAL"


@dataclass(frozen=True)
class PhotoCameras:
    """The cameras of photos.

    Attributes:
        intrinsics: of each photo by name, before refinement.
        ids: (image id, camera id) of each photo by name; photos with one camera id share a camera.
        guessed: names of the photos whose focal length is not in their EXIF data.
    """

    intrinsics: Mapping[str, Intrinsics]
    ids: Mapping[str, tuple[int, int]]
    guessed: frozenset[str]

    def numbered(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[int, int]]:
        """Return pairs of names as pairs of image ids."""
        return [(self.ids[first][0], self.ids[second][0]) for first, second in pairs]


def read_cameras(photos: Sequence[ImageEntry], shared: bool = True) -> PhotoCameras:
    """Return the cameras of photos.

    Args:
        photos: readable photos.
        shared: whether photos of equal size, focal length, make and model share a camera.

    Raises:
        ImageError: a photo cannot be read.
    """
    return group_cameras({photo.name: read_exif_camera(photo.path) for photo in photos}, shared)


def group_cameras(found: Mapping[str, ExifCamera], shared: bool = True) -> PhotoCameras:
    """Return the cameras of photos by what their EXIF data says, by name; the rest is that of `read_cameras`."""
    numbers: dict[object, int] = {}
    ids = {}
    for number, (name, camera) in enumerate(found.items(), 1):
        ids[name] = number, numbers.setdefault(camera if shared else name, len(numbers) + 1)
    guessed = frozenset(name for name, camera in found.items() if camera.focal is None)
    return PhotoCameras({name: exif_intrinsics(camera, MODEL) for name, camera in found.items()}, ids, guessed)
