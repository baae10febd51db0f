"""Descriptors at the keypoints of a batch, matching accuracy, validation."""

import pytest
import torch
from torch import nn

from hndesc.errors import HndescError
from hndesc.models.sampling import IMAGENET_MEAN, IMAGENET_STD
from hndesc.training.data import Batch
from hndesc.training.evaluation import batch_loss, describe, matching_accuracy, validate
from hndesc.training.losses import Anchors
from hndesc.training.settings import LossSettings

CPU = torch.device("cpu")


class Colors(nn.Module):
    """Undoes the normalization: a pixel's descriptor is its color."""

    stride = 1

    def forward(self, images):
        mean, std = (torch.tensor(values)[None, :, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
        return images * std + mean


def batch_of(similar: bool) -> Batch:
    generator = torch.Generator().manual_seed(0)
    rows = 6 if similar else 4
    images = torch.randint(1, 256, (rows, 32, 32, 3), generator=generator, dtype=torch.uint8)
    points = torch.randint(0, 32, (rows, 5, 2), generator=generator).float()
    counts = torch.tensor([3, 5, 3, 5, 0, 2][:rows])
    near = torch.tensor([-1, 9]) if similar else torch.zeros(0, dtype=torch.int64)
    return Batch(images, points, counts, torch.tensor([4, 7]), near, ("a", "b"), ())


def color(batch: Batch, row: int, point: int) -> torch.Tensor:
    x, y = batch.points[row, point].long()
    return torch.nn.functional.normalize(batch.images[row, y, x].float(), dim=0)


@pytest.mark.parametrize("similar", [False, True])
def test_each_keypoint_has_the_descriptor_of_its_own_crop(similar):
    batch = batch_of(similar)
    anchors, near = describe(Colors(), batch, CPU)
    assert anchors.pair.tolist() == [0] * 3 + [1] * 5
    assert anchors.photo.tolist() == [4] * 3 + [7] * 5
    for row, (pair, point) in enumerate([(0, p) for p in range(3)] + [(1, p) for p in range(5)]):
        assert torch.allclose(anchors.anchor[row], color(batch, pair, point), atol=1e-5)
        assert torch.allclose(anchors.positive[row], color(batch, pair + 2, point), atol=1e-5)
    if similar:
        assert near[1].tolist() == [9, 9]
        assert torch.allclose(near[0][1], color(batch, 5, 1), atol=1e-5)
    else:
        assert near is None


def test_unmatched_keypoints_have_the_descriptors_of_their_crops():
    batch = batch_of(similar=False)
    unmatched = torch.tensor([[[1, 2], [0, 0]], [[3, 4], [5, 6]], [[7, 8], [0, 0]], [[0, 0], [0, 0]]]).float()
    batch = batch._replace(unmatched=unmatched, unmatched_counts=torch.tensor([1, 2, 1, 0]), first=6)
    first, second = describe(Colors(), batch, CPU)[0].unmatched
    assert (first.pair.tolist(), second.pair.tolist()) == ([6, 7, 7], [6])
    assert (first.photo.tolist(), second.photo.tolist()) == ([4, 7, 7], [4])
    images = batch._replace(points=unmatched)
    expected = torch.stack([color(images, row, point) for row, point in ((0, 0), (1, 0), (1, 1), (2, 0))])
    assert torch.allclose(torch.cat([first.descriptors, second.descriptors]), expected, atol=1e-5)


def test_accuracy_is_the_share_of_own_nearest_neighbors_within_the_pair():
    first = torch.eye(4)
    second = torch.eye(4)[[0, 2, 1, 3]]
    together, apart = torch.tensor([0, 0, 0, 0]), torch.tensor([0, 1, 2, 3])
    assert matching_accuracy(Anchors(first, second, together, together)) == (2, 4)
    assert matching_accuracy(Anchors(first, second, apart, apart)) == (4, 4)
    assert matching_accuracy(Anchors(first[:0], second[:0], together[:0], together[:0])) == (0, 0)


def test_validation_weighs_keypoints_equally_and_leaves_the_network_in_training():
    batches, settings = [batch_of(False), batch_of(False)], LossSettings(k=2)
    smaller = batches[1]._replace(counts=torch.tensor([2, 2, 2, 2]))
    model = Colors()
    scores = validate(model, [batches[0], smaller], settings, CPU, "float32", 0)
    losses = [batch_loss(model, batch, settings, CPU, "float32", 0) for batch in (batches[0], smaller)]
    assert [loss.count for loss in losses] == [8, 4]
    assert scores["validation_loss"] == pytest.approx((8 * float(losses[0].value) + 4 * float(losses[1].value)) / 12)
    assert 0 <= scores["accuracy"] <= 1
    assert model.training


def test_validation_without_a_negative_is_an_error():
    lonely = batch_of(False)._replace(counts=torch.tensor([1, 1, 1, 1]))
    with pytest.raises(HndescError, match=r"validation\.share"):
        validate(Colors(), [lonely], LossSettings(), CPU, "float32", 0)


def test_bfloat16_is_near_and_returns_float32():
    batch = batch_of(False)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1))
    exact, _ = describe(model, batch, CPU)
    rough, _ = describe(model, batch, CPU, "bfloat16")
    assert rough.anchor.dtype == torch.float32
    assert not torch.equal(rough.anchor, exact.anchor)
    assert torch.allclose(rough.anchor, exact.anchor, atol=0.05)
