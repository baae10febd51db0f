"""Homographies and camera poses, as pure functions on numpy arrays.

Points are (x, y) in pixels; a homography is 3 x 3 and maps column vectors (x, y, 1). A pose is world to camera: a
point X of the world is at R X + t in the camera's frame.
"""

import math

import numpy as np

_EPSILON = 1e-12


def warp_points(homography: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map N x 2 points by a 3 x 3 homography; a point sent to infinity becomes NaN.

    Returns:
        N x 2 float64.
    """
    homography = np.asarray(homography, np.float64)
    points = np.asarray(points, np.float64).reshape(-1, 2)
    mapped = points @ homography[:, :2].T + homography[:, 2]
    depth = np.where(np.abs(mapped[:, 2:]) < _EPSILON, np.nan, mapped[:, 2:])
    return mapped[:, :2] / depth


def translation(x: float, y: float) -> np.ndarray:
    """Return the 3 x 3 homography that moves points by (x, y)."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def homography_of_corners(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the homography (3 x 3, lower right element 1) that maps four points (4 x 2) onto four others.

    Raises:
        numpy.linalg.LinAlgError: three of the points lie on a line.
    """
    (x, y), (u, v) = np.asarray(source, np.float64).T, np.asarray(target, np.float64).T
    one, zero = np.ones(4), np.zeros(4)
    rows = np.stack(
        [
            np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], axis=1),
            np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], axis=1),
        ],
        axis=1,
    ).reshape(8, 8)
    solution = np.linalg.solve(rows, np.stack([u, v], axis=1).ravel())
    return np.append(solution, 1.0).reshape(3, 3)


def corners(size: tuple[int, int]) -> np.ndarray:
    """Return the centers of the four corner pixels of an image of `size` (width, height), 4 x 2, counter-clockwise."""
    right, bottom = size[0] - 1, size[1] - 1
    return np.array([[0, 0], [0, bottom], [right, bottom], [right, 0]], np.float64)


def turn_and_zoom(homography: np.ndarray, point: tuple[float, float]) -> tuple[float, float]:
    """Return rotation and change of scale of a homography (3 x 3) near a point (x, y in pixels).

    Returns:
        The angle of the rotation nearest to the derivative of the map, degrees from -180 to 180, and the root of the
        absolute value of its determinant, NaN and NaN where the map is singular.
    """
    x, y, depth = np.asarray(homography, np.float64) @ np.array([*point, 1.0])
    if abs(depth) < _EPSILON:
        return math.nan, math.nan
    derivative = (homography[:2, :2] - np.outer([x / depth, y / depth], homography[2, :2])) / depth
    zoom = math.sqrt(abs(np.linalg.det(derivative)))
    if zoom < _EPSILON:
        return math.nan, math.nan
    (a, b), (c, d) = derivative
    return math.degrees(math.atan2(c - b, a + d)), zoom


def corner_error(estimate: np.ndarray | None, truth: np.ndarray, size: tuple[int, int]) -> float:
    """Return the mean distance in pixels of an image's four corners under two homographies (HPatches protocol).

    Args:
        estimate: 3 x 3, or None where the estimation failed.
        truth: 3 x 3.
        size: (width, height) of the image whose corners are mapped.

    Returns:
        Pixels; infinity for a failed or degenerate estimate.
    """
    if estimate is None:
        return float("inf")
    points = corners(size)
    error = float(np.linalg.norm(warp_points(estimate, points) - warp_points(truth, points), axis=1).mean())
    return error if np.isfinite(error) else float("inf")
