"""Tiles: what they give is what the whole photo gives, and every keypoint is in one of them."""

import logging

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from hndesc.runtime.tiling import MUCH, announce, cut_at_points, in_one_piece, in_tiles, padded

sides = st.integers(1, 70)
tiles = st.sampled_from([8, 12])


@given(height=sides, width=sides, least=st.integers(1, 40), color=st.booleans())
def test_padding_repeats_the_last_row_and_column(height: int, width: int, least: int, color: bool) -> None:
    image = np.arange(height * width * (3 if color else 1), dtype=np.float32).reshape(height, width, *[3] * color)
    image.flags.writeable = False
    result = padded(image, least)
    rows = np.minimum(np.arange(max(height, least)), height - 1)
    columns = np.minimum(np.arange(max(width, least)), width - 1)
    np.testing.assert_array_equal(result, image[rows][:, columns])
    assert result.flags.c_contiguous and result.flags.writeable


def box_sums(radius: int, stride: int, sizes: list[tuple[int, int]]):
    """Return a network that sums boxes of a radius at every `stride`-th pixel, and notes the sizes of what it gets."""

    def work(image: np.ndarray) -> Tensor:
        sizes.append(image.shape[:2])
        weights = torch.ones(1, 1, 2 * radius + 1, 2 * radius + 1, dtype=torch.float64)
        return functional.conv2d(torch.from_numpy(image)[None, None], weights, padding=radius)[0, :, ::stride, ::stride]

    return work


@given(
    height=sides, width=sides, stride=st.sampled_from([1, 4]), radius=st.integers(0, 4), tile=st.sampled_from([8, 12])
)
def test_tiles_give_what_the_whole_gives(height: int, width: int, stride: int, radius: int, tile: int) -> None:
    image = np.random.default_rng(height * 100 + width).integers(0, 256, (height, width)).astype(np.float64)
    sizes: list[tuple[int, int]] = []
    result = in_tiles(box_sums(radius, stride, sizes), image, tile, border=4, stride=stride)
    if in_one_piece((height, width), tile, 4):
        assert sizes == [(height, width)]
    else:
        assert len(sizes) == -(-height // tile) * -(-width // tile)
        assert max(max(size) for size in sizes) <= tile + 8
    assert torch.equal(result, box_sums(radius, stride, [])(image))


def test_a_border_that_is_too_narrow_shows() -> None:
    image = np.random.default_rng(0).uniform(size=(40, 40))
    work = box_sums(6, 1, [])
    assert not torch.equal(in_tiles(work, image, 8, border=4), work(image))


@given(height=sides, width=sides, count=st.integers(0, 30), tile=st.integers(4, 20), border=st.integers(0, 9))
def test_every_point_is_in_one_tile_with_its_border(
    height: int, width: int, count: int, tile: int, border: int
) -> None:
    points = np.random.default_rng(count).uniform(0, [width - 1, height - 1], (count, 2))
    parts = cut_at_points((height, width), points, tile, border)
    assert sorted(row for _, rows in parts for row in rows) == list(range(count))
    for (left, top, right, bottom), rows in parts:
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        x, y = points[rows].T
        assert (x >= (left + border if left else 0)).all() and (y >= (top + border if top else 0)).all()
        assert (x < (right - border if right < width else width)).all()
        assert (y < (bottom - border if bottom < height else height)).all()
    if count and in_one_piece((height, width), tile, border):
        assert [box for box, _ in parts] == [(0, 0, width, height)]


@pytest.mark.parametrize(("pixels", "said"), [(MUCH * 1024, False), (MUCH * 1024 + 1, True)])
def test_much_memory_is_announced(caplog: pytest.LogCaptureFixture, pixels: int, said: bool) -> None:
    with caplog.at_level(logging.WARNING):
        announce("net", (1024, pixels), 1024.0)
    assert bool(caplog.records) is said
    if said:
        assert f"net needs about {MUCH} GiB of memory for an image of {pixels} x 1024 pixels" in caplog.text
