"""Camera poses, as pure functions on numpy arrays.

A pose is world to camera: a point X of the world is at R X + t in the camera's frame.
"""

import numpy as np
from scipy.spatial.transform import Rotation


def camera_center(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Return the center of a camera in the world's frame, -R^T t, from its world-to-camera pose."""
    return -np.asarray(rotation, np.float64).T @ np.asarray(translation, np.float64).reshape(3)


def rotation_angle(first: np.ndarray, second: np.ndarray) -> float:
    """Return the angle in degrees, 0 to 180, of the rotation between two 3 x 3 rotations."""
    difference = np.asarray(first, np.float64) @ np.asarray(second, np.float64).T
    return float(np.degrees(Rotation.from_matrix(difference).magnitude()))


def pose_error(estimate: tuple[np.ndarray, np.ndarray], truth: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Return the distance of two cameras' centers (the unit of t) and the angle between them in degrees.

    Args:
        estimate: (R, t), world to camera.
        truth: (R, t), world to camera.
    """
    position = np.linalg.norm(camera_center(*estimate) - camera_center(*truth))
    return float(position), rotation_angle(estimate[0], truth[0])
