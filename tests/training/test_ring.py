"""Negatives around a keypoint: where they lie, what they say, and what they cost."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from hndesc.training.data import Batch
from hndesc.training.evaluation import batch_loss, describe, validate
from hndesc.training.losses import Anchors, Unmatched, descriptor_loss
from hndesc.training.ring import Ring, ring_offsets, sample_rings
from hndesc.training.settings import LossSettings, RingSettings

CPU = torch.device("cpu")
SIZE, COUNTS = 40, [3, 5, 3, 5]


def batch_of(first: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (4, SIZE, SIZE, 3), generator=generator, dtype=torch.uint8)
    points = torch.rand(4, 6, 2, generator=generator) * (SIZE - 1)
    return Batch(images, points, torch.tensor(COUNTS), torch.tensor([4, 7]), torch.zeros(0), ("a", "b"), (), first)


def drawn(settings: RingSettings, batch: Batch, processes: int = 1, seed: int = 0) -> torch.Tensor:
    return ring_offsets(settings, batch, processes, torch.Generator().manual_seed(seed))


def test_places_are_log_uniform_between_the_radii_and_in_all_directions():
    settings = RingSettings(number=1000, radius=2.5, radius_max=10)
    offsets = drawn(settings, batch_of())
    assert offsets.shape == (4, 6, 1000, 2)
    distance = offsets.norm(dim=-1).flatten()
    assert 2.5 - 1e-4 <= distance.min() < 2.51
    assert 9.9 < distance.max() <= 10 + 1e-4
    place = (distance.double() / 2.5).log() / math.log(4)
    for share in (0.25, 0.5, 0.75):
        assert (place < share).double().mean().item() == pytest.approx(share, abs=0.01)
    assert offsets.flatten(0, 2).mean(dim=0).abs().max() < 0.15


def test_places_do_not_depend_on_the_number_of_processes():
    settings, whole = RingSettings(number=3), batch_of()
    alone = drawn(settings, whole)
    for first in (0, 1):
        part = whole._replace(points=whole.points[first::2], photos=whole.photos[first : first + 1], first=first)
        assert torch.equal(drawn(settings, part, processes=2), alone[first::2])


def test_none_are_drawn_unless_requested():
    generator = torch.Generator().manual_seed(3)
    assert ring_offsets(RingSettings(), batch_of(), 1, generator) is None
    assert torch.equal(torch.rand(3, generator=generator), torch.rand(3, generator=torch.Generator().manual_seed(3)))


class Places(nn.Module):
    """A pixel's descriptor is (x, y, number of the crop)."""

    def forward(self, images):
        y, x = torch.meshgrid(*(torch.arange(size, dtype=torch.float32) for size in images.shape[2:]), indexing="ij")
        return torch.stack([torch.stack([x, y, torch.full_like(x, number + 1)]) for number in range(len(images))])


def test_descriptors_are_those_around_the_keypoint_in_its_own_crop():
    batch = batch_of()
    offsets = drawn(RingSettings(number=8), batch)
    rings = describe(Places(), batch, CPU, offsets=offsets)[0].rings
    outside = 0
    for part, ring in enumerate(rings):
        assert ring.descriptors.shape == (8, 8, 3)
        row = 0
        for crop in (2 * part, 2 * part + 1):
            for point in range(COUNTS[crop]):
                for number in range(8):
                    place = batch.points[crop, point] + offsets[crop, point, number]
                    inside = bool(((place >= 0) & (place <= SIZE - 1)).all())
                    assert ring.inside[row, number] == inside
                    outside += not inside
                    if inside:
                        expected = normalize(torch.cat([place, torch.tensor([crop + 1.0])]), dim=0)
                        assert torch.allclose(ring.descriptors[row, number], expected, atol=1e-4)
                row += 1
    assert outside > 0


def anchors_of(number: int = 4, dim: int = 6) -> Anchors:
    """12 keypoints of three pairs with unmatched ones and rings, in double precision."""
    generator = torch.Generator().manual_seed(1)

    def random(*shape: int) -> torch.Tensor:
        return normalize(torch.randn(*shape, dim, generator=generator, dtype=torch.float64), dim=-1).requires_grad_()

    pair = torch.repeat_interleave(torch.arange(3), torch.tensor([4, 3, 5]))
    unmatched = tuple(Unmatched(random(2), torch.tensor([0, 2]), torch.tensor([0, 2])) for _ in range(2))
    rings = tuple(Ring(random(12, number), torch.rand(12, number, generator=generator) > 0.3) for _ in range(2))
    return Anchors(random(12), random(12), pair, pair, unmatched, rings)


def by_loop(anchors: Anchors, settings: LossSettings) -> float:
    """The loss, keypoint by keypoint, where all others are negatives."""
    total = 0.0
    first, second = anchors.anchor.detach(), anchors.positive.detach()
    for ask, answer, side in ((first, second, 1), (second, first, 0)):
        others = torch.cat([answer, anchors.unmatched[side].descriptors.detach()])
        ring = anchors.rings[side]
        for row in range(len(ask)):
            terms = [math.exp(ask[row] @ other / settings.temperature) for other in others]
            below = sum(terms)
            for place, inside in zip(ring.descriptors[row].detach(), ring.inside[row], strict=True):
                if inside:
                    below += settings.ring.weight * math.exp(ask[row] @ place / settings.temperature)
            total -= math.log(terms[row] / below)
    return total / len(first) / 2


@pytest.mark.parametrize("weight", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("temperature", [0.04, 0.2])
def test_the_loss_is_that_of_a_plain_loop(weight, temperature):
    anchors = anchors_of()
    ring = RingSettings(number=4, weight=weight)
    settings = LossSettings(kind="contrastive", negatives="all", temperature=temperature, ring=ring)
    found = descriptor_loss(anchors, settings)
    assert found.value.item() == pytest.approx(by_loop(anchors, settings), rel=1e-9)
    assert found.mean == found.value.item()
    assert found.count == 12


@pytest.mark.parametrize("negatives", ["all", "in_pair"])
def test_gradcheck(negatives):
    base = anchors_of(number=2, dim=3)
    ring = RingSettings(number=2)
    settings = LossSettings(kind="contrastive", negatives=negatives, temperature=0.2, false_matches=2.0, ring=ring)

    def value(first, second, one, other):
        rings = Ring(one, base.rings[0].inside), Ring(other, base.rings[1].inside)
        anchors = Anchors(first, second, base.pair, base.photo, base.unmatched, rings)
        return descriptor_loss(anchors, settings, None, torch.Generator().manual_seed(0)).value

    values = base.anchor, base.positive, *(ring.descriptors for ring in base.rings)
    assert torch.autograd.gradcheck(value, values, eps=1e-7, atol=1e-5)


def test_gradcheck_through_the_map():
    batch = batch_of()
    offsets = drawn(RingSettings(number=2), batch).double()
    valid = torch.arange(6)[None] < batch.counts[:, None]
    dense = torch.randn(4, 2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def value(dense):
        rings = sample_rings(dense, batch.points.double() * 11 / (SIZE - 1), offsets, valid, 12)
        return tuple(ring.descriptors for ring in rings)

    assert torch.autograd.gradcheck(value, dense.requires_grad_(), eps=1e-7, atol=1e-5)


def test_pairs_of_one_keypoint_lose_their_ring_too():
    full = anchors_of()
    alone = anchors_of()
    pair = torch.cat([torch.tensor([9]), full.pair])

    def joined(values: torch.Tensor, more: torch.Tensor) -> torch.Tensor:
        return torch.cat([more[:1], values])

    rings = tuple(Ring(*map(joined, one, more)) for one, more in zip(full.rings, alone.rings, strict=True))
    first, second = joined(full.anchor, alone.anchor), joined(full.positive, alone.positive)
    larger = Anchors(first, second, pair, pair, full.unmatched, rings)
    settings = LossSettings(kind="contrastive", negatives="all", ring=RingSettings(number=4))
    values = [descriptor_loss(one, settings).value.item() for one in (full, larger)]
    assert values[0] == pytest.approx(values[1], rel=1e-12)


def test_training_and_validation_draw_the_same_places_for_the_same_seed():
    model, batch = nn.Conv2d(3, 5, 3, padding=1), batch_of()
    settings = LossSettings(kind="contrastive", negatives="all", ring=RingSettings(number=4))
    losses = [batch_loss(model, batch, settings, CPU, "float32", seed).mean for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]
    found = validate(model, [batch], settings, CPU, "float32", 0)["validation_loss"]
    assert found == pytest.approx(losses[0], abs=1e-6)


def test_with_the_ring_the_loss_is_larger_and_other_descriptors_are_untouched():
    batch, model = batch_of(), nn.Conv2d(3, 5, 3, padding=1)
    plain, _ = describe(model, batch, CPU)
    ringed, _ = describe(model, batch, CPU, offsets=drawn(RingSettings(number=4), batch))
    assert plain.rings is None
    assert torch.equal(plain.anchor, ringed.anchor)
    settings = LossSettings(kind="contrastive", negatives="all", ring=RingSettings(number=4))
    assert descriptor_loss(ringed, settings).mean > descriptor_loss(plain, settings).mean


def test_the_loss_without_a_ring_is_the_cross_entropy_of_before():
    anchors = anchors_of()
    plain = Anchors(anchors.anchor, anchors.positive, anchors.pair, anchors.photo)
    settings = LossSettings(kind="contrastive", negatives="all", temperature=0.2)
    logits = plain.anchor @ plain.positive.T / 0.2
    expected = sum(cross_entropy(one, torch.arange(12)) for one in (logits, logits.T)) / 2
    assert descriptor_loss(plain, settings).value.item() == pytest.approx(expected.item(), rel=1e-12)
