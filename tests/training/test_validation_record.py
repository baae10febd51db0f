"""Pictures of matches: lines end where the keypoints are, green where they are right."""

import numpy as np
import pytest
import torch

from hndesc.training.data import Batch
from hndesc.training.losses import Anchors
from hndesc.training.validation_record import draw_matches, similarities


def batch_of(points: torch.Tensor) -> Batch:
    images = torch.zeros(4, 40, 40, 3, dtype=torch.uint8)
    counts = torch.full((4,), points.shape[1])
    return Batch(images, points, counts, torch.arange(2), torch.zeros(0, dtype=torch.int64), ("a", "b"), ())


def test_right_matches_are_green_and_wrong_ones_red():
    points = torch.zeros(4, 3, 2)
    points[1] = torch.tensor([[5.0, 5], [5, 20], [5, 35]])
    points[3] = torch.tensor([[30.0, 5], [30, 20], [30, 35]])
    pair = torch.tensor([0] * 3 + [1] * 3)
    first = torch.eye(6)
    second = torch.eye(6)[[0, 1, 2, 3, 5, 4]]
    canvas = draw_matches(batch_of(points), Anchors(first, second, pair, pair), 1)
    assert canvas.shape == (40, 80, 3)
    red, green = canvas[..., 0] > 150, canvas[..., 1] > 150
    assert green[5, 6:70].all()
    assert not red[5].any()
    for x, y in ((5, 20), (70, 35), (5, 35), (70, 20)):
        assert red[y - 1 : y + 2, x - 1 : x + 2].any()
    assert not green[18:].any()
    assert not np.any(draw_matches(batch_of(points), Anchors(first[:0], second[:0], pair[:0], pair[:0]), 0))


def test_similarities_of_right_and_of_the_hardest_wrong_ones():
    first = torch.nn.functional.normalize(torch.randn(7, 5, generator=torch.Generator().manual_seed(0)), dim=1)
    second = torch.nn.functional.normalize(torch.randn(7, 5, generator=torch.Generator().manual_seed(1)), dim=1)
    pair = torch.tensor([0, 0, 0, 1, 1, 1, 2])
    positive, negative = similarities(Anchors(first, second, pair, pair))
    assert torch.allclose(positive, (first * second).sum(1))
    assert len(negative) == 6  # the last keypoint is alone in its pair
    matrix = first @ second.T
    assert negative[0].item() == pytest.approx(max(matrix[0, 1], matrix[0, 2]).item())
    assert negative[4].item() == pytest.approx(max(matrix[4, 3], matrix[4, 5]).item())
