"""Selection of detected keypoints: non-maximum suppression, border and maximum number."""

import cv2
import numpy as np

from hndesc.io.features import Features


def suppress(scores: np.ndarray, radius: int, rounds: int = 3) -> np.ndarray:
    """Non-maximum suppression on a score map, in square windows.

    A pixel with the highest score in its window survives, and all others in that window are suppressed. This is
    repeated on the remaining pixels for `rounds` rounds (three in the reference code of SuperPoint). Of equal scores,
    the first in row-major order counts as higher.

    Args:
        scores: H x W; only pixels above 0 can survive.
        radius: half the side of the window, which has 2 * radius + 1 pixels.
        rounds: number of rounds.

    Returns:
        H x W bool, the surviving pixels. No two are in the same window, and each suppressed pixel is in the window of a
        higher one.
    """
    ranks = np.zeros(scores.shape, np.float32)
    candidates = np.flatnonzero(scores > 0)
    order = candidates[np.argsort(-scores.reshape(-1)[candidates], kind="stable")]
    ranks.reshape(-1)[order] = np.arange(len(order), 0, -1)  # exact in float32 up to 16 million candidates
    window = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    survivors = np.zeros(scores.shape, bool)
    if len(candidates) == 0:
        return survivors
    for _ in range(rounds):
        found = (ranks > 0) & (ranks == cv2.dilate(ranks, window))
        if not found.any():
            break
        survivors |= found
        ranks[cv2.dilate(found.astype(np.uint8), window) > 0] = 0
    return survivors


def thin(points: np.ndarray, scores: np.ndarray, radius: int) -> np.ndarray:
    """Select the points (N x 2) without a stronger one in a square window around their pixel.

    Args:
        points: N x 2 pixels.
        scores: N, higher is stronger.
        radius: half the side of the window in pixels.

    Returns:
        The rows to keep, ascending.
    """
    if len(points) == 0:
        return np.empty(0, np.int64)
    cells = np.round(points).astype(np.int64)
    cells -= cells.min(axis=0)
    strongest = np.argsort(-scores, kind="stable")
    _, first = np.unique(cells[strongest], axis=0, return_index=True)
    rows = strongest[first]
    grid = np.zeros(cells.max(axis=0)[::-1] + 1, np.float32)
    # Ranks instead of scores, which can be negative.
    grid[cells[rows, 1], cells[rows, 0]] = len(points) - np.argsort(strongest)[rows]
    kept = suppress(grid, radius, rounds=len(points))[cells[rows, 1], cells[rows, 0]]
    return np.sort(rows[kept])


def inside(points: np.ndarray, image_size: tuple[int, int], border: int) -> np.ndarray:
    """Return the mask of the N x 2 points at least `border` pixels inside an image of (width, height)."""
    return np.all((points >= border) & (points < np.array(image_size) - border), axis=1)


def strongest(scores: np.ndarray, count: int | None) -> np.ndarray:
    """Return the rows of the `count` highest scores (None: all) in descending order; ties keep their order."""
    return np.argsort(-scores, kind="stable")[:count]


def keypoints_of_map(
    scores: np.ndarray, threshold: float, nms_radius: int, border: int = 0, rounds: int = 3
) -> Features:
    """Return the keypoints of a score map in row-major order.

    Args:
        scores: H x W.
        threshold: minimum score; scores must also be positive.
        nms_radius: see `suppress`.
        border: minimum distance of keypoints from the edges of the image in pixels.
        rounds: see `suppress`.
    """
    size = scores.shape[1], scores.shape[0]
    rows, columns = np.nonzero(suppress(np.where(scores > threshold, scores, 0), nms_radius, rounds))
    features = Features(np.stack([columns, rows], axis=1).astype(np.float32), size, scores[rows, columns])
    return features.take(inside(features.keypoints, size, border))
