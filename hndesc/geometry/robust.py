"""Robust estimation of homographies from matches."""

import cv2
import numpy as np

from hndesc.errors import HndescError
from hndesc.geometry.ransac import ransac_homography

# By their names in figures.
ESTIMATORS = {"ransac": "RANSAC", "magsac": "MAGSAC++", "poselib": "PoseLib"}
OPENCV_METHODS = {"ransac": cv2.RANSAC, "magsac": cv2.USAC_MAGSAC}
_MOST = 2**31 - 1  # iterations, in OpenCV


def check_settings(threshold: float, iterations: float, confidence: float) -> None:
    """Refuse settings of `estimate_homography` with which nothing or everything agrees, before any work.

    Raises:
        HndescError: one line that names the setting.
    """
    wanted = {
        "threshold": (threshold, 0 < threshold < np.inf, "above 0"),
        "iterations": (iterations, 1 <= iterations <= _MOST and iterations == int(iterations), f"from 1 to {_MOST}"),
        "confidence": (confidence, 0 <= confidence <= 1, "from 0 to 1"),
    }
    for name, (value, sound, bounds) in wanted.items():
        if not sound:
            raise HndescError(f"setting '{name}' of the homography estimator is {value}; expected a number {bounds}")


def estimate_homography(
    p1: np.ndarray,
    p2: np.ndarray,
    threshold: float = 3.0,
    iterations: int = 5000,
    confidence: float = 0.9995,
    estimator: str = "ransac",
) -> tuple[np.ndarray | None, np.ndarray]:
    """Estimate the homography that maps `p1` to `p2`, the same one each time for the same input.

    Args:
        p1: K x 2 pixels of the first image.
        p2: K x 2 pixels of the second image.
        threshold: largest reprojection error of an inlier, pixels of the second image.
        iterations: most samples to draw.
        confidence: probability of having drawn a sample without outliers at which drawing ends.
        estimator: "ransac" (OpenCV's, the published one), "magsac" (MAGSAC++ as OpenCV has it; Barath et al., CVPR
            2020) or "poselib" (PoseLib's LO-RANSAC with non-linear refinement; it draws at least 1000 samples).

    Returns:
        H (3 x 3 float64, H[2, 2] = 1) and the mask of inliers (K bool); None and no inlier for fewer than four
        matches or a degenerate configuration.
    """
    if estimator not in ESTIMATORS:
        raise HndescError(f"unknown homography estimator '{estimator}'; choose one of: {', '.join(sorted(ESTIMATORS))}")
    homography: np.ndarray | None
    inliers: np.ndarray
    failure = None, np.zeros(len(p1), bool)
    if len(p1) < 4:
        return failure
    p1, p2 = (np.ascontiguousarray(points, dtype=np.float64) for points in (p1, p2))
    if estimator == "poselib":
        homography, inliers = _poselib(p1, p2, threshold, iterations, confidence)
    elif estimator == "ransac" and len(p1) > 4:
        homography, inliers = ransac_homography(p1, p2, threshold, iterations, confidence)
    else:
        homography, inliers = _opencv(p1, p2, threshold, iterations, confidence, OPENCV_METHODS[estimator])
    if homography is None or not np.isfinite(homography).all() or homography[2, 2] == 0:
        return failure
    if _on_a_line(p1[inliers]) or _on_a_line(p2[inliers]):
        return failure
    return homography / homography[2, 2], inliers


def _opencv(
    p1: np.ndarray, p2: np.ndarray, threshold: float, iterations: int, confidence: float, method: int
) -> tuple[np.ndarray | None, np.ndarray]:
    cv2.setRNGSeed(0)
    try:
        homography, mask = cv2.findHomography(p1, p2, method, threshold, maxIters=iterations, confidence=confidence)
    except cv2.error:  # some builds raise on degenerate points instead of returning nothing
        homography = None
    return homography, np.zeros(len(p1), bool) if homography is None else mask.reshape(-1).astype(bool)


def _poselib(
    p1: np.ndarray, p2: np.ndarray, threshold: float, iterations: int, confidence: float
) -> tuple[np.ndarray | None, np.ndarray]:
    import poselib

    options = {"max_reproj_error": threshold, **poselib_options(iterations, confidence)}
    homography, info = poselib.estimate_homography(p1, p2, options)
    return homography, np.array(info["inliers"], bool)


def poselib_options(iterations: int, confidence: float) -> dict[str, float]:
    """Return the options that PoseLib's estimators have in common; at least 1000 samples are drawn."""
    return {
        "max_iterations": iterations,
        "min_iterations": min(1000, iterations),
        "success_prob": confidence,
        "seed": 0,
    }


def _on_a_line(points: np.ndarray) -> bool:
    """Return whether N x 2 points determine no homography: they lie on one line or in one place."""
    if len(points) < 4:
        return True
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return bool(spread[1] <= 1e-6 * max(spread[0], 1.0))
