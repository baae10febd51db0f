"""OpenCV's RANSAC for homographies, many samples at a time: the same samples, the same inliers, a quarter of the time.

`cv2.findHomography` draws its samples from a generator that always starts alike, one after the other. Here they are
drawn in the same order, but tested, solved and counted in blocks by numpy. The final fit to the inliers is OpenCV's.

Why not `cv2.findHomography(p1, p2, cv2.RANSAC, …)`, which returns the same: it takes 28 ms for a pair of HPatches, this
takes 7, and the whole scoring of a pair 33. "Speed" in docs/hpatches.md says what it would cost. MAGSAC++ (1 ms) and
PoseLib (5 ms) find other inliers than the published estimator. `ransac_homography` is all that other modules use: if
OpenCV ever changes its samples, tests/geometry/test_ransac.py fails, and that one call replaces this module.
"""

from bisect import bisect_left
from collections.abc import Iterator
from math import log
from threading import Lock

import cv2
import numpy as np

_TRIPLES = ((0, 1, 2), (1, 2, 3), (0, 2, 3), (0, 1, 3))
_COEFFICIENT = 4164903690  # of OpenCV's multiply-with-carry generator
_MOST_TRIES = 10_000  # for one sample that is not degenerate
_EPSILON = float(np.finfo(np.float32).eps)
_CACHED = 20_000  # distances that stay in the cache with what they are made of
_MOST_DRAWS = 1_000_000
_TINY = np.finfo(np.float64).tiny


class _TooManyTries(Exception):
    """Nearly all samples are degenerate: more draws are needed than random numbers are kept."""


class _Draws:
    """The 32-bit numbers that OpenCV's generator gives from its usual start, generated on demand."""

    def __init__(self) -> None:
        self._state = 0xFFFFFFFFFFFFFFFF
        self._numbers = np.empty(0, np.uint32)
        self._lock = Lock()

    def between(self, start: int, stop: int) -> np.ndarray:
        with self._lock:
            if stop > len(self._numbers):
                self._extend(max(stop, 2 * len(self._numbers)))
            return self._numbers[start:stop]

    def _extend(self, length: int) -> None:
        state, new = self._state, np.empty(length - len(self._numbers), np.uint32)
        for place in range(len(new)):
            state = (state & 0xFFFFFFFF) * _COEFFICIENT + (state >> 32)
            new[place] = state & 0xFFFFFFFF
        self._state, self._numbers = state, np.concatenate([self._numbers, new])


_DRAWS = _Draws()


def ransac_homography(
    p1: np.ndarray, p2: np.ndarray, threshold: float, iterations: int, confidence: float
) -> tuple[np.ndarray | None, np.ndarray]:
    """Estimate a homography as `cv2.findHomography(p1, p2, cv2.RANSAC, …)` does.

    Args:
        p1: K x 2 pixels of the first image, K at least 5.
        p2: K x 2 pixels of the second image.
        threshold: largest reprojection error of an inlier, pixels of the second image.
        iterations: most samples to draw.
        confidence: probability of having drawn a sample without outliers at which drawing ends.

    Returns:
        H (3 x 3) and the mask of inliers; None and no inlier where every sample is degenerate.
    """
    one, other = (np.ascontiguousarray(points, np.float32) for points in (p1, p2))
    homogeneous = np.column_stack([one, np.ones(len(one), np.float32)]).T.copy()
    failure = None, np.zeros(len(one), bool)
    try:
        inliers = _search(one, other, homogeneous, threshold, iterations, confidence)
        if inliers is None:
            return failure
        homography, _ = cv2.findHomography(one[inliers], other[inliers], 0)
    except _TooManyTries:
        homography, mask = cv2.findHomography(
            one, other, cv2.RANSAC, threshold, maxIters=iterations, confidence=confidence
        )
        return failure if homography is None else (homography, mask.reshape(-1).astype(bool))
    if homography is None:
        return failure
    # As OpenCV does: the inliers of the homography that was fitted, not those that it was fitted to.
    return homography, _inliers(homography[None], homogeneous, other, threshold)[0]


def _search(
    one: np.ndarray, other: np.ndarray, homogeneous: np.ndarray, threshold: float, iterations: int, confidence: float
) -> np.ndarray | None:
    """Return the mask of the inliers of the best sample."""
    best, mask, done = 3, None, 0
    for samples in _samples(one, other):
        samples = samples[: iterations - done]
        good = _inliers(_solve(one, other, samples), homogeneous, other, threshold)
        counts = np.count_nonzero(good, axis=1)
        row = -1
        while len(better := np.flatnonzero(counts[row + 1 : iterations - done] > best)):
            row += 1 + better[0]
            best, mask = counts[row], good[row]
            iterations = _enough(confidence, 1 - best / len(one), iterations)
        done += len(samples)
        if done >= iterations:
            break
    return mask


def _enough(confidence: float, outliers: float, most: int) -> int:
    """Return how many samples suffice to have one without outliers by a probability, at most `most`."""
    wrong = 1 - (1 - outliers) ** 4
    if wrong < _TINY:
        return 0
    missed, failed = log(max(1 - confidence, _TINY)), log(wrong)
    return most if failed >= 0 or -missed >= most * -failed else round(missed / failed)


def _samples(one: np.ndarray, other: np.ndarray) -> Iterator[np.ndarray]:
    """Yield blocks of samples (B x 4 rows of the points) without degenerate ones, in OpenCV's order."""
    rejected, size = 0, 128
    for tries in _tries(len(one), size):
        fit = _consistent(one, other, tries)
        ends = np.diff(np.concatenate([[-1 - rejected], fit, [len(tries)]])) - 1
        if (ends[:-1] >= _MOST_TRIES).any():
            yield tries[fit[: np.argmax(ends >= _MOST_TRIES)]]
            return
        rejected = int(ends[-1])
        if rejected >= _MOST_TRIES:
            yield tries[fit]
            return
        yield tries[fit]


def _tries(count: int, size: int) -> Iterator[np.ndarray]:
    """Yield blocks of four different rows each (B x 4), as drawn."""
    position, most = 0, 4096
    while position < _MOST_DRAWS:
        numbers = _DRAWS.between(position, position + 5 * size + 64) % np.uint32(count)
        places, used = _groups(numbers, size)
        yield numbers[places].astype(np.int64)
        position += used
        size = min(2 * size, most)
    raise _TooManyTries


def _groups(numbers: np.ndarray, size: int) -> tuple[np.ndarray, int]:
    """Cut drawn numbers into groups of four different ones; a number that its group has already is passed over.

    Returns:
        Places of the groups' numbers (at most `size` x 4), and how many numbers they used up.
    """
    last = len(numbers) - 3
    doubled = np.zeros(last, bool)  # whether the four numbers from a place on are not all different
    for lag in (1, 2, 3):
        same = numbers[lag:] == numbers[:-lag]
        for shift in range(4 - lag):
            doubled |= same[shift : shift + last]
    hits = np.flatnonzero(doubled)
    by_phase = [[*hits[hits % 4 == phase].tolist(), last] for phase in range(4)]
    passed: list[int] = []
    drawn, position = numbers.data, 0
    while True:
        # Up to the next group that begins at such a place, every four numbers are one.
        phase = by_phase[position % 4]
        position = phase[bisect_left(phase, position)]
        if position + 64 > last or position - len(passed) >= 4 * size:
            break
        taken: list[int] = []
        while len(taken) < 4:
            if (number := drawn[position]) in taken:
                passed.append(position)
            else:
                taken.append(number)
            position += 1
    kept = np.ones(position, bool)
    kept[passed] = False
    kept_places = np.flatnonzero(kept)
    places = kept_places[: 4 * min(size, len(kept_places) // 4)].reshape(-1, 4)
    return places, int(places[-1, -1]) + 1


def _consistent(one: np.ndarray, other: np.ndarray, tries: np.ndarray) -> np.ndarray:
    """Return the rows of `tries` (B x 4) that are fit: orientation kept, no three points on a line with the last."""
    columns = tries.T
    corners = [
        tuple(np.ascontiguousarray(points[:, axis], np.float64)[columns] for axis in (0, 1)) for points in (one, other)
    ]
    (x1, y1), (x2, y2) = corners
    turned = np.zeros(len(tries), np.int64)
    for a, b, c in _TRIPLES:
        turned += _area(x1, y1, a, b, c) * _area(x2, y2, a, b, c) < 0
    kept = np.flatnonzero((turned == 0) | (turned == 4))
    for x, y in corners:
        kept = kept[~_collinear(x[:, kept], y[:, kept])]
    return kept


def _area(x: np.ndarray, y: np.ndarray, a: int, b: int, c: int) -> np.ndarray:
    """Return twice the signed areas of triangles of points given as rows of coordinates."""
    return (x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a])


def _collinear(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return where two of three points are collinear with the fourth, with OpenCV's tolerance."""
    dx, dy = x[:3] - x[3], y[:3] - y[3]
    size = np.abs(dx) + np.abs(dy)
    found = np.zeros(x.shape[1], bool)
    for a, b in ((1, 0), (2, 0), (2, 1)):
        found |= np.abs(dx[b] * dy[a] - dy[b] * dx[a]) <= _EPSILON * (size[a] + size[b])
    return found


def _solve(one: np.ndarray, other: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Return the homographies (B x 3 x 3, lower right element 1) of samples (B x 4 rows of the points).

    A homography takes three points a, b, c and a fourth one d = u a + v b + w c, in homogeneous coordinates, to three
    others and theirs. So it is a sum over the three: target times weight there over weight here times the row that is
    1 at the point and 0 at the other two, all up to scale.
    """
    (x, y), (to_x, to_y) = (np.ascontiguousarray(points.T, np.float64)[:, samples.T] for points in (one, other))
    matrices = np.zeros((3, 3, len(samples)))
    with np.errstate(all="ignore"):
        for corner, (a, b) in enumerate(((1, 2), (2, 0), (0, 1))):
            # The weight of a point is the area of the fourth with the other two.
            weight = _area(to_x, to_y, 3, a, b) / _area(x, y, 3, a, b)
            row = y[a] - y[b], x[b] - x[a], x[a] * y[b] - y[a] * x[b]
            for place, target in enumerate((to_x[corner] * weight, to_y[corner] * weight, weight)):
                for column in range(3):
                    matrices[place, column] += target * row[column]
        return np.moveaxis(matrices / matrices[2, 2], 2, 0)


def _inliers(homographies: np.ndarray, homogeneous: np.ndarray, other: np.ndarray, threshold: float) -> np.ndarray:
    """Return which of K points (3 x K homogeneous, K x 2) agree with each of B homographies: B x K bool."""
    rows = homographies.astype(np.float32)
    agree = np.empty((len(rows), len(other)), bool)
    x, y, limit = *np.ascontiguousarray(other.T), np.float32(threshold * threshold)
    size = max(1, _CACHED // len(other))
    with np.errstate(all="ignore"):
        for start in range(0, len(rows), size):
            block = rows[start : start + size]
            u, v, w = (block[:, row] @ homogeneous for row in range(3))
            u /= w
            u -= x
            u *= u
            v /= w
            v -= y
            v *= v
            u += v
            np.less_equal(u, limit, out=agree[start : start + size])
    return agree
