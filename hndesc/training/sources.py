"""Training data: photos, their keypoints, stylized copies and neighbors, checked at the start."""

import hashlib
import logging
import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from hndesc.errors import HndescError, counted
from hndesc.io.features import FeatureReader, Features
from hndesc.io.images import find_images, read_image
from hndesc.retrieval.neighbor_table import read_neighbors
from hndesc.runtime.provenance import file_hash, file_state
from hndesc.stylization.tables import TABLE, read_copies

logger = logging.getLogger(__name__)

# The loss ignores pairs with fewer keypoints.
_FEWEST = 2


class TrainingPhotos:
    """The usable training photos. They are read on demand, so that each process can open its own files.

    Args:
        photos: folder of photos.
        keypoints: feature file of these photos, or several: each pair is drawn at the keypoints of one.
        stylized: folder of stylized copies, or None.
        neighbors: table of the most similar photos of each photo, or None.
        cache_megabytes: memory for decoded photos, megabytes.

    Attributes:
        names: sorted relative paths of the usable photos, which have at least two keypoints in each file.
        keypoint_files: the feature files.

    Raises:
        HndescError: there is no usable photo, the keypoints belong to other photos, or a stylized copy is missing.
    """

    def __init__(
        self,
        photos: Path,
        keypoints: Path | Sequence[Path],
        stylized: Path | None,
        neighbors: Path | None,
        cache_megabytes: int = 0,
    ) -> None:
        self.folder, self.keypoint_files = Path(photos), files_of(keypoints)
        self.stylized = None if stylized is None else Path(stylized)
        self.neighbors_file = None if neighbors is None else Path(neighbors)
        self.names, self.total = self._usable(find_images(photos))
        self.copies = {} if self.stylized is None else self._copies(self.stylized)
        self.neighbors = {} if self.neighbors_file is None else self._neighbors(self.neighbors_file)
        self._cache = ImageCache(cache_megabytes * 2**20)
        self._readers: list[FeatureReader] = []
        self._latest: dict[int, tuple[str, Features]] = {}

    def _usable(self, names: Sequence[str]) -> tuple[list[str], int]:
        """Return the names of the photos with enough keypoints in every file, and the number of all keypoints."""
        counts = [self._count(file, names) for file in self.keypoint_files]
        found = [name for name in names if all(name in count for count in counts)]
        usable = [name for name in found if all(count[name] >= _FEWEST for count in counts)]
        if not usable:
            raise HndescError(
                f"{self.keypoint_files[0]}: no photo of the {len(names)} in {self.folder} has {_FEWEST} keypoints; "
                "use other photos or a lower detection threshold"
            )
        if len(usable) < len(found):
            logger.warning(
                "skipped %s with fewer than %d keypoints", counted(len(found) - len(usable), "photo"), _FEWEST
            )
        return usable, sum(sum(count.values()) for count in counts)

    def _count(self, file: Path, names: Sequence[str]) -> dict[str, int]:
        """Return the number of keypoints of each photo in a feature file, without those that failed at detection."""
        with FeatureReader(file) as reader:
            stored, failed = set(reader.names()), reader.failed
            if not stored.intersection(names) and not (failed and failed.keys() >= set(names)):
                raise HndescError(
                    f"{file}: contains no keypoints of the photos in {self.folder}; detect keypoints in these photos "
                    "first"
                )
            missing = [name for name in names if name not in stored and name not in failed]
            if missing:
                raise HndescError(
                    f"{file}: no keypoints of '{missing[0]}' ({len(missing)} of {len(names)} photos missing); detect "
                    "keypoints again"
                )
            counts = {name: len(reader.read(name)) for name in names if name in stored}
        for name in names:
            if name in failed:
                logger.warning("%s is skipped: %s", name, failed[name])
        return counts

    def _copies(self, folder: Path) -> dict[str, tuple[Path, ...]]:
        """Return the stylized copies of each photo, at least one."""
        listed: dict[str, tuple[Path, ...]] = {}
        if (folder / TABLE).is_file():
            for row in read_copies(folder):
                listed[row.photo] = (*listed.get(row.photo, ()), folder / row.copy)
        else:
            listed = {name: (folder / PurePosixPath(name).with_suffix(".jpg"),) for name in self.names}
        for name in self.names:
            copies = listed.get(name, ())
            for place in copies or (folder / name,):
                if not copies or not place.is_file():
                    raise HndescError(f"{place}: no stylized copy of '{name}'; stylize the photos again")
        return {name: listed[name] for name in self.names}

    def _neighbors(self, table: Path) -> dict[str, tuple[str, ...]]:
        usable = set(self.names)
        listed = read_neighbors(table)
        found = {name: tuple(one for one in listed.get(name, ()) if one in usable) for name in self.names}
        if not any(found.values()):
            raise HndescError(
                f"{table}: lists no neighbors of the photos in {self.folder}; compute the neighbor table again"
            )
        return found

    def keypoints(self, name: str, number: int = 0) -> np.ndarray:
        """Return the keypoints of a photo in file `number` (from 0), N x 2 float64, in its pixels."""
        return self._features(name, number).keypoints.astype(np.float64)

    def size(self, name: str) -> tuple[int, int]:
        """Return the (width, height) in pixels of a photo when its keypoints were detected."""
        size = self._features(name).image_size
        if min(size) > 0:
            return size
        height, width = self._cache.read(self.folder / name).shape[:2]  # imported files may lack it
        return width, height

    def _features(self, name: str, number: int = 0) -> Features:
        if not self._readers:
            self._readers = [FeatureReader(file) for file in self.keypoint_files]
        if number not in self._latest or self._latest[number][0] != name:
            self._latest[number] = name, self._readers[number].read(name)
        return self._latest[number][1]

    def close(self) -> None:
        """Close open files, before worker processes are started."""
        for reader in self._readers:
            reader.__exit__()
        self._readers = []

    def photo(self, name: str) -> np.ndarray:
        """Return a photo, H x W x 3 uint8.

        Raises:
            ImageError: the photo cannot be read.
            HndescError: its size differs from that at keypoint detection.
        """
        photo = self._cache.read(self.folder / name)
        width, height = self.size(name)
        if photo.shape[:2] != (height, width):
            raise HndescError(
                f"{self.folder / name}: {photo.shape[1]}x{photo.shape[0]} pixels, but its keypoints were detected at "
                f"{width}x{height}; detect keypoints again"
            )
        return photo

    def stylized_copy(self, name: str, number: int = 0) -> np.ndarray:
        """Return the stylized copy `number` (from 0) of a photo; its resolution may differ from that of the photo.

        Raises:
            HndescError: the copy is missing or broken, or its aspect ratio differs from that of the photo.
        """
        path = self.copies[name][number]
        copy = self._cache.read(path)
        width, height = self.size(name)
        # Both sides of a copy at a lower resolution are rounded to whole pixels.
        if abs(copy.shape[1] * height - copy.shape[0] * width) > max(width, height):
            raise HndescError(
                f"{path}: {copy.shape[1]}x{copy.shape[0]} pixels do not have the aspect ratio of '{name}' "
                f"({width}x{height}); stylize the photos again"
            )
        return copy

    def summary(self) -> dict[str, str | int]:
        """Return counts and hashes of the data, for the model card."""
        description: dict[str, str | int] = {
            "photos": len(self.names),
            "keypoints": self.total,
            "photos_hash": _listing(self.folder / name for name in self.names),
            "keypoints_hash": "-".join(map(file_hash, self.keypoint_files)),
        }
        if self.copies:
            description["stylized_hash"] = _listing(path for copies in self.copies.values() for path in copies)
        if self.neighbors_file is not None:
            description["neighbors_hash"] = file_hash(self.neighbors_file)
        return description

    def identity(self) -> str:
        """Hash names and states of photos and copies, to detect files that were replaced."""
        digest = hashlib.sha256()
        copies = (path for paths in self.copies.values() for path in paths)
        for path in (*(self.folder / name for name in self.names), *copies):
            digest.update(f"{path.name}\t{file_state(path)}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def files_of(paths: str | os.PathLike | Iterable[str | os.PathLike]) -> list[Path]:
    """Return one path or several as a list."""
    return [Path(paths)] if isinstance(paths, str | os.PathLike) else [Path(path) for path in paths]


def _listing(paths: Iterable[Path]) -> str:
    """Hash the names and sizes of files."""
    digest = hashlib.sha256()
    for path in paths:
        size = path.stat().st_size if path.is_file() else -1
        digest.update(f"{path.name}\t{size}\n".encode())
    return digest.hexdigest()


class ImageCache:
    """A least-recently-used cache of decoded photos, limited in bytes."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.held = 0
        self._images: OrderedDict[Path, np.ndarray] = OrderedDict()

    def read(self, path: Path) -> np.ndarray:
        """Return the photo at `path`, H x W x 3 uint8. It must not be modified."""
        image = self._images.pop(path, None)
        if image is None:
            image = read_image(path)
            self.held += image.nbytes
        self._images[path] = image
        while self.held > self.capacity and self._images:
            self.held -= self._images.popitem(last=False)[1].nbytes
        return image


def held_out(names: Sequence[str], share: float, least: int, seed: int) -> list[str]:
    """Return the photos held out for validation, chosen by the hash of seed and name, at least `least`."""
    count = max(least, round(share * len(names)))
    order = sorted(names, key=lambda name: hashlib.sha256(f"{seed}\t{name}".encode()).digest())
    return sorted(order[:count])
