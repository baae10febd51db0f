"""Fair comparison of descriptors that return different numbers of matches, as pure functions on arrays.

Mutual nearest neighbors without a filter give each descriptor a number of matches of its own, and their accuracy favors
the one that returns few. Here the matches of a pair stand in order, those that are most clearly the nearest first
(`hndesc.matching.ratios`), and are compared at equal numbers, or over all numbers.
"""

import base64
from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from hndesc.geometry.homography import warp_points

CORRECT = 3.0  # pixels, inclusive
NEAR = 10.0  # pixels, inclusive: errors up to here and above CORRECT are near misses
RECALL_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_ROUNDING = 1e-9  # a recall of 3 / 10 reaches the level 0.3


def near_misses(errors: np.ndarray) -> float:
    """Return the share of K matches whose error is above CORRECT and at most NEAR; 0 without matches."""
    return float(((errors > CORRECT) & (errors <= NEAR)).mean()) if len(errors) else 0.0


def correspondences(first: np.ndarray, second: np.ndarray, homography: np.ndarray) -> int:
    """Count the keypoints of the first image that have one of the second image where the truth puts them.

    Args:
        first: N x 2 pixels.
        second: M x 2 pixels.
        homography: 3 x 3, first to second.

    Returns:
        How many of the N have a keypoint of the second image at most CORRECT pixels from their true place: as many
        matches can be correct.
    """
    places = warp_points(homography, first)
    places = places[np.isfinite(places).all(axis=1)]
    if len(places) == 0 or len(second) == 0:
        return 0
    return int((cKDTree(second).query(places)[0] <= CORRECT).sum())


def precision_recall(correct: np.ndarray, possible: int) -> tuple[np.ndarray, np.ndarray]:
    """Return precision and recall of the first 1, 2, ... K matches.

    Args:
        correct: K bool, in order.
        possible: number of matches that can be correct.

    Returns:
        K float64 each; the recall is 0 where nothing can be found.
    """
    found = np.cumsum(correct, dtype=np.float64)
    return found / np.arange(1, len(correct) + 1), found / max(possible, 1)


def average_precision(correct: np.ndarray, possible: int) -> float:
    """Return the area under the curve of `precision_recall`: the mean precision at what can be found, 0 where missed.

    Args:
        correct: K bool, in order.
        possible: see `precision_recall`; nothing to find has a precision of 0.
    """
    precision, _ = precision_recall(correct, possible)
    return float(precision[np.asarray(correct, bool)].sum() / max(possible, 1))


def precision_at_recall(correct: np.ndarray, possible: int, levels: Sequence[float]) -> np.ndarray:
    """Return the precision at which each level of recall is reached, the highest from there on; 0 where none is.

    Args:
        correct: K bool, in order.
        possible: see `precision_recall`.
        levels: of recall, above 0.
    """
    precision, recall = precision_recall(correct, possible)
    highest = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return highest[np.searchsorted(recall, np.asarray(levels) - _ROUNDING)]


def accuracy_at_yield(correct: np.ndarray, count: int) -> float:
    """Return the share of correct ones among the first `count` matches; fewer count as wrong, and `count` 0 is NaN.

    Args:
        correct: K bool, in order.
        count: matches of the reference on this pair.
    """
    return float(np.count_nonzero(correct[:count]) / count) if count else float("nan")


def pack(correct: np.ndarray) -> str:
    """Return K bool as text, six a character."""
    return base64.b64encode(np.packbits(np.asarray(correct, bool)).tobytes()).decode()


def unpack(text: str, count: int) -> np.ndarray:
    """Return the `count` bool of `pack`; ValueError where the text holds fewer."""
    bits = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    if not 0 <= count <= 8 * len(bits):
        raise ValueError(f"{count} flags of {8 * len(bits)}")
    return np.unpackbits(bits, count=count).astype(bool)
