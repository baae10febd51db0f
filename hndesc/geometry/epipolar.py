"""Robust estimation of fundamental and essential matrices from matches.

A fundamental matrix F relates pixels of two images of a scene: x2^T F x1 = 0 for homogeneous x1, x2. An essential
matrix E = K2^T F K1 relates directions, for intrinsics K (Hartley and Zisserman, Multiple View Geometry, chapters 9 and
11).
"""

import cv2
import numpy as np

from hndesc.errors import HndescError
from hndesc.geometry.robust import ESTIMATORS, OPENCV_METHODS, check_settings, poselib_options

# 276 pairs of unrelated photos of 481 x 321 pixels had 22 to 274 matches. In 98 % of them, at most this many times the
# root of their number were inliers of a fundamental matrix.
_CHANCE = 4.0
_FUNDAMENTAL, _ESSENTIAL = 8, 6  # fewest matches of an estimate that is more than an exact solution


def chance_inliers(matches: int) -> float:
    """Return the number of inliers of an epipolar geometry that matches of unrelated images have by chance."""
    return _CHANCE * matches**0.5


def sampson_distances(matrix: np.ndarray, p1: np.ndarray, p2: np.ndarray) -> np.ndarray:
    """Return the Sampson distances of matches from a fundamental matrix, the first-order error of both points.

    Args:
        matrix: 3 x 3.
        p1: K x 2 pixels of the first image.
        p2: K x 2 pixels of the second image.

    Returns:
        K float64, pixels.
    """
    first, second = (np.column_stack([np.asarray(p, np.float64), np.ones(len(p))]) for p in (p1, p2))
    lines2, lines1 = first @ matrix.T, second @ matrix
    error = np.abs((second * lines2).sum(axis=1))
    scale = np.sqrt((lines1[:, :2] ** 2).sum(axis=1) + (lines2[:, :2] ** 2).sum(axis=1))
    return np.divide(error, scale, out=np.full(len(error), np.inf), where=scale > 0)


def estimate_fundamental(
    p1: np.ndarray,
    p2: np.ndarray,
    threshold: float = 3.0,
    iterations: int = 5000,
    confidence: float = 0.9995,
    estimator: str = "magsac",
) -> tuple[np.ndarray | None, np.ndarray]:
    """Estimate the fundamental matrix of two images, the same one each time for the same input.

    Args:
        p1: K x 2 pixels of the first image.
        p2: K x 2 pixels of the second image.
        threshold: largest Sampson distance of an inlier, pixels.
        iterations, confidence, estimator: see `hndesc.geometry.robust.estimate_homography`.

    Returns:
        F (3 x 3 float64, norm 1) and the mask of inliers (K bool); None and no inlier for fewer than eight matches or a
        degenerate configuration.
    """
    _check(threshold, iterations, confidence, estimator)
    p1, p2 = (np.ascontiguousarray(points, dtype=np.float64) for points in (p1, p2))
    if len(p1) < _FUNDAMENTAL:
        return None, np.zeros(len(p1), bool)
    if estimator == "poselib":
        import poselib

        matrix, _ = poselib.estimate_fundamental(p1, p2, _poselib_options(threshold, iterations, confidence))
    else:
        cv2.setRNGSeed(0)
        try:
            matrix, _ = cv2.findFundamentalMat(p1, p2, OPENCV_METHODS[estimator], threshold, confidence, iterations)
        except cv2.error:  # degenerate points
            matrix = None
    return _with_inliers(matrix, p1, p2, threshold, _FUNDAMENTAL)


def estimate_essential(
    p1: np.ndarray,
    p2: np.ndarray,
    intrinsics: tuple[np.ndarray, np.ndarray],
    threshold: float = 3.0,
    iterations: int = 5000,
    confidence: float = 0.9995,
    estimator: str = "magsac",
) -> tuple[np.ndarray | None, np.ndarray]:
    """Estimate the essential matrix of two images with known intrinsics; arguments and result as above.

    Args:
        p1: K x 2 pixels of the first image.
        p2: K x 2 pixels of the second image.
        intrinsics: K of the first and the second image, 3 x 3 each.
        threshold: largest Sampson distance of an inlier, pixels.
        iterations, confidence, estimator: see `hndesc.geometry.robust.estimate_homography`.
    """
    _check(threshold, iterations, confidence, estimator)
    p1, p2 = (np.asarray(points, np.float64) for points in (p1, p2))
    if len(p1) < _ESSENTIAL:
        return None, np.zeros(len(p1), bool)
    # One common focal length, so that a threshold in pixels holds in both images.
    focal = float(np.mean([k[0, 0] for k in intrinsics]))
    first, second = (_directions(p, k) * focal for p, k in zip((p1, p2), intrinsics, strict=True))
    essential = _essential(first, second, focal, threshold, iterations, confidence, estimator)
    if essential is None:
        return None, np.zeros(len(p1), bool)
    inverses = [np.linalg.inv(k) for k in intrinsics]
    found, inliers = _with_inliers(inverses[1].T @ essential @ inverses[0], p1, p2, threshold, _ESSENTIAL)
    return (None if found is None else essential / np.linalg.norm(essential)), inliers


def _check(threshold: float, iterations: int, confidence: float, estimator: str) -> None:
    check_settings(threshold, iterations, confidence)
    if estimator not in ESTIMATORS:
        raise HndescError(f"unknown estimator '{estimator}'; choose one of: {', '.join(sorted(ESTIMATORS))}")


def _directions(points: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    homogeneous = np.column_stack([points, np.ones(len(points))]) @ np.linalg.inv(intrinsics).T
    return np.ascontiguousarray(homogeneous[:, :2] / homogeneous[:, 2:])


def _essential(
    p1: np.ndarray, p2: np.ndarray, focal: float, threshold: float, iterations: int, confidence: float, estimator: str
) -> np.ndarray | None:
    """Return the essential matrix of pixels of two cameras of one focal length and the principal point (0, 0)."""
    if estimator == "poselib":
        import poselib

        camera = {"model": "SIMPLE_PINHOLE", "width": 1, "height": 1, "params": [focal, 0.0, 0.0]}
        options = _poselib_options(threshold, iterations, confidence)
        pose, info = poselib.estimate_relative_pose(p1, p2, camera, camera, options)
        x, y, z = pose.t
        return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ pose.R if sum(info["inliers"]) else None
    cv2.setRNGSeed(0)
    matrix_of_camera = np.diag([focal, focal, 1.0])
    try:
        matrix, _ = cv2.findEssentialMat(
            p1, p2, matrix_of_camera, OPENCV_METHODS[estimator], confidence, threshold, iterations
        )
    except cv2.error:  # degenerate points
        return None
    return None if matrix is None or matrix.shape != (3, 3) else matrix


def _poselib_options(threshold: float, iterations: int, confidence: float) -> dict:
    return {"max_epipolar_error": threshold, **poselib_options(iterations, confidence)}


def _with_inliers(
    matrix: np.ndarray | None, p1: np.ndarray, p2: np.ndarray, threshold: float, least: int
) -> tuple[np.ndarray | None, np.ndarray]:
    """Return a fundamental matrix of norm 1 and its inliers; None if it has fewer than `least`."""
    failure = None, np.zeros(len(p1), bool)
    if matrix is None or np.shape(matrix) != (3, 3) or not np.isfinite(matrix).all() or not np.any(matrix):
        return failure
    inliers = sampson_distances(matrix, p1, p2) <= threshold
    if inliers.sum() < least:
        return failure
    return matrix / np.linalg.norm(matrix), inliers
