"""Matching of descriptors by mutual nearest neighbours, and homographies estimated from the matches."""

import cv2
import numpy as np

from hndesc.errors import HndescError
from hndesc.features import Features

ESTIMATORS = ("ransac", "magsac", "poselib")
# Entries of one block of similarities: 32 MB, so that 20,000 x 20,000 descriptors never stand in memory at once.
_BLOCK = 8_000_000


def mutual_nearest(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pair the descriptors that are each other's nearest neighbours by dot product (a tie goes to the lowest index).

    One product, in blocks of rows: memory is bounded, and each block is searched both ways while it is in the cache.

    Args:
        a: N x D, L2-normalised.
        b: M x D, L2-normalised.

    Returns:
        K x 2 int64, rows (index in a, index in b) sorted by the first; empty when either side is.
    """
    if len(a) == 0 or len(b) == 0:
        return np.empty((0, 2), np.int64)
    if a.shape[1] != b.shape[1]:
        raise HndescError(f"descriptors of {a.shape[1]} and {b.shape[1]} dimensions cannot be matched with each other")
    a = np.ascontiguousarray(a, dtype=np.float32)
    columns = np.ascontiguousarray(b.T, dtype=np.float32)
    to_b = np.empty(len(a), np.int64)
    to_a = np.full(len(b), -1)
    best = np.full(len(b), -np.inf, np.float32)
    # 256 rows keep a block in the processor's cache, where the maximum over its rows costs little.
    rows = max(1, min(256, len(a), _BLOCK // len(b)))
    buffer = np.empty((rows, len(b)), np.float32)
    for start in range(0, len(a), rows):
        block = a[start : start + rows]
        similarity = np.matmul(block, columns, out=buffer[: len(block)])
        nearest = similarity.argmax(axis=1)
        to_b[start : start + rows] = nearest
        highest = similarity.max(axis=0)
        better = highest > best
        best[better] = highest[better]
        to_a[better] = -1
        # A column's nearest row matters only where that row prefers the column too; few columns are searched for it.
        own = similarity[np.arange(len(block)), nearest]
        preferred = nearest[better[nearest] & (own == highest[nearest])]
        to_a[preferred] = start + (similarity.take(preferred, axis=1) == highest[preferred]).argmax(axis=0)
    mutual = np.flatnonzero(to_a[to_b] == np.arange(len(a)))
    return np.stack([mutual, to_b[mutual]], axis=1)


def match_features(a: Features, b: Features) -> np.ndarray:
    """Match two images by mutual nearest neighbours; K x 2 int64, rows of `a` and `b`."""
    if a.descriptors is None or b.descriptors is None:
        raise HndescError("features without descriptors cannot be matched; describe the keypoints first")
    return mutual_nearest(a.descriptors, b.descriptors)


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
    failure = None, np.zeros(len(p1), bool)
    if len(p1) < 4:
        return failure
    p1, p2 = (np.ascontiguousarray(points, dtype=np.float64) for points in (p1, p2))
    if estimator == "poselib":
        homography, inliers = _poselib(p1, p2, threshold, iterations, confidence)
    else:
        method = cv2.RANSAC if estimator == "ransac" else cv2.USAC_MAGSAC
        homography, inliers = _opencv(p1, p2, threshold, iterations, confidence, method)
    if homography is None or not np.isfinite(homography).all() or homography[2, 2] == 0:
        return failure
    if _on_a_line(p1[inliers]) or _on_a_line(p2[inliers]):
        return failure
    return homography / homography[2, 2], inliers


def _opencv(
    p1: np.ndarray, p2: np.ndarray, threshold: float, iterations: int, confidence: float, method: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    cv2.setRNGSeed(0)
    try:
        homography, mask = cv2.findHomography(p1, p2, method, threshold, maxIters=iterations, confidence=confidence)
    except cv2.error:  # some builds raise on degenerate points instead of returning nothing
        return None, None
    return homography, None if homography is None else mask.reshape(-1).astype(bool)


def _poselib(
    p1: np.ndarray, p2: np.ndarray, threshold: float, iterations: int, confidence: float
) -> tuple[np.ndarray | None, np.ndarray]:
    import poselib

    options = {
        "max_reproj_error": threshold,
        "max_iterations": iterations,
        "min_iterations": min(1000, iterations),
        "success_prob": confidence,
        "seed": 0,
    }
    homography, info = poselib.estimate_homography(p1, p2, options)
    return homography, np.array(info["inliers"], bool)


def _on_a_line(points: np.ndarray) -> bool:
    """Tell whether N x 2 points determine no homography: they lie on one line or in one place."""
    if len(points) < 4:
        return True
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return bool(spread[1] <= 1e-6 * max(spread[0], 1.0))
