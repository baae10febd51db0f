"""Metrics of an image pair with a known homography, as pure functions on arrays."""

from collections.abc import Sequence

import numpy as np

from hndesc.geometry.homography import warp_points


def matching_errors(p1: np.ndarray, p2: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """Return the reprojection error of each match under the true homography.

    Args:
        p1: K x 2 pixels of the first image.
        p2: K x 2 pixels of the second image.
        homography: 3 x 3, first to second.

    Returns:
        K pixels of the second image; NaN for a point mapped to infinity.
    """
    return np.linalg.norm(warp_points(homography, p1) - p2, axis=1)


def matching_accuracy(
    p1: np.ndarray, p2: np.ndarray, homography: np.ndarray, thresholds: Sequence[float]
) -> np.ndarray:
    """Return the share of matches with a reprojection error within each threshold.

    Args:
        p1: K x 2 pixels of the first image.
        p2: K x 2 pixels of the second image.
        homography: 3 x 3, first to second.
        thresholds: pixels of the second image, each inclusive.

    Returns:
        One value per threshold; zeros without matches.
    """
    if len(p1) == 0:
        return np.zeros(len(thresholds))
    errors = matching_errors(p1, p2, homography)
    return (errors[:, None] <= np.asarray(thresholds)).mean(axis=0)


def visible(points: np.ndarray, homography: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the mask of the N x 2 points that a homography maps into an image of (width, height), limits inclusive."""
    mapped = warp_points(homography, points)
    return np.all((mapped >= 0) & (mapped <= np.array(size) - 1), axis=1)


def matching_score(
    keypoints: tuple[np.ndarray, np.ndarray],
    descriptors: tuple[np.ndarray, np.ndarray],
    homography: np.ndarray,
    sizes: tuple[tuple[int, int], tuple[int, int]],
    threshold: float = 3.0,
) -> float:
    """Return the matching score of a pair.

    Each keypoint of an image is matched to its nearest neighbor in the other image. Of the neighbors that the true
    homography maps into the first image, the score is the share that fall less than `threshold` pixels from the
    keypoint, or 0 without such neighbors. The result is the mean of both directions.

    Args:
        keypoints: N x 2 and M x 2 pixels.
        descriptors: N x D and M x D, L2-normalized.
        homography: 3 x 3, from pixels of the first image to those of the second.
        sizes: (width, height) of each image.
        threshold: pixels of the image whose keypoints are matched.
    """
    if not all(len(points) for points in keypoints):
        return 0.0
    forward, backward = nearest(*descriptors)
    one, other = keypoints
    ways = (
        _one_way(one, other[forward], np.linalg.inv(homography), sizes[0], threshold),
        _one_way(other, one[backward], homography, sizes[1], threshold),
    )
    return sum(ways) / 2


def nearest(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest row of `b` (M x D) for each row of `a` (N x D), and vice versa, of unit descriptors."""
    similarity = np.asarray(a, np.float32) @ np.asarray(b, np.float32).T
    return similarity.argmax(axis=1), similarity.argmax(axis=0)


def _one_way(
    points: np.ndarray, neighbors: np.ndarray, homography: np.ndarray, size: tuple[int, int], threshold: float
) -> float:
    seen = visible(neighbors, homography, size)
    if not seen.any():
        return 0.0
    errors = np.linalg.norm(warp_points(homography, neighbors[seen]) - points[seen], axis=1)
    return float((errors < threshold).mean())


def area_under_accuracy(errors: Sequence[float], thresholds: Sequence[float]) -> np.ndarray:
    """Return the area under homography accuracy up to each threshold t, divided by t.

    Accuracy at e is the share of pairs with a corner error of at most e. Its integral from 0 to t, divided by t, is
    exactly the mean over all pairs of max(0, 1 - error / t).

    Args:
        errors: corner errors of all pairs in pixels, infinity if no homography was found.
        thresholds: pixels.

    Returns:
        One value in [0, 1] per threshold; NaN without pairs.
    """
    found, limits = np.asarray(errors, np.float64), np.asarray(thresholds, np.float64)
    if len(found) == 0:
        return np.full(len(limits), np.nan)
    return np.clip(1 - found[:, None] / limits, 0, None).mean(axis=0)
