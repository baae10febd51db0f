"""Distinctiveness of matches: the ratio of the distances to the two nearest descriptors."""

import numpy as np

# Largest ratio of a match of two photos, by default: docs/notes/matching.md.
MATCH_RATIO = 0.95
_BLOCK = 2**20  # products held at a time


def match_ratios(a: np.ndarray, b: np.ndarray, matches: np.ndarray, products: np.ndarray | None = None) -> np.ndarray:
    """Return the ratio of the distances to the nearest and second nearest descriptor, the maximum over both directions.

    Args:
        a: N x D, unit length.
        b: M x D, unit length.
        matches: K x 2, rows of `a` and `b` that are mutual nearest neighbors.
        products: N x M float32, the products of all rows if they are known.

    Returns:
        K float32 between 0 (there is no second descriptor) and 1 (the second is equally near).
    """
    a, b = (np.asarray(side, np.float32) for side in (a, b))
    first = _distances(a[matches[:, 0]], b[matches[:, 1]])
    forth = _ratios(first, a, b, matches, products)
    return np.maximum(forth, _ratios(first, b, a, matches[:, ::-1], None if products is None else products.T))


def query_ratios(a: np.ndarray, b: np.ndarray, matches: np.ndarray) -> np.ndarray:
    """Return each match's ratio of distances from the row of `a`; the arguments and values of `match_ratios`."""
    a, b = (np.asarray(side, np.float32) for side in (a, b))
    return _ratios(_distances(a[matches[:, 0]], b[matches[:, 1]]), a, b, matches, None)


def _ratios(
    first: np.ndarray, a: np.ndarray, b: np.ndarray, matches: np.ndarray, products: np.ndarray | None
) -> np.ndarray:
    """Return the ratios of the distances of matches, `first`, to those from the rows of `a` to their second nearest."""
    if len(b) < 2:
        return np.zeros(len(matches), np.float32)
    second = np.empty(len(matches))
    step = max(1, _BLOCK // len(b))
    buffer = np.empty((min(step, len(matches)), len(b)), np.float32)
    for start in range(0, len(matches), step):
        rows, nearest = matches[start : start + step].T
        queries, similarity = a[rows], buffer[: len(rows)]
        if products is None:
            np.matmul(queries, b.T, out=similarity)
        else:
            similarity[:] = products[rows]
        similarity[np.arange(len(rows)), nearest] = -np.inf
        second[start : start + step] = _distances(queries, b[similarity.argmax(axis=1)])
    return np.divide(first, second, out=np.ones_like(first), where=second > first).astype(np.float32)


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the distances of rows; those to equal rows are equal, which products of float32 do not promise."""
    difference = a.astype(np.float64)
    difference -= b
    return np.sqrt(np.square(difference, out=difference).sum(axis=1))
