"""Approximate dot products of descriptors with error bounds, and the candidates for the largest products.

For integer arithmetic, descriptors a, b are rounded to multiples of a step: a = p + r, b = q + t with small remainders
r, t. The product p q is exact and differs from a b by at most |r| |b| + |p| |t| (Cauchy-Schwarz). In single and double
precision, the error of a sum of D products is at most D times the rounding error of one, for any order of summation.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# Columns l, l + LANES, l + 2 LANES, ... of a row are first reduced to their maximum.
LANES = 512
# Maximum number of candidates before they are pruned.
_MAX_WAITING = 2**18
_NONE = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Side:
    """Exact descriptors and their codes for screening.

    Attributes:
        exact: N x D float32.
        codes: N x D int8, float32 or float64, with `step` * `codes` approximately equal to `exact`.
        step: quantization step.
        rest: N, norms of the quantization errors.
        longest: maximum norm of the descriptors.
    """

    exact: np.ndarray
    codes: np.ndarray
    step: float
    rest: np.ndarray
    longest: float

    @classmethod
    def of(cls, exact: np.ndarray, arithmetic: str) -> "Side":
        """Prepare N x D float32 descriptors for an arithmetic: "int8", "float32" or "float64"."""
        if arithmetic != "int8":
            codes = exact.astype(arithmetic, copy=False)
            return cls(exact, codes, 1.0, np.zeros(len(exact), np.float32), float(_norms(codes).max()))
        step = np.float32(max(exact.max(), -exact.min()) / 127)
        rounded = np.rint(exact * (1 / step))
        codes = rounded.astype(np.int8)
        rounded *= step
        rounded -= exact
        return cls(exact, codes, float(step), _norms(rounded), float(_norms(exact).max()))

    @property
    def whole(self) -> bool:
        """Whether the codes are integers."""
        return self.codes.dtype == np.int8

    @property
    def decided(self) -> np.dtype:
        """The precision in which candidates are compared."""
        return np.dtype(np.float64 if self.codes.dtype == np.float64 else np.float32)

    @property
    def products(self) -> np.dtype:
        """The type of approximate products."""
        return np.dtype(np.int32) if self.whole else self.codes.dtype

    def take(self, rows: slice | np.ndarray) -> "Side":
        """Return some of the descriptors; the bounds remain those of all."""
        return Side(self.exact[rows], self.codes[rows], self.step, self.rest[rows], self.longest)

    def margin(self, other: "Side") -> float:
        """Return the difference up to which two products in precision `decided` can be misordered; 0 for double."""
        return 0.0 if self.decided == np.float64 else 2 * self.rounding(other)

    def rounding(self, other: "Side") -> float:
        """Return the error bound of a product in precision `decided`."""
        return (self.exact.shape[1] + 8) * float(np.finfo(self.decided).eps) * self.longest * other.longest


def slack(a: Side, b: Side) -> np.ndarray:
    """Return for each row of `a` the bound by which the approximation of its largest product can be too small."""
    rests = a.rest.astype(np.float64) * b.longest + (a.longest + a.rest.max()) * float(b.rest.max())
    # Products, norms and quantization errors are rounded, too.
    return rests + 4 * a.rounding(b)


class Candidates:
    """Candidate pairs that can contain the nearest column of each row.

    Args:
        count: number of rows.
        margin: difference up to which two products can be misordered; with 0, the first of equal products is taken.
        precision: precision of products.

    Attributes:
        best: the largest product of each row so far.
    """

    def __init__(self, count: int, margin: float, precision: np.dtype) -> None:
        self.best = np.full(count, -np.inf, precision)
        self._margin = margin
        self._i, self._j = np.empty(0, np.int64), np.empty(0, np.int64)
        self._products = np.empty(0, precision)
        self._waiting: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._count = 0

    def add(self, i: np.ndarray, j: np.ndarray, products: np.ndarray) -> None:
        """Add pairs of rows i and columns j."""
        np.maximum.at(self.best, i, products)
        self._waiting.append((i, j, products))
        self._count += len(i)
        if self._count > _MAX_WAITING:
            self._prune()

    def _prune(self) -> None:
        parts = [(self._i, self._j, self._products), *self._waiting]
        i, j, products = (np.concatenate(side) for side in zip(*parts, strict=True))
        self._waiting, self._count = [], 0
        near = products >= self.best[i] - self._margin
        self._i, self._j, self._products = i[near], j[near], products[near]
        if self._margin == 0:
            first = _first(self._i, self._j, len(self.best))
            self._i = np.flatnonzero(first < _NONE)
            self._j, self._products = first[self._i], self.best[self._i]

    def nearest(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the column of each row with the largest product in double precision, the first in case of ties.

        Args:
            a: N x D, to which the rows i refer.
            b: M x D, to which the columns j refer.
        """
        self._prune()
        several = np.bincount(self._i, minlength=len(self.best))[self._i] > 1
        exact = np.zeros(len(self._i))
        exact[several] = row_products(a, self._i[several], b, self._j[several], np.dtype(np.float64))
        greatest = np.full(len(self.best), -np.inf)
        np.maximum.at(greatest, self._i, exact)
        reach = exact == greatest[self._i]
        return _first(self._i[reach], self._j[reach], len(self.best))


def _first(i: np.ndarray, j: np.ndarray, count: int) -> np.ndarray:
    """Return the lowest j of each i below `count`, `_NONE` if there is none."""
    first = np.full(count, _NONE)
    np.minimum.at(first, i, j)
    return first


def block_products(b: Side, rows: int, multiple: int = 1) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that computes the products of the codes of at most `rows` descriptors with those of `b`.

    The number of columns is rounded up to a multiple; the additional columns are undefined. The next call overwrites
    the products.
    """
    count = len(b.codes)
    width = -(-count // multiple) * multiple
    if not b.whole:
        buffer = np.full((rows, width), -np.inf, b.products)

        def multiply(codes: np.ndarray) -> np.ndarray:
            np.matmul(codes, b.codes.T, out=buffer[: len(codes), :count])
            return buffer[: len(codes)]

        return multiply
    import torch

    columns = torch.zeros(width, b.codes.shape[1], dtype=torch.int8)
    columns[:count] = torch.from_numpy(b.codes)
    whole = torch.empty(rows, width, dtype=torch.int32)

    def multiply_whole(codes: np.ndarray) -> np.ndarray:
        return torch._int_mm(torch.from_numpy(codes), columns.T, out=whole[: len(codes)]).numpy()

    return multiply_whole


def row_candidates(
    a: Side, b: Side, entries: np.ndarray, best: np.ndarray, far: np.ndarray, crowd: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return pairs that contain the nearest column of each row, if it is better than `best`, and their products.

    Args:
        a: rows of the block.
        b: columns of the block.
        entries: approximate products, see `block_products`.
        best: a known product of each row.
        far: slack of each row.
        crowd: maximum number of candidates, or None.

    Returns:
        Rows, columns and products; None if there are too many.
    """
    highest = entries.reshape(len(entries), -1, LANES).max(axis=1)
    low = np.maximum(_best_products(a, b, entries, highest) if a.whole else highest.max(axis=1), best)
    least = threshold(low - far, a, b)
    hits = np.flatnonzero(highest >= least[:, None])
    if crowd is not None and len(hits) > crowd:
        return None
    rows, lane = np.divmod(hits, LANES)
    hit, depth = np.nonzero(_lane_entries(entries, rows, lane) >= least[rows, None])
    if crowd is not None and len(hit) > crowd:
        return None
    i, j = rows[hit], lane[hit] + LANES * depth
    real = j < len(b.exact)
    i, j = (i, j) if real.all() else (i[real], j[real])
    return i, j, entry_products(a, i, b, j, entries)


def threshold(products: np.ndarray, a: Side, b: Side) -> np.ndarray:
    """Convert products to approximate products of two sides, rounded down."""
    scaled = products / (a.step * b.step)
    return (np.floor(scaled) if a.whole else scaled).astype(a.products)


def entry_products(a: Side, i: np.ndarray, b: Side, j: np.ndarray, entries: np.ndarray) -> np.ndarray:
    """Return the products of a[i] and b[j] in precision `decided`, given the approximate products `entries`."""
    if a.codes.dtype == np.float32:
        return entries[i, j]
    return row_products(a.exact, i, b.exact, j, a.decided)


def _best_products(a: Side, b: Side, entries: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """Return the product of each row, in single precision, with the column of its largest approximate product."""
    rows, lane = np.arange(len(entries)), highest.argmax(axis=1)
    column = lane + LANES * _lane_entries(entries, rows, lane).argmax(axis=1)
    return row_products(a.exact, rows, b.exact, np.minimum(column, len(b.exact) - 1), a.decided)


def _lane_entries(entries: np.ndarray, rows: np.ndarray, lane: np.ndarray) -> np.ndarray:
    """Return the entries of the given lanes of rows."""
    width = entries.shape[1]
    return entries.ravel().take((rows * width + lane)[:, None] + np.arange(0, width, LANES))


def row_products(a: np.ndarray, i: np.ndarray, b: np.ndarray, j: np.ndarray, precision: np.dtype) -> np.ndarray:
    """Return the dot products of a[i] and b[j], in pieces that fit into the cache; equal rows have equal products."""
    piece = max(1, 100_000 // a.shape[1])
    products = np.empty(len(i), precision)
    for start in range(0, len(i), piece):
        part = slice(start, start + piece)
        rows, columns = (side.astype(precision, copy=False) for side in (a[i[part]], b[j[part]]))
        np.einsum("kd,kd->k", rows, columns, out=products[part])
    return products


def _norms(rows: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("kd,kd->k", rows, rows))
