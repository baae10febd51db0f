"""Camera poses, as pure functions on numpy arrays.

A pose is world to camera: a point X of the world is at R X + t in the camera's frame.
"""

import numpy as np


def camera_center(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Return the center of a camera in the world's frame, -R^T t, from its world-to-camera pose."""
    return -np.asarray(rotation, np.float64).T @ np.asarray(translation, np.float64).reshape(3)


def rotation_angle(first: np.ndarray, second: np.ndarray) -> float:
    """Return the angle in degrees, 0 to 180, of the rotation between two 3 x 3 rotations."""
    difference = np.asarray(first, np.float64) @ np.asarray(second, np.float64).T
    # The sine keeps its precision where the arc cosine of the trace loses it: near 0 degrees.
    axis = np.array(
        [difference[2, 1] - difference[1, 2], difference[0, 2] - difference[2, 0], difference[1, 0] - difference[0, 1]]
    )
    return float(np.degrees(np.arctan2(np.linalg.norm(axis), np.trace(difference) - 1.0)))


def pose_error(estimate: tuple[np.ndarray, np.ndarray], truth: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Return the distance of two cameras' centers (the unit of t) and the angle between them in degrees.

    Args:
        estimate: (R, t), world to camera.
        truth: (R, t), world to camera.
    """
    position = np.linalg.norm(camera_center(*estimate) - camera_center(*truth))
    return float(position), rotation_angle(estimate[0], truth[0])
