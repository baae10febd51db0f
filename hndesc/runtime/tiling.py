"""Networks on images of any size: in tiles, with a border as wide as the network sees, so that memory is bounded."""

import logging
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

logger = logging.getLogger(__name__)

MUCH = 6  # GiB
TILE = 1024
_GIB = 2**30

Box = tuple[int, int, int, int]


def padded(image: np.ndarray, least: int) -> np.ndarray:
    """Repeat the last row and column of an H x W x ... image up to `least` pixels a side; contiguous and writable."""
    missing = [(0, max(0, least - side)) for side in image.shape[:2]]
    if np.any(missing):
        image = np.pad(image, (*missing, *[(0, 0)] * (image.ndim - 2)), mode="edge")
    return np.require(image, requirements=["C", "W"])


def in_tiles(
    work: Callable[[np.ndarray], Tensor], image: np.ndarray, tile: int, border: int, stride: int = 1
) -> Tensor:
    """Return the map ... x h x w that `work` makes of an image, which it sees in tiles only.

    Args:
        work: takes a part of the image; its cells keep their values where the part ends `border` pixels away.
        image: H x W x ...
        tile: side of a tile without its border, pixels; a multiple of what the network subsamples by, as is `border`.
        border: pixels around a tile.
        stride: pixels a cell of the map.
    """
    height, width = image.shape[:2]
    if in_one_piece((height, width), tile, border):
        return work(image)
    rows = []
    for top in range(0, height, tile):
        parts = []
        for left in range(0, width, tile):
            y, x = max(0, top - border), max(0, left - border)
            part = work(image[y : top + tile + border, x : left + tile + border])
            inner = [
                slice((start - first) // stride, None if start + tile >= side else (start - first + tile) // stride)
                for start, first, side in ((top, y, height), (left, x, width))
            ]
            parts.append(part[..., inner[0], inner[1]].clone())
        rows.append(torch.cat(parts, dim=-1))
    return torch.cat(rows, dim=-2)


def cut_at_points(size: tuple[int, int], points: np.ndarray, tile: int, border: int) -> list[tuple[Box, np.ndarray]]:
    """Cut an image up where it has keypoints.

    Args:
        size: (height, width) of the image.
        points: N x 2 pixels.
        tile: side of a tile without its border, pixels.
        border: pixels around a tile.

    Returns:
        (left, top, right, bottom) of each tile with its border, and the rows of the points in the tile.
    """
    height, width = size
    if not len(points):
        return []
    if in_one_piece(size, tile, border):
        return [((0, 0, width, height), np.arange(len(points)))]
    last = np.maximum(np.array([width - 1, height - 1]) // tile, 0)
    cells = np.clip(np.floor(points / tile).astype(int), 0, last)
    parts = []
    for column, row in np.unique(cells, axis=0):
        left, top = (max(0, int(index) * tile - border) for index in (column, row))
        right, bottom = (min(side, (int(i) + 1) * tile + border) for i, side in ((column, width), (row, height)))
        parts.append(((left, top, right, bottom), np.flatnonzero((cells == (column, row)).all(axis=1))))
    return parts


def in_one_piece(size: tuple[int, int], tile: int, border: int) -> bool:
    """Return whether an image of (height, width) is no larger than a tile with its border."""
    return size[0] * size[1] <= (tile + 2 * border) ** 2


def announce(name: str, size: tuple[int, int], bytes_per_pixel: float) -> None:
    """Warn if a network that cannot be tiled needs more than MUCH memory for an image of (height, width)."""
    need = size[0] * size[1] * bytes_per_pixel / _GIB
    if need > MUCH:
        logger.warning(
            "%s needs about %.0f GiB of memory for an image of %d x %d pixels at once; set resize_max to bound it",
            *(name, need, size[1], size[0]),
        )
