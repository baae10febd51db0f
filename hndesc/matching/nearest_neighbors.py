"""Mutual nearest neighbors of descriptors, screened by approximate products and decided by exact ones.

Dot products of all descriptors are computed in blocks with fast arithmetic: 8-bit integers if the processor has
instructions for them, else single precision. They differ from the exact products by a known bound
(`hndesc.matching.screening`). Only the few entries of a row within that bound of its maximum can be the exact maximum,
and only those are recomputed. Arithmetic, processor and linear algebra library affect only the runtime.
"""

import sys
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

# Rows and columns of a tile, whose candidates are compared before the next tile is processed.
_TILE = 4096
# Rows of a block of products: 4 MB, which fit into the processor cache.
_ROWS = 256
# Maximum number of stored maxima, one per group of rows and column: 64 MB.
_TOPS = 2**24
# Below this number of multiplications, single precision is faster.
_FEW = 300_000_000
# Importing torch for whole numbers takes as long as what this many multiplications in single precision take longer.
_IMPORT = 100_000_000_000
# Maximum number of products in single precision that are kept for the caller: 16 MB.
_KEPT = 2**22
# Maximum number of candidates of a block; with more (nearly equal descriptors), the approximation is useless.
_MAX_CANDIDATES = 32 * _ROWS
# Instructions with exact and fast integer products; older ones can saturate.
_INSTRUCTIONS = ("avx512_vnni", "avx_vnni", "amx_int8")
# Bound on the magnitude of values, or of their reciprocals, for products in single precision.
_USUAL = 1e9


def mutual_nearest(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the mutual nearest neighbors by dot product.

    Ties are resolved in favor of the lowest index. Products are compared in double precision: products of equal
    descriptors are equal, products of integers are exact, and others are ordered correctly if they differ by more than
    2e-16 D times the largest norms. This holds for any processor, number of threads and linear algebra library.

    Memory is limited to 200 MB plus three copies of either side in single precision.

    Args:
        a: N x D, of any norm; float16 and float32 are converted without loss.
        b: M x D.

    Returns:
        K x 2 int64, rows (index in a, index in b) sorted by the first; empty if either side is empty.

    Raises:
        HndescError: the dimensions differ, or values are not finite.
    """
    return nearest_with_products(a, b)[0]


def nearest_with_products(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return `mutual_nearest`, and all products (N x M float32) if they are few and known in single precision.

    Whether they are known depends on the sizes, but not on what was matched before.
    """
    if len(a) == 0 or len(b) == 0:
        return np.empty((0, 2), np.int64), None
    if a.ndim != 2 or b.ndim != 2 or 0 in (a.shape[1], b.shape[1]):
        raise HndescError(f"descriptors of shapes {a.shape} and {b.shape} cannot be matched; expected N x D")
    if a.shape[1] != b.shape[1]:
        raise HndescError(f"descriptors of {a.shape[1]} and {b.shape[1]} dimensions cannot be matched with each other")
    a, b = (np.ascontiguousarray(side, dtype=np.float32) for side in (a, b))
    arithmetic = _arithmetic(a, b)
    kept = None
    if arithmetic == "float32" and _is_small(a, b) and len(a) * len(b) <= _KEPT:
        kept = np.empty((len(a), len(b)), np.float32)
    pairs = None if arithmetic == "float64" else _search(a, b, arithmetic, kept)
    if pairs is not None:
        return pairs, kept
    # Of equal descriptors, only the first can be part of a pair.
    rows, columns = _distinct(a), _distinct(b)
    a, b = a[rows], b[columns]
    pairs = None if arithmetic == "float64" else _search(a, b, "float32")
    pairs = _search(a, b, "float64") if pairs is None else pairs
    assert pairs is not None  # in double precision, all candidates are compared
    return np.stack([rows[pairs[:, 0]], columns[pairs[:, 1]]], axis=1), None


def _arithmetic(a: np.ndarray, b: np.ndarray) -> str:
    """Return the arithmetic for screening."""
    extents = [_extent(side) for side in (a, b)]
    if not np.isfinite(extents).all():
        raise HndescError("descriptors with non-finite values cannot be matched; describe the images again")
    if not all(extent < _USUAL for extent in extents):
        return "float64"
    usual = all(extent > 1 / _USUAL for extent in extents)
    # Products of columns of length one are wrong in torch.
    if usual and a.shape[1] > 1 and not _is_small(a, b) and _repays_import(a.size * len(b)) and _multiplies_bytes():
        return "int8"
    return "float32" if usual else "float64"


def _is_small(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether single precision is faster than whole numbers."""
    return a.size * len(b) < _FEW


@dataclass
class _Work:
    """Multiplications in single precision for which whole numbers would have been faster."""

    done: int = 0


_WORK = _Work()


def _repays_import(multiplications: int) -> bool:
    """Return whether torch is imported, or so much was multiplied that importing it saves time."""
    if "torch" in sys.modules:
        return True
    _WORK.done += multiplications
    return _WORK.done > _IMPORT


@cache
def _multiplies_bytes() -> bool:
    """Return whether this processor has fast 8-bit products that are exact in torch."""
    import torch

    if not hasattr(torch, "_int_mm") or not any(torch.cpu.get_capabilities().get(name) for name in _INSTRUCTIONS):
        return False
    largest = torch.full((32, 64), 127, dtype=torch.int8)
    return bool((torch._int_mm(largest, largest.T) == 64 * 127 * 127).all())


def _search(a: np.ndarray, b: np.ndarray, arithmetic: str, kept: np.ndarray | None = None) -> np.ndarray | None:
    """Return the pairs; None if the approximation leaves too many candidates (never in double precision).

    `kept` receives the products.
    """
    first, second = Side.of(a, arithmetic), Side.of(b, arithmetic)
    crowd = None if arithmetic == "float64" else _MAX_CANDIDATES
    forward = _search_forward(first, second, crowd, kept)
    if forward is None:
        return None
    # Columns with a known greater product than with this row need no backward search.
    rows = np.flatnonzero(forward.product + first.margin(second) >= forward.known[forward.index])
    backward = _search_backward(first, second, forward, rows, crowd, kept)
    if backward is None:
        return None
    rows = rows[backward == rows]
    return np.stack([rows, forward.index[rows]], axis=1)


@dataclass(frozen=True)
class _Nearest:
    """The nearest column of each row, and bounds on the products of each column.

    Attributes:
        index: N, nearest column of each row.
        product: N, its product.
        known: M, the largest product computed for each column.
        group: number of rows of a group.
        tops: groups x M, the largest approximate product of each group of rows and each column.
    """

    index: np.ndarray
    product: np.ndarray
    known: np.ndarray
    group: int
    tops: np.ndarray


def _search_forward(a: Side, b: Side, crowd: int | None, kept: np.ndarray | None) -> _Nearest | None:
    """Find the nearest b of each a, and store the products in `kept`; return None if too many candidates remain."""
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
                if kept is not None:
                    kept[top + start : top + start + len(entries), columns] = entries[:, : len(part.exact)]
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


def _search_backward(
    a: Side, b: Side, forward: _Nearest, rows: np.ndarray, crowd: int | None, kept: np.ndarray | None
) -> np.ndarray | None:
    """Find the nearest a of the nearest b of some rows, in the groups that can contain it.

    Args:
        a: N rows.
        b: M columns.
        forward: nearest column of each row.
        rows: rows of `a` whose columns are searched.
        crowd: maximum number of candidates of a block.
        kept: N x M, the approximate products if they are known.

    Returns:
        The nearest rows, or None if there are too many candidates.
    """
    index = np.empty(len(rows), np.int64)
    for start in range(0, len(rows), _TILE):
        chosen = rows[start : start + _TILE]
        columns = forward.index[chosen]
        part = b.take(columns)
        least = threshold(forward.product[chosen] - slack(part, a), a, part)
        found = Candidates(len(columns), a.margin(b), a.decided)
        for group, tops in enumerate(forward.tops):
            few = np.flatnonzero(tops[columns] >= least)
            block = slice(forward.group * group, forward.group * (group + 1))
            known = None if kept is None else kept[block, columns[few]]
            if len(few) and not _search_group(a, part, block, few, least[few], found, crowd, known):
                return None
        index[start : start + _TILE] = found.nearest(part.exact, a.exact)
    return index


def _search_group(
    a: Side,
    b: Side,
    group: slice,
    few: np.ndarray,
    least: np.ndarray,
    found: Candidates,
    crowd: int | None,
    known: np.ndarray | None,
) -> bool:
    """Add the rows of a group that can be nearest to a few columns; return False if there are too many.

    `known` has the approximate products of the group and the columns, or is None.
    """
    columns = b.take(few)
    multiply = block_products(columns, _ROWS)
    last = min(group.stop, len(a.exact))
    for start in range(group.start, last, _ROWS):
        rows = a.take(slice(start, min(start + _ROWS, last)))
        entries = multiply(rows.codes)[:, : len(few)] if known is None else known[start - group.start :][:_ROWS]
        i, j = np.nonzero(entries >= least)
        if crowd is not None and len(i) > crowd:
            return False
        found.add(few[j], i + start, entry_products(rows, i, columns, j, entries))
    return True


def _extent(values: np.ndarray) -> float:
    return float(max(values.max(), -values.min()))


def _distinct(values: np.ndarray) -> np.ndarray:
    """Return the indices of the first occurrences of distinct rows, ascending."""
    rows = np.ascontiguousarray(values + np.float32(0)).view(np.dtype((np.void, values.shape[1] * 4))).reshape(-1)
    return np.sort(np.unique(rows, return_index=True)[1])
