"""Local maxima of maps, and their subpixel positions, where both are known."""

import numpy as np
import pytest
import torch

from hndesc.detectors.selection import suppress
from hndesc.models.keypoint_map import local_maxima, refine, windows


def bump(x: float, y: float, size: tuple[int, int] = (20, 30), width: float = 0.8) -> torch.Tensor:
    """Logits whose softmax is a Gaussian at (x, y), B = 1."""
    rows, columns = torch.arange(size[0])[:, None], torch.arange(size[1])
    return -((columns - x) ** 2 + (rows - y) ** 2)[None] / (2 * width**2)


@pytest.mark.parametrize(("x", "y"), [(10.0, 8.0), (10.3, 8.4), (9.6, 7.7)])
def test_a_gaussian_is_found_at_its_center(x: float, y: float) -> None:
    logits = bump(x, y, width=0.6)
    rows, columns = local_maxima(logits, 3, 2)[0].nonzero(as_tuple=True)
    assert (columns.tolist(), rows.tolist()) == ([round(x)], [round(y)])
    found = refine(logits, torch.stack([columns, rows], dim=1)[None])
    assert found[0, 0].tolist() == pytest.approx([x, y], abs=0.01)


def test_maxima_are_those_of_one_round_of_suppression() -> None:
    scores = torch.rand(2, 40, 50, generator=torch.Generator().manual_seed(0))
    for one, found in zip(scores, local_maxima(scores, 2, 0), strict=True):
        np.testing.assert_array_equal(found.numpy(), suppress(one.numpy(), 2, rounds=1))


def test_border_has_no_maxima() -> None:
    found = local_maxima(torch.rand(1, 30, 40, generator=torch.Generator().manual_seed(0)), 1, 5)[0].nonzero()
    assert found.min() == 5 and (found[:, 0].max(), found[:, 1].max()) == (24, 34)
    assert not local_maxima(torch.rand(1, 8, 8), 1, 5).any()


def test_windows_hold_the_pixels_around_by_rows() -> None:
    logits = torch.arange(40.0).view(1, 5, 8)
    assert windows(logits, torch.tensor([[[3, 2]]]), 1)[0, 0].tolist() == [10, 11, 12, 18, 19, 20, 26, 27, 28]
    assert windows(logits, torch.tensor([[[0, 0]]]), 1)[0, 0].tolist() == [0, 0, 1, 0, 0, 1, 8, 8, 9]
