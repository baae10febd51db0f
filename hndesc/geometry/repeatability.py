"""Repeatability of keypoints in two images with a known homography.

Keypoints of each image that the other one shows are compared. Two of them correspond if they are at most a threshold
apart after mapping into the second image; each corresponds to at most one other, the nearest pairs first. Repeatability
is the number of correspondences divided by the smaller number of compared keypoints (Mikolajczyk et al., A Comparison
of Affine Region Detectors, IJCV 2005, for points instead of regions). The localization error is the mean distance of
corresponding keypoints (DeTone et al., SuperPoint, CVPR Workshops 2018).
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from hndesc.geometry.homography import warp_points


@dataclass(frozen=True)
class Repeatability:
    """What two sets of keypoints have in common.

    Attributes:
        compared: number of keypoints of each image that the other one shows.
        distances: distances of corresponding keypoints, ascending, in pixels of the second image.
    """

    compared: tuple[int, int] = (0, 0)
    distances: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def share(self) -> float:
        """Repeatability, 0 to 1; 0 where an image has no keypoint to compare."""
        return len(self.distances) / max(min(self.compared), 1)

    @property
    def error(self) -> float:
        """Localization error in pixels; NaN without correspondences."""
        return float(self.distances.mean()) if len(self.distances) else float("nan")


def measure_repeatability(
    first: np.ndarray,
    second: np.ndarray,
    homography: np.ndarray,
    sizes: tuple[tuple[int, int], tuple[int, int]],
    threshold: float,
) -> Repeatability:
    """Compare the keypoints of two images.

    Args:
        first: N x 2 pixels of the first image.
        second: M x 2 pixels of the second image.
        homography: 3 x 3, from the first image to the second.
        sizes: (width, height) of each image.
        threshold: largest distance of corresponding keypoints in pixels of the second image, inclusive.
    """
    mapped = warp_points(homography, first)
    mapped = mapped[_inside(mapped, sizes[1])]
    others = second[_inside(warp_points(np.linalg.inv(homography), second), sizes[0])]
    counts = len(mapped), len(others)
    if not all(counts):
        return Repeatability(counts)
    near = cKDTree(mapped).sparse_distance_matrix(cKDTree(others), threshold, output_type="ndarray")
    distances = []
    taken: tuple[set[int], set[int]] = set(), set()
    for i, j, distance in near[np.argsort(near["v"], kind="stable")]:
        if i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            distances.append(distance)
    return Repeatability(counts, np.array(distances, np.float64))


def _inside(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.all((points >= 0) & (points <= np.array(size) - 1), axis=1)
