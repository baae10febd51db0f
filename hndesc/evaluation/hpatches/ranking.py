"""Fair comparison of descriptors that return different numbers of matches, as pure functions on arrays.

The number of unfiltered mutual nearest neighbors depends on the descriptor, and their accuracy favors descriptors with
few matches. Here, the matches of a pair are sorted by distinctiveness (`hndesc.matching.ratios`) and compared at equal
numbers, or over all numbers.
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
    """Count the keypoints of the first image that have a corresponding keypoint in the second image.

    Args:
        first: N x 2 pixels.
        second: M x 2 pixels.
        homography: 3 x 3, first to second.

    Returns:
        The number of the N keypoints with a keypoint of the second image at most CORRECT pixels from their true
        position, which is the maximum number of correct matches.
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
        K float64 each; the recall is 0 if no match can be correct.
    """
    found = np.cumsum(correct, dtype=np.float64)
    return found / np.arange(1, len(correct) + 1), found / max(possible, 1)


def average_precision(correct: np.ndarray, possible: int) -> float:
    """Return the average precision: the mean over all possible matches of the precision at each, 0 for missed ones.

    Args:
        correct: K bool, in order.
        possible: see `precision_recall`; with 0, the average precision is 0.
    """
    precision, _ = precision_recall(correct, possible)
    return float(precision[np.asarray(correct, bool)].sum() / max(possible, 1))


def precision_at_recall(correct: np.ndarray, possible: int, levels: Sequence[float]) -> np.ndarray:
    """Return the highest precision at each level of recall or above; 0 for levels that are not reached.

    Args:
        correct: K bool, in order.
        possible: see `precision_recall`.
        levels: levels of recall, above 0.
    """
    precision, recall = precision_recall(correct, possible)
    highest = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return highest[np.searchsorted(recall, np.asarray(levels) - _ROUNDING)]


def accuracy_at_yield(correct: np.ndarray, count: int) -> float:
    """Return the share of correct matches among the first `count`; missing matches count as false, `count` 0 gives NaN.

    Args:
        correct: K bool, in order.
        count: number of matches of the reference on this pair.
    """
    return float(np.count_nonzero(correct[:count]) / count) if count else float("nan")


def pack(correct: np.ndarray) -> str:
    """Encode K bool as text (base64, six per character)."""
    return base64.b64encode(np.packbits(np.asarray(correct, bool)).tobytes()).decode()


def unpack(text: str, count: int) -> np.ndarray:
    """Decode the `count` bool encoded by `pack`; raise a ValueError if the text contains fewer."""
    bits = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    if not 0 <= count <= 8 * len(bits):
        raise ValueError(f"{count} flags of {8 * len(bits)}")
    return np.unpackbits(bits, count=count).astype(bool)
