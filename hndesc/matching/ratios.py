"""Distinctiveness of matches: the ratio of the distances to the two nearest descriptors."""

import numpy as np

_BLOCK = 2**20  # products held at a time


def match_ratios(a: np.ndarray, b: np.ndarray, matches: np.ndarray) -> np.ndarray:
    """Return the ratio of the distances to the nearest and second nearest descriptor, the maximum over both directions.

    Args:
        a: N x D, unit length.
        b: M x D, unit length.
        matches: K x 2, rows of `a` and `b` that are mutual nearest neighbors.

    Returns:
        K float32 between 0 (there is no second descriptor) and 1 (the second is equally near).
    """
    return np.maximum(query_ratios(a, b, matches), query_ratios(b, a, matches[:, ::-1]))


def query_ratios(a: np.ndarray, b: np.ndarray, matches: np.ndarray) -> np.ndarray:
    """Return each match's ratio of distances from the row of `a`; the arguments and values of `match_ratios`."""
    a, b = (np.asarray(side, np.float32) for side in (a, b))
    return _one_way(a[matches[:, 0]], b, matches[:, 1])


def _one_way(queries: np.ndarray, others: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Return the ratios of K queries whose nearest rows of `others` are known."""
    ratios = np.empty(len(queries), np.float32)
    step = max(1, _BLOCK // max(1, len(others)))
    buffer = np.empty((min(step, len(queries)), len(others)), np.float32)
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        block = queries[part]
        similarity = np.matmul(block, others.T, out=buffer[: len(block)])
        similarity[np.arange(len(similarity)), nearest[part]] = -np.inf
        first = _distances(block, others[nearest[part]])
        second = _distances(block, others[similarity.argmax(axis=1)]) if len(others) > 1 else np.inf
        ratios[part] = np.divide(first, second, out=np.ones_like(first), where=second > first)
    return ratios


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the distances of rows; those to equal rows are equal, which products of float32 do not promise."""
    return np.sqrt(np.square(a.astype(np.float64) - b).sum(axis=1))
