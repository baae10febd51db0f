"""How exact a pose is, from the reprojection errors of its inliers (first-order propagation of covariance)."""

import math
from dataclasses import dataclass

import numpy as np

from hndesc.datasets.localization.pycolmap_border import pycolmap
from hndesc.datasets.localization.scene import Pose

_STEP = 1e-6


@dataclass(frozen=True)
class Uncertainty:
    """Standard deviations of a pose.

    Attributes:
        position: of the camera center, in units of the model.
        rotation: in degrees.
        error: root mean square of the reprojection errors, pixels.
    """

    position: float
    rotation: float
    error: float


def pose_uncertainty(
    pose: Pose, camera: "pycolmap.Camera", keypoints: np.ndarray, points: np.ndarray
) -> Uncertainty | None:
    """Return the uncertainty of a pose that minimizes the reprojection errors of inliers.

    Args:
        pose: world to camera.
        camera: camera of the image.
        keypoints: K x 2 pixels of the camera, in COLMAP's convention.
        points: K x 3 points of the world that they show.

    Returns:
        None for fewer than four points, or points that determine no pose.
    """
    if len(points) < 4:
        return None
    local = points @ pose.rotation.T + pose.translation
    residuals = keypoints - camera.img_from_cam(local)
    slopes = _projection_slopes(camera, local)  # K x 2 x 3
    # A move of the center by c shifts points in the camera by -R c, a turn by w by w x X.
    moves = -slopes @ pose.rotation
    turns = -slopes @ _cross_matrices(local)
    jacobian = np.concatenate([moves, turns], axis=2).reshape(-1, 6)
    variance = float((residuals**2).sum()) / (2 * len(points) - 6)
    scale = np.linalg.norm(jacobian, axis=0)
    if not np.isfinite(jacobian).all() or not (scale > 0).all() or np.linalg.matrix_rank(jacobian / scale) < 6:
        return None
    scaled = jacobian / scale
    covariance = variance * np.linalg.inv(scaled.T @ scaled) / np.outer(scale, scale)
    spread = np.diag(covariance)
    return Uncertainty(
        position=math.sqrt(spread[:3].sum()),
        rotation=math.degrees(math.sqrt(spread[3:].sum())),
        error=math.sqrt(float((residuals**2).sum(axis=1).mean())),
    )


def _projection_slopes(camera: "pycolmap.Camera", local: np.ndarray) -> np.ndarray:
    """Return the derivatives of pixels by points in the camera's frame, K x 2 x 3."""
    steps = _STEP * np.abs(local[:, 2:])
    slopes = []
    for axis in np.eye(3):
        ahead, behind = (camera.img_from_cam(local + sign * steps * axis) for sign in (1, -1))
        slopes.append((ahead - behind) / (2 * steps))
    return np.stack(slopes, axis=2)


def _cross_matrices(points: np.ndarray) -> np.ndarray:
    """Return the matrices whose product with w is X x w, K x 3 x 3."""
    x, y, z = points.T
    zero = np.zeros_like(x)
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
