"""What a localization dataset is, whatever files it comes in: cameras, poses, queries, pairs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

from hndesc.datasets.localization.cameras import Intrinsics


@dataclass(frozen=True)
class Pose:
    """World to camera: a point X of the world is at `rotation` X + `translation` in the camera's frame."""

    rotation: np.ndarray
    translation: np.ndarray

    @classmethod
    def from_quaternion(cls, quaternion: ArrayLike, translation: ArrayLike) -> "Pose":
        """Make a pose from a quaternion (w, x, y, z), which need not have length 1."""
        rotation = Rotation.from_quat(np.asarray(quaternion, np.float64), scalar_first=True).as_matrix()
        return cls(rotation, np.asarray(translation, np.float64))

    @classmethod
    def from_center(cls, quaternion: ArrayLike, center: ArrayLike) -> "Pose":
        """Make a pose from a quaternion (w, x, y, z) and the camera's center in the world, as NVM files have it."""
        pose = cls.from_quaternion(quaternion, np.zeros(3))
        return cls(pose.rotation, -pose.rotation @ np.asarray(center, np.float64))

    def center(self) -> np.ndarray:
        """Return the camera's center in the world."""
        return -self.rotation.T @ self.translation

    def quaternion(self) -> np.ndarray:
        """Return the rotation as a unit quaternion (w, x, y, z) with w >= 0."""
        return Rotation.from_matrix(self.rotation).as_quat(canonical=True, scalar_first=True)


@dataclass(frozen=True)
class Scene:
    """A localization dataset.

    Attributes:
        root: where it was read from.
        database: cameras of the database images (those that have a pose).
        poses: their poses.
        queries: cameras of the queries, in the order of the lists; None where COLMAP does not know the camera model.
        conditions: the list that each query is in ("day", "night", …).
        pairs: pairs of image names to match, each unordered pair once, in the order of the list; empty without a list.
        ids: (image id, camera id) of the dataset's own COLMAP database, where it has one.
        truth: true poses of queries; empty where they are not public.
        problems: what was left out while reading: kind -> how many.
    """

    root: Path
    database: Mapping[str, Intrinsics]
    poses: Mapping[str, Pose]
    queries: Mapping[str, Intrinsics | None]
    conditions: Mapping[str, str]
    pairs: list[tuple[str, str]]
    ids: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    truth: Mapping[str, Pose] = field(default_factory=dict)
    problems: Mapping[str, int] = field(default_factory=dict)

    def cameras(self) -> dict[str, Intrinsics]:
        """Return the cameras of all images that have one, database first."""
        return dict(self.database) | {name: camera for name, camera in self.queries.items() if camera is not None}

    def retrieved(self) -> dict[str, list[str]]:
        """Return, for each query, the database images that it is paired with, in the order of the list."""
        retrieved: dict[str, list[str]] = {name: [] for name in self.queries}
        for first, second in self.pairs:
            for query, other in ((first, second), (second, first)):
                if query in retrieved and other in self.poses:
                    retrieved[query].append(other)
        return retrieved
