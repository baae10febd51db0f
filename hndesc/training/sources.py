"""What training learns from: photos, their keypoints, stylized copies and neighbors, checked at the start."""

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from hndesc.errors import HndescError
from hndesc.io.features import FeatureReader, Features
from hndesc.io.images import find_images, read_image
from hndesc.retrieval.neighbor_table import read_neighbors
from hndesc.runtime.provenance import file_hash, file_state
from hndesc.stylization.tables import TABLE, read_copies

logger = logging.getLogger(__name__)

# Pairs with fewer keypoints are no part of the loss.
_FEWEST = 2


class TrainingPhotos:
    """The photos that can be learned from; read on demand, so that each process may hold its own.

    Args:
        photos: folder of photos.
        keypoints: feature file of these photos.
        stylized: folder of stylized copies, or None.
        neighbors: table of each photo's nearest others, or None.
        cache_megabytes: memory for decoded photos.

    Attributes:
        names: relative paths of the usable photos, sorted: those with at least two keypoints.

    Raises:
        HndescError: no usable photo, keypoints of other photos, or a stylized copy that is missing.
    """

    def __init__(
        self, photos: Path, keypoints: Path, stylized: Path | None, neighbors: Path | None, cache_megabytes: int = 0
    ) -> None:
        self.folder, self.keypoints_file = Path(photos), Path(keypoints)
        self.stylized = None if stylized is None else Path(stylized)
        self.neighbors_file = None if neighbors is None else Path(neighbors)
        self.names, self.total = self._usable(find_images(photos))
        self.copies = {} if self.stylized is None else self._copies(self.stylized)
        self.neighbors = {} if self.neighbors_file is None else self._neighbors(self.neighbors_file)
        self._cache = ImageCache(cache_megabytes * 2**20)
        self._reader: FeatureReader | None = None
        self._latest: tuple[str, Features] | None = None

    def _usable(self, names: Sequence[str]) -> tuple[list[str], int]:
        """Return the names of the photos with enough keypoints, and the number of all keypoints."""
        with FeatureReader(self.keypoints_file) as reader:
            stored, failed = set(reader.names()), reader.failed
            if not stored.intersection(names) and not (failed and failed.keys() >= set(names)):
                raise HndescError(
                    f"{self.keypoints_file}: holds keypoints of other photos than those in {self.folder}; "
                    "detect keypoints in these photos first"
                )
            missing = [name for name in names if name not in stored and name not in failed]
            if missing:
                raise HndescError(
                    f"{self.keypoints_file}: no keypoints of '{missing[0]}' ({len(missing)} of {len(names)} photos "
                    "are missing); detect keypoints again"
                )
            counts = {name: len(reader.read(name)) for name in names if name in stored}
        for name in names:
            if name in failed:
                logger.warning("%s is left out: %s", name, failed[name])
        usable = [name for name, count in counts.items() if count >= _FEWEST]
        if not usable:
            raise HndescError(
                f"{self.keypoints_file}: none of the {len(names)} photos in {self.folder} has {_FEWEST} keypoints; "
                "use other photos or a lower detection threshold"
            )
        if len(usable) < len(counts):
            logger.warning("%d photos have fewer than %d keypoints: left out", len(counts) - len(usable), _FEWEST)
        return usable, sum(counts.values())

    def _copies(self, folder: Path) -> dict[str, tuple[Path, ...]]:
        """Return each photo's stylized copies, one or more."""
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
            raise HndescError(f"{table}: names no neighbor of the photos in {self.folder}; find their neighbors again")
        return found

    def keypoints(self, name: str) -> np.ndarray:
        """Return the keypoints of a photo, N x 2 float64, pixels of the original."""
        return self._features(name).keypoints.astype(np.float64)

    def size(self, name: str) -> tuple[int, int]:
        """Return the (width, height) in pixels at which a photo's keypoints were found."""
        size = self._features(name).image_size
        if min(size) > 0:
            return size
        height, width = self._cache.read(self.folder / name).shape[:2]  # files of other programs may not tell
        return width, height

    def _features(self, name: str) -> Features:
        if self._reader is None:
            self._reader = FeatureReader(self.keypoints_file)
        if self._latest is None or self._latest[0] != name:
            self._latest = name, self._reader.read(name)
        return self._latest[1]

    def close(self) -> None:
        """Let go of open files, before other processes are started."""
        if self._reader is not None:
            self._reader.__exit__()
            self._reader = None

    def photo(self, name: str) -> np.ndarray:
        """Return a photo, H x W x 3 uint8.

        Raises:
            ImageError: it cannot be read.
            HndescError: it has another size than when its keypoints were found.
        """
        photo = self._cache.read(self.folder / name)
        width, height = self.size(name)
        if photo.shape[:2] != (height, width):
            raise HndescError(
                f"{self.folder / name}: {photo.shape[1]}x{photo.shape[0]} pixels, but its keypoints were found in "
                f"{width}x{height}; detect keypoints again"
            )
        return photo

    def stylized_copy(self, name: str, number: int = 0) -> np.ndarray:
        """Return a photo's stylized copy of a number, from 0; it may have another resolution.

        Raises:
            HndescError: it is gone, broken, or of another shape than the photo.
        """
        path = self.copies[name][number]
        copy = self._cache.read(path)
        width, height = self.size(name)
        # A copy at a lower resolution rounds both of its sides to whole pixels.
        if abs(copy.shape[1] * height - copy.shape[0] * width) > max(width, height):
            raise HndescError(
                f"{path}: {copy.shape[1]}x{copy.shape[0]} pixels is another shape than the {width}x{height} of "
                f"'{name}'; stylize the photos again"
            )
        return copy

    def summary(self) -> dict[str, str | int]:
        """Describe the data: what it is, and hashes that change when it does."""
        description: dict[str, str | int] = {
            "photos": len(self.names),
            "keypoints": self.total,
            "photos_hash": _listing(self.folder / name for name in self.names),
            "keypoints_hash": file_hash(self.keypoints_file),
        }
        if self.copies:
            description["stylized_hash"] = _listing(path for copies in self.copies.values() for path in copies)
        if self.neighbors_file is not None:
            description["neighbors_hash"] = file_hash(self.neighbors_file)
        return description

    def identity(self) -> str:
        """Hash what tells photos and copies from others that take their places: names and states."""
        digest = hashlib.sha256()
        copies = (path for paths in self.copies.values() for path in paths)
        for path in (*(self.folder / name for name in self.names), *copies):
            digest.update(f"{path.name}\t{file_state(path)}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def _listing(paths: Iterable[Path]) -> str:
    """Hash the names and sizes of files."""
    digest = hashlib.sha256()
    for path in paths:
        size = path.stat().st_size if path.is_file() else -1
        digest.update(f"{path.name}\t{size}\n".encode())
    return digest.hexdigest()


class ImageCache:
    """Decoded photos, the latest used, within a number of bytes."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.held = 0
        self._images: OrderedDict[Path, np.ndarray] = OrderedDict()

    def read(self, path: Path) -> np.ndarray:
        """Return the photo at `path`, H x W x 3 uint8, not to be written to."""
        image = self._images.pop(path, None)
        if image is None:
            image = read_image(path)
            self.held += image.nbytes
        self._images[path] = image
        while self.held > self.capacity and self._images:
            self.held -= self._images.popitem(last=False)[1].nbytes
        return image


def held_out(names: Sequence[str], share: float, least: int, seed: int) -> list[str]:
    """Choose the photos that validation keeps: those whose hashed names come first, always the same ones."""
    count = max(least, round(share * len(names)))
    order = sorted(names, key=lambda name: hashlib.sha256(f"{seed}\t{name}".encode()).digest())
    return sorted(order[:count])
