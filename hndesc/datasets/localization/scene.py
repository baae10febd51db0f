"""The content of a localization dataset in any format: cameras, poses, queries, pairs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

from hndesc.datasets.localization.cameras import Intrinsics


@dataclass(frozen=True)
class Pose:
    """A pose from world to camera: a world point X is at `rotation` X + `translation` in the camera frame."""

    rotation: np.ndarray
    translation: np.ndarray

    @classmethod
    def from_quaternion(cls, quaternion: ArrayLike, translation: ArrayLike) -> "Pose":
        """Return the pose of a quaternion (w, x, y, z), which need not be normalized."""
        rotation = Rotation.from_quat(np.asarray(quaternion, np.float64), scalar_first=True).as_matrix()
        return cls(rotation, np.asarray(translation, np.float64))

    @classmethod
    def from_center(cls, quaternion: ArrayLike, center: ArrayLike) -> "Pose":
        """Return the pose of a quaternion (w, x, y, z) and a camera center in world coordinates, as in NVM files."""
        pose = cls.from_quaternion(quaternion, np.zeros(3))
        return cls(pose.rotation, -pose.rotation @ np.asarray(center, np.float64))

    def center(self) -> np.ndarray:
        """Return the camera center in world coordinates."""
        return -self.rotation.T @ self.translation

    def quaternion(self) -> np.ndarray:
        """Return the rotation as a unit quaternion (w, x, y, z) with w >= 0."""
        return Rotation.from_matrix(self.rotation).as_quat(canonical=True, scalar_first=True)


@dataclass(frozen=True)
class Scene:
    """A localization dataset.

    Attributes:
        root: folder of the dataset.
        database: cameras of the database images with a pose.
        poses: poses of the database images.
        queries: cameras of the queries, in the order of the lists; None if COLMAP does not know the camera model.
        conditions: condition of each query ("day", "night", …), from the name of its list.
        pairs: pairs of image names to match, each unordered pair once, in the order of the list; empty without a list.
        ids: (image id, camera id) in the COLMAP database of the dataset, if it has one.
        truth: ground truth poses of queries; empty if they are not public.
        problems: number of skipped items by kind.
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
        """Return the cameras of all images with a known model, database first."""
        return dict(self.database) | {name: camera for name, camera in self.queries.items() if camera is not None}

    def retrieved(self) -> dict[str, list[str]]:
        """Return, for each query, the paired database images in the order of the list."""
        retrieved: dict[str, list[str]] = {name: [] for name in self.queries}
        for first, second in self.pairs:
            for query, other in ((first, second), (second, first)):
                if query in retrieved and other in self.poses:
                    retrieved[query].append(other)
        return retrieved
