"""Mutual nearest neighbors among descriptors: screened by approximate products, decided by exact ones.

Products of all descriptors a, b are computed in blocks, in a quick arithmetic: 8-bit whole numbers where the processor
has instructions for them, else single precision. They differ from the exact a b by a known bound
(`hndesc.matching.screening`). So only the few entries of a row that come that close to its greatest product can be
the greatest; those are computed anew. The arithmetic, the processor and the library of linear algebra change nothing
but the time.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from hndesc.errors import HndescError
from hndesc.matching.screening import (
    LANES,
    Candidates,
    Side,
    block_products,
    entry_products,
    row_candidates,
    slack,
    threshold,
)

# Rows and columns of a tile, whose candidates are compared before the next tile is begun.
_TILE = 4096
# Rows of one block of products: 4 MB, which stay in the processor's cache while they are searched.
_ROWS = 256
# Greatest products of groups of rows that are kept, one for each group and column: 64 MB.
_TOPS = 2**24
# Fewer multiplications than these are done sooner in single precision.
_FEW = 300_000_000
# Candidates of a block from which on an approximation tells too little: many nearly equal descriptors.
_CROWD = 32 * _ROWS
# Instructions whose whole-number products are exact and quick; older ones may saturate.
_INSTRUCTIONS = ("avx512_vnni", "avx_vnni", "amx_int8")
# Largest values, or their reciprocals, whose products are sound in single precision.
_USUAL = 1e9


def mutual_nearest(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pair the descriptors that are each other's nearest neighbors by dot product.

    Of equal products, the one of the lowest index counts as the greatest. Products are compared in double precision:
    those of equal descriptors are equal, those of whole numbers are exact, and others are ordered correctly where they
    differ by more than 2e-16 D times the greatest norms. This holds for every processor, number of threads and library
    of linear algebra.

    Memory is bounded: at most 200 MB, and three copies of either side in single precision.

    Args:
        a: N x D, any length; float16 and float32 are taken as they are.
        b: M x D.

    Returns:
        K x 2 int64, rows (index in a, index in b) sorted by the first; empty when either side is.

    Raises:
        HndescError: sides of different dimensions, or values that are not finite.
    """
    if len(a) == 0 or len(b) == 0:
        return np.empty((0, 2), np.int64)
    if a.ndim != 2 or b.ndim != 2 or 0 in (a.shape[1], b.shape[1]):
        raise HndescError(f"descriptors of shapes {a.shape} and {b.shape} cannot be matched; N x D is wanted")
    if a.shape[1] != b.shape[1]:
        raise HndescError(f"descriptors of {a.shape[1]} and {b.shape[1]} dimensions cannot be matched with each other")
    a, b = (np.ascontiguousarray(side, dtype=np.float32) for side in (a, b))
    arithmetic = _arithmetic(a, b)
    pairs = None if arithmetic == "float64" else _search(a, b, arithmetic)
    if pairs is not None:
        return pairs
    # Of equal descriptors, none but the first can be in a pair.
    rows, columns = _distinct(a), _distinct(b)
    a, b = a[rows], b[columns]
    pairs = None if arithmetic == "float64" else _search(a, b, "float32")
    pairs = _search(a, b, "float64") if pairs is None else pairs
    return np.stack([rows[pairs[:, 0]], columns[pairs[:, 1]]], axis=1)


def _arithmetic(a: np.ndarray, b: np.ndarray) -> str:
    """Return which products to screen with."""
    extents = [_extent(side) for side in (a, b)]
    if not np.isfinite(extents).all():
        raise HndescError("descriptors with values that are not finite cannot be matched; describe the photos again")
    if not all(extent < _USUAL for extent in extents):
        return "float64"
    usual = all(extent > 1 / _USUAL for extent in extents)
    # torch multiplies columns of length one wrongly.
    if usual and a.shape[1] > 1 and a.size * len(b) >= _FEW and _multiplies_bytes():
        return "int8"
    return "float32" if usual else "float64"


@cache
def _multiplies_bytes() -> bool:
    """Tell whether this processor has quick products of 8-bit numbers, and torch gives them exactly."""
    import torch

    if not hasattr(torch, "_int_mm") or not any(torch.cpu.get_capabilities().get(name) for name in _INSTRUCTIONS):
        return False
    largest = torch.full((32, 64), 127, dtype=torch.int8)
    return bool((torch._int_mm(largest, largest.T) == 64 * 127 * 127).all())


def _search(a: np.ndarray, b: np.ndarray, arithmetic: str) -> np.ndarray | None:
    """Return the pairs; None where the approximation leaves too many candidates (double precision never does)."""
    first, second = Side.of(a, arithmetic), Side.of(b, arithmetic)
    crowd = None if arithmetic == "float64" else _CROWD
    forth = _forth(first, second, crowd)
    if forth is None:
        return None
    # The way back is spared the columns of which a greater product than with this row is known.
    rows = np.flatnonzero(forth.product + first.margin(second) >= forth.known[forth.index])
    back = _back(first, second, forth, rows, crowd)
    if back is None:
        return None
    rows = rows[back == rows]
    return np.stack([rows, forth.index[rows]], axis=1)


@dataclass(frozen=True)
class _Nearest:
    """For each row its nearest column and about their product; what was learned of the columns on the way.

    Attributes:
        index: N.
        product: N.
        known: for each column, the greatest product that was computed.
        group: rows of a group.
        tops: groups x M, for each group of rows and each column the greatest approximate product.
    """

    index: np.ndarray
    product: np.ndarray
    known: np.ndarray
    group: int
    tops: np.ndarray


def _forth(a: Side, b: Side, crowd: int | None) -> _Nearest | None:
    """Find the nearest b of each a; None where too many candidates remain."""
    n, m = len(a.exact), len(b.exact)
    group = _ROWS * -(-n * m // (_ROWS * _TOPS))
    lowest = np.iinfo(np.int32).min if a.whole else -np.inf
    tops = np.full((-(-n // group), m), lowest, a.products)
    known = np.full(m, -np.inf, a.decided)
    index, product = np.empty(n, np.int64), np.empty(n, a.decided)
    for top in range(0, n, _TILE):
        tile = a.take(slice(top, top + _TILE))
        found = Candidates(len(tile.exact), a.margin(b), a.decided)
        for left in range(0, m, _TILE):
            columns = slice(left, left + _TILE)
            part, best, far = b.take(columns), found.best.copy(), slack(tile, b.take(columns))
            multiply = block_products(part, _ROWS, LANES)
            for start in range(0, len(tile.exact), _ROWS):
                rows = slice(start, start + _ROWS)
                entries = multiply(tile.codes[rows])
                highest = tops[(top + start) // group, columns]
                np.maximum(highest, entries[:, : len(highest)].max(axis=0), out=highest)
                new = row_candidates(tile.take(rows), part, entries, best[rows], far[rows], crowd)
                if new is None:
                    return None
                i, j, products = new
                np.maximum.at(known[columns], j, products)
                found.add(i + start, j + left, products)
        index[top : top + _TILE], product[top : top + _TILE] = found.nearest(tile.exact, b.exact), found.best
    return _Nearest(index, product, known, group, tops)


def _back(a: Side, b: Side, forth: _Nearest, rows: np.ndarray, crowd: int | None) -> np.ndarray | None:
    """Find the nearest a of the nearest b of some rows, in the groups that can hold it; None for too many candidates.

    Args:
        a: N rows.
        b: M columns.
        forth: what was found for each row.
        rows: some rows of `a`, whose columns are searched.
        crowd: most candidates of a block.
    """
    index = np.empty(len(rows), np.int64)
    for start in range(0, len(rows), _TILE):
        chosen = rows[start : start + _TILE]
        columns = forth.index[chosen]
        part = b.take(columns)
        least = threshold(forth.product[chosen] - slack(part, a), a, part)
        found = Candidates(len(columns), a.margin(b), a.decided)
        for group, tops in enumerate(forth.tops):
            few = np.flatnonzero(tops[columns] >= least)
            if len(few) and not _search_group(a, part, forth.group * group, forth.group, few, least[few], found, crowd):
                return None
        index[start : start + _TILE] = found.nearest(part.exact, a.exact)
    return index


def _search_group(
    a: Side, b: Side, first: int, count: int, few: np.ndarray, least: np.ndarray, found: Candidates, crowd: int | None
) -> bool:
    """Add the rows of a group that may be nearest to a few columns; return whether they are not too many."""
    columns = b.take(few)
    multiply = block_products(columns, _ROWS)
    last = min(first + count, len(a.exact))
    for start in range(first, last, _ROWS):
        rows = a.take(slice(start, min(start + _ROWS, last)))
        entries = multiply(rows.codes)[:, : len(few)]
        i, j = np.nonzero(entries >= least)
        if crowd is not None and len(i) > crowd:
            return False
        found.add(few[j], i + start, entry_products(rows, i, columns, j, entries))
    return True


def _extent(values: np.ndarray) -> float:
    return float(max(values.max(), -values.min()))


def _distinct(values: np.ndarray) -> np.ndarray:
    """Return the first of each kind of equal rows, ascending."""
    rows = np.ascontiguousarray(values + np.float32(0)).view(np.dtype((np.void, values.shape[1] * 4))).reshape(-1)
    return np.sort(np.unique(rows, return_index=True)[1])
