"""What is measured on an image pair whose true homography is known, as pure functions on arrays."""

from collections.abc import Sequence

import numpy as np

from hndesc.geometry.homography import warp_points


def matching_errors(p1: np.ndarray, p2: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """Return how far each match is from where the true homography puts it.

    Args:
        p1: K x 2 pixels of the first image.
        p2: K x 2 pixels of the second image.
        homography: 3 x 3, first to second.

    Returns:
        K pixels of the second image; NaN for a point sent to infinity.
    """
    return np.linalg.norm(warp_points(homography, p1) - p2, axis=1)


def matching_accuracy(
    p1: np.ndarray, p2: np.ndarray, homography: np.ndarray, thresholds: Sequence[float]
) -> np.ndarray:
    """Return the share of matches within each threshold of where the true homography puts them.

    Args:
        p1: K x 2 pixels of the first image.
        p2: K x 2 pixels of the second image.
        homography: 3 x 3, first to second.
        thresholds: pixels of the second image, each inclusive.

    Returns:
        As long as `thresholds`; zeros without matches.
    """
    if len(p1) == 0:
        return np.zeros(len(thresholds))
    errors = matching_errors(p1, p2, homography)
    return (errors[:, None] <= np.asarray(thresholds)).mean(axis=0)


def visible(points: np.ndarray, homography: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Tell which N x 2 points a homography maps into an image of (width, height), center of corner pixels inclusive."""
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

    One way: each keypoint of an image is matched with its nearest neighbor in the other image. Of the neighbors that
    the truth maps into the first image, it is the share that fall less than `threshold` pixels from the keypoint; 0
    where there are none. The score is the mean of the two ways.

    Args:
        keypoints: N x 2 and M x 2 pixels.
        descriptors: N x D and M x D, L2-normalized.
        homography: 3 x 3, from the first image's pixels to the second one's.
        sizes: (width, height) of each image.
        threshold: pixels of the image whose keypoints are matched.
    """
    if not all(len(points) for points in keypoints):
        return 0.0
    forth, back = nearest(*descriptors)
    one, other = keypoints
    ways = (
        _one_way(one, other[forth], np.linalg.inv(homography), sizes[0], threshold),
        _one_way(other, one[back], homography, sizes[1], threshold),
    )
    return sum(ways) / 2


def nearest(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, of N x D and M x D unit descriptors, the nearest row of `b` of each in `a`, and the other way round."""
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

    Accuracy at e is the share of pairs with a corner error of at most e. Its integral from 0 to t over t is the mean
    over all pairs of max(0, 1 - error / t), without any interpolation.

    Args:
        errors: corner errors of all pairs in pixels, infinity where no homography was found.
        thresholds: pixels.

    Returns:
        As long as `thresholds`, each in [0, 1]; NaN without pairs.
    """
    found, limits = np.asarray(errors, np.float64), np.asarray(thresholds, np.float64)
    if len(found) == 0:
        return np.full(len(limits), np.nan)
    return np.clip(1 - found[:, None] / limits, 0, None).mean(axis=0)
