"""Mutual nearest neighbours among descriptors: searched among whole numbers, decided in single precision.

Where the processor multiplies 8-bit numbers quickly, descriptors a, b are rounded to multiples of a step: a = p + r,
b = q + t with small rests r, t. The product p q is exact in whole numbers and tells a b up to |r| |b| + |p| |t|
(Cauchy-Schwarz). So only the few entries of a row whose p q comes that close to a known product a b can be its
greatest; those are multiplied in single precision. The pairs are the same as those of all products in single precision.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from hndesc.errors import HndescError

# Rows and entries of one block of products at most: 4 MB, which stay in the processor's cache while they are searched.
_ROWS = 256
_BLOCK = 2**20
# Fewer multiplications than these are done sooner in single precision.
_FEW = 300_000_000
# Candidates of a block from which on rounding tells too little: many nearly equal descriptors.
_CROWD = 32 * _ROWS
# Columns l, l + _LANES, l + 2 _LANES, ... of a row are first searched as one.
_LANES = 512
# Instructions whose whole-number products are exact and quick; older ones may saturate.
_INSTRUCTIONS = ("avx512_vnni", "avx_vnni", "amx_int8")


def mutual_nearest(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pair the descriptors that are each other's nearest neighbours by dot product (a tie goes to the lowest index).

    Memory is bounded: products stand in blocks of rows. Products that differ by less than the rounding of single
    precision count as equal or not as the processor has it.

    Args:
        a: N x D, any length; float16 and float32 are taken as they are.
        b: M x D.

    Returns:
        K x 2 int64, rows (index in a, index in b) sorted by the first; empty when either side is.
    """
    if len(a) == 0 or len(b) == 0:
        return np.empty((0, 2), np.int64)
    if a.shape[1] != b.shape[1]:
        raise HndescError(f"descriptors of {a.shape[1]} and {b.shape[1]} dimensions cannot be matched with each other")
    a, b = (np.ascontiguousarray(side, dtype=np.float32) for side in (a, b))
    pairs = _by_whole_numbers(a, b) if a.size * len(b) >= _FEW and _multiplies_bytes() else None
    return _by_all_products(a, b) if pairs is None else pairs


@cache
def _multiplies_bytes() -> bool:
    """Tell whether this processor has quick products of 8-bit numbers, and torch gives them exactly."""
    import torch

    if not hasattr(torch, "_int_mm") or not any(torch.cpu.get_capabilities().get(name) for name in _INSTRUCTIONS):
        return False
    largest = torch.full((32, 64), 127, dtype=torch.int8)
    return bool((torch._int_mm(largest, largest.T) == 64 * 127 * 127).all())


def _by_all_products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pair by one product in single precision; each block of rows is searched both ways while it is in the cache."""
    columns = np.ascontiguousarray(b.T)
    to_b = np.empty(len(a), np.int64)
    to_a = np.full(len(b), -1)
    best = np.full(len(b), -np.inf, np.float32)
    rows = _rows(len(b))
    buffer = np.empty((min(rows, len(a)), len(b)), np.float32)
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


def _by_whole_numbers(a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    """Pair with few products in single precision; None where rounding to whole numbers tells too little."""
    # torch multiplies columns of length one wrongly; zeros, infinity and what is not a number cannot be rounded.
    if a.shape[1] == 1 or not all(1e-9 < _extent(side) < 1e9 for side in (a, b)):
        return None
    first, second = _Rounded.of(a), _Rounded.of(b)
    forth = _forth(first, second)
    if forth is None:
        return None
    # The way back is spared the columns of which a greater product than with this row is known.
    rows = np.flatnonzero(forth.product >= forth.known[forth.index])
    columns = forth.index[rows]
    back = _back(first, second.take(columns), forth.product[rows], forth.rows, forth.tops[:, columns])
    if back is None:
        return None
    rows = rows[back == rows]
    return np.stack([rows, forth.index[rows]], axis=1)


@dataclass(frozen=True)
class _Rounded:
    """Descriptors and their multiples of a step: `exact` N x D, about `step` x `codes`; the norms of the rests."""

    exact: np.ndarray
    codes: np.ndarray
    step: float
    rest: np.ndarray
    longest: float

    @classmethod
    def of(cls, exact: np.ndarray) -> "_Rounded":
        step = np.float32(_extent(exact) / 127)
        rounded = np.rint(exact * (1 / step))
        codes = rounded.astype(np.int8)
        rounded *= step
        rounded -= exact
        return cls(exact, codes, float(step), _norms(rounded), float(_norms(exact).max()))

    def take(self, rows: np.ndarray) -> "_Rounded":
        return _Rounded(self.exact[rows], self.codes[rows], self.step, self.rest[rows], self.longest)


@dataclass(frozen=True)
class _Nearest:
    """For each row its nearest column and their product; what was learned of the columns on the way.

    Attributes:
        index: N.
        product: N.
        known: for each column, the greatest product that was computed.
        rows: of a block.
        tops: blocks x M, for each block and column the greatest whole-number product.
    """

    index: np.ndarray
    product: np.ndarray
    known: np.ndarray
    rows: int
    tops: np.ndarray


def _forth(a: _Rounded, b: _Rounded) -> _Nearest | None:
    """Find the nearest b of each a; None where too many candidates remain."""
    import torch

    width = -(-len(b.exact) // _LANES) * _LANES
    columns = torch.zeros(width, b.codes.shape[1], dtype=torch.int8)
    columns[: len(b.codes)] = torch.from_numpy(b.codes)
    rows = _rows(width)
    buffer = torch.empty(min(rows, len(a.exact)), width, dtype=torch.int32)
    slack, step = _slack(a, b), a.step * b.step
    found, tops = [], []
    for start in range(0, len(a.exact), rows):
        part = slice(start, min(start + rows, len(a.exact)))
        block = buffer[: part.stop - start]
        torch._int_mm(torch.from_numpy(a.codes[part]), columns.T, out=block)
        entries = block.numpy()
        tops.append(entries.max(axis=0))
        highest = entries.reshape(len(entries), -1, _LANES).max(axis=1)
        low = _promising(a.exact[part], b.exact, entries, highest)
        candidates = _candidates(entries, highest, np.floor((low - slack[part]) / step).astype(np.int32))
        if candidates is None:
            return None
        found.append((candidates[0] + start, candidates[1]))
    i, j = (np.concatenate(side) for side in zip(*found, strict=True))
    i, j = i[j < len(b.exact)], j[j < len(b.exact)]
    products = _products(a.exact, i, b.exact, j)
    known = np.full(len(b.exact), -np.inf, np.float32)
    np.maximum.at(known, j, products)
    return _Nearest(*_greatest(i, j, products, len(a.exact)), known, rows, np.stack(tops))


def _back(a: _Rounded, b: _Rounded, reached: np.ndarray, rows: int, tops: np.ndarray) -> np.ndarray | None:
    """Find the nearest a of each b, in the blocks of rows that can hold it; None where too many candidates remain.

    Args:
        a: N rows.
        b: M columns.
        reached: a product that occurs in each column.
        rows: of a block.
        tops: of the columns, see `_Nearest`.
    """
    import torch

    least = np.floor((reached - _slack(b, a)) / (a.step * b.step)).astype(np.int32)
    found = []
    for start, top in zip(range(0, len(a.exact), rows), tops, strict=True):
        columns = np.flatnonzero(top >= least)
        if len(columns) == 0:
            continue
        codes = torch.from_numpy(a.codes[start : start + rows]), torch.from_numpy(b.codes[columns])
        i, j = np.nonzero(torch._int_mm(codes[0], codes[1].T).numpy() >= least[columns])
        if len(i) > _CROWD:
            return None
        found.append((i + start, columns[j]))
    i, j = (np.concatenate(side) for side in zip(*found, strict=True))
    return _greatest(j, i, _products(a.exact, i, b.exact, j), len(b.exact))[0]


def _greatest(i: np.ndarray, j: np.ndarray, products: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each i below `count` the j of its greatest product, the first of several, and that product."""
    greatest = np.full(count, -np.inf, np.float32)
    np.maximum.at(greatest, i, products)
    reach = products == greatest[i]
    index = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(index, i[reach], j[reach])
    return index, greatest


def _promising(a: np.ndarray, b: np.ndarray, entries: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """Return each row's product in single precision with the column whose whole-number product is greatest."""
    rows, lane = np.arange(len(a)), highest.argmax(axis=1)
    column = lane + _LANES * _behind(entries, rows, lane).argmax(axis=1)
    return _products(a, rows, b, np.minimum(column, len(b) - 1))


def _candidates(entries: np.ndarray, highest: np.ndarray, least: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return rows and columns of the entries that reach their row's `least`, by row; None for too many."""
    hits = np.flatnonzero(highest >= least[:, None])
    if len(hits) > _CROWD:
        return None
    rows, lane = np.divmod(hits, _LANES)
    hit, depth = np.nonzero(_behind(entries, rows, lane) >= least[rows, None])
    return None if len(hit) > _CROWD else (rows[hit], lane[hit] + _LANES * depth)


def _behind(entries: np.ndarray, rows: np.ndarray, lane: np.ndarray) -> np.ndarray:
    """Return the entries that are searched as one, for some rows and lanes."""
    width = entries.shape[1]
    return entries.ravel().take((rows * width + lane)[:, None] + np.arange(0, width, _LANES))


def _slack(a: _Rounded, b: _Rounded) -> np.ndarray:
    """Return by how much, for each row, a product may differ from the whole-number one."""
    # Single precision: the sums over D, the norms and the rests themselves are rounded, too.
    rounding = 4 * (a.exact.shape[1] + 8) * float(np.finfo(np.float32).eps) * a.longest * b.longest
    return a.rest.astype(np.float64) * b.longest + (a.longest + a.rest.max()) * float(b.rest.max()) + rounding


def _products(a: np.ndarray, i: np.ndarray, b: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Return the dot products of a[i] and b[j]; pieces stay in the cache."""
    piece = max(1, 100_000 // a.shape[1])
    products = np.empty(len(i), np.float32)
    for start in range(0, len(i), piece):
        part = slice(start, start + piece)
        np.einsum("kd,kd->k", a[i[part]], b[j[part]], out=products[part])
    return products


def _extent(values: np.ndarray) -> float:
    return float(max(values.max(), -values.min()))


def _norms(rows: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("kd,kd->k", rows, rows))


def _rows(columns: int) -> int:
    """Return how many rows a block of products has."""
    return max(1, min(_ROWS, _BLOCK // columns))
