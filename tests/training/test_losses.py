"""Losses: the published code's numbers, gradients, analytic cases, ragged and missing keypoints."""

import json

import numpy as np
import pytest
import torch

from hndesc.training.losses import (
    Anchors,
    Unmatched,
    contrastive,
    descriptor_loss,
    false_matches,
    quantized_ap,
    triplet,
)
from hndesc.training.settings import NEGATIVES, LossSettings

CASES = {
    "in_batch": LossSettings(negatives="in_batch"),
    "in_pair": LossSettings(negatives="in_pair"),
    "all_negatives": LossSettings(negatives="all"),
    "in_batch_global": LossSettings(negatives="in_batch_global"),
}


def anchors_of(counts, dim: int = 16, seed: int = 0, dtype=torch.float32, noise: float = 0.5) -> Anchors:
    generator = torch.Generator().manual_seed(seed)
    total = int(sum(counts))
    first = torch.randn(total, dim, generator=generator, dtype=dtype)
    second = first + noise * torch.randn(total, dim, generator=generator, dtype=dtype)
    pair = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts, dtype=torch.int64))
    normalize = torch.nn.functional.normalize
    return Anchors(normalize(first, dim=1).requires_grad_(), normalize(second, dim=1).requires_grad_(), pair, pair)


def similar_of(anchors: Anchors, count: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(99)
    descriptors = torch.randn(count, anchors.anchor.shape[1], generator=generator, dtype=anchors.anchor.dtype)
    return torch.nn.functional.normalize(descriptors, dim=1), torch.full((count,), 1000)


@pytest.fixture(scope="module")
def golden(shared):
    expected = json.loads((shared / "golden" / "expected.json").read_text())["loss"]
    with np.load(shared / "golden" / "loss_inputs.npz") as inputs:
        return expected, {name: torch.from_numpy(inputs[name]) for name in inputs}


def golden_anchors(inputs) -> Anchors:
    pair = torch.repeat_interleave(torch.arange(len(inputs["counts"])), inputs["counts"])
    first, second = (inputs[name].clone().requires_grad_() for name in ("anchor", "positive"))
    return Anchors(first, second, pair, pair)


@pytest.mark.golden
@pytest.mark.parametrize("name", CASES)
def test_published_values_and_gradients(golden, name):
    expected, inputs = golden
    anchors = golden_anchors(inputs)
    hard = inputs["hard_negative"]
    loss = descriptor_loss(anchors, CASES[name], (hard, torch.full((len(hard),), 1000)))
    loss.value.backward()
    found = {
        "loss": loss.value.item(),
        "ap": 1 - loss.mean,
        "grad_anchor_norm": anchors.anchor.grad.norm().item(),
        "grad_positive_norm": anchors.positive.grad.norm().item(),
    }
    assert found == pytest.approx(expected[name], abs=1e-5)
    assert loss.count == len(inputs["anchor"])


@pytest.mark.golden
def test_published_triplet(golden):
    expected, inputs = golden
    loss = descriptor_loss(golden_anchors(inputs), LossSettings(kind="triplet", negatives="in_pair"))
    assert loss.value.item() == pytest.approx(expected["triplet_pair"], abs=1e-5)


def average_precision(positive: float, negatives: list[float], bins: int) -> float:
    """The definition, bin by bin: triangles around centers from 1 down to 0, open at both ends."""
    width = 1 / (bins - 1)
    found = seen = total = 0.0
    for number in range(bins):
        center = 1 - number * width
        share = [max(0.0, 1 - abs(min(max(s, 0.0), 1.0) - center) / width) for s in [positive, *negatives]]
        found += share[0]
        seen += sum(share)
        total += share[0] * found / seen if seen else 0.0
    return total


def test_quantized_ap_is_its_definition():
    generator = np.random.default_rng(0)
    positive, negatives = generator.uniform(-0.2, 1.05, 40), generator.uniform(-0.5, 1.05, (40, 7))
    found = quantized_ap(torch.tensor(positive), torch.tensor(negatives), 20)
    expected = [average_precision(p, list(n), 20) for p, n in zip(positive, negatives, strict=True)]
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


def test_quantized_ap_at_its_ends():
    one, zero = torch.ones(1), torch.zeros(1)
    assert quantized_ap(one, torch.zeros(1, 5), 20).item() == pytest.approx(1)
    assert quantized_ap(zero, torch.ones(1, 4), 20).item() == pytest.approx(1 / 5)
    assert quantized_ap(one, torch.ones(1, 3), 20).item() == pytest.approx(1 / 4)


def test_a_mask_is_the_same_as_leaving_out():
    generator = torch.Generator().manual_seed(0)
    positive, negatives = torch.rand(6, generator=generator), torch.rand(6, 9, generator=generator)
    mask = torch.zeros(6, 9, dtype=torch.bool)
    mask[:, [1, 4, 5]] = True
    assert torch.allclose(
        quantized_ap(positive, negatives, 20, mask), quantized_ap(positive, negatives[:, [1, 4, 5]], 20)
    )


def unmatched_of(anchors: Anchors, counts=((2, 0, 1), (1, 3, 0)), seed: int = 3) -> tuple[Unmatched, Unmatched]:
    made = []
    for part, count in enumerate(counts):
        values = anchors_of(count, anchors.anchor.shape[1], seed + part, anchors.anchor.dtype)
        made.append(Unmatched(values.anchor, values.pair, values.photo))
    return made[0], made[1]


def test_false_matches_of_two_orthogonal_keypoints():
    eye, none = torch.eye(2), torch.zeros(2, dtype=torch.int64)
    miss = 1 / (1 + np.exp(1 / 0.5))
    assert false_matches(Anchors(eye, eye, none, none), 0.5).item() == pytest.approx(2 * miss**2, rel=1e-5)


def test_false_matches_of_a_unmatched_double_of_a_keypoint():
    """One in the second crop, two alike in the first: it matches the unmatched one every other time."""
    one, none = torch.eye(3)[:1], torch.zeros(1, dtype=torch.int64)
    unmatched = Unmatched(one, none, none), Unmatched(one[:0], none[:0], none[:0])
    anchors = Anchors(one, one, none, none, unmatched)
    assert false_matches(anchors, 0.03).item() == pytest.approx(0.5)
    assert false_matches(anchors.swapped(), 0.03).item() == pytest.approx(0.5)


def test_false_matches_add_up_over_pairs_and_know_no_other():
    whole = anchors_of([4, 3, 5])
    whole = Anchors(whole.anchor, whole.positive, whole.pair, whole.photo, unmatched_of(whole))
    parts = []
    for pair in range(3):
        own, unmatched = whole.pair == pair, [Unmatched(*(v[one.pair == pair] for v in one)) for one in whole.unmatched]
        parts.append(
            Anchors(whole.anchor[own], whole.positive[own], whole.pair[own], whole.photo[own], tuple(unmatched))
        )
    total = sum(false_matches(part, 0.2).item() for part in parts)
    assert false_matches(whole, 0.2).item() == pytest.approx(total, rel=1e-5)
    assert total > 0.1


def test_false_matches_come_on_top_of_the_loss_by_their_weight():
    anchors = anchors_of([4, 3, 5])
    values = [
        descriptor_loss(anchors, LossSettings(kind="contrastive", negatives="all", false_matches=w)) for w in (0, 2.5)
    ]
    expected = 2.5 * false_matches(anchors, 0.03).item() / 12
    assert values[1].value.item() - values[0].value.item() == pytest.approx(expected, abs=1e-6)
    assert values[1].mean - values[0].mean == pytest.approx(expected, abs=1e-6)


def test_unmatched_keypoints_of_the_other_crop_are_negatives():
    plain = anchors_of([4, 3, 5], dtype=torch.float64, noise=1.0)
    unmatched = unmatched_of(plain)
    settings = LossSettings(kind="contrastive", negatives="all")
    found = descriptor_loss(Anchors(plain.anchor, plain.positive, plain.pair, plain.photo, unmatched), settings)
    sides = ((plain.anchor, plain.positive, unmatched[1]), (plain.positive, plain.anchor, unmatched[0]))
    logits = [ask @ torch.cat([answer, extra.descriptors]).T / settings.temperature for ask, answer, extra in sides]
    expected = sum(torch.nn.functional.cross_entropy(one, torch.arange(12)) for one in logits) / 2
    assert found.value.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("negatives", NEGATIVES)
@pytest.mark.parametrize("kind", ["ap", "triplet", "contrastive"])
def test_gradcheck_with_unmatched_keypoints_and_false_matches(kind, negatives):
    base = anchors_of([4, 3, 5], dim=6, dtype=torch.float64)
    unmatched = unmatched_of(base)

    def value(first, second, one, other):
        parts = Unmatched(one, *unmatched[0][1:]), Unmatched(other, *unmatched[1][1:])
        settings = LossSettings(
            kind=kind, negatives=negatives, k=3, bins=7, false_matches=2.0, match_temperature=0.3, temperature=0.2
        )
        anchors = Anchors(first, second, base.pair, base.photo, parts)
        return descriptor_loss(anchors, settings, None, torch.Generator().manual_seed(0)).value

    values = base.anchor, base.positive, unmatched[0].descriptors, unmatched[1].descriptors
    assert torch.autograd.gradcheck(value, values, eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("negatives", NEGATIVES)
@pytest.mark.parametrize("kind", ["ap", "triplet", "contrastive"])
def test_gradcheck(kind, negatives):
    base = anchors_of([4, 3, 5], dim=6, dtype=torch.float64)
    similar = similar_of(base)

    def value(first, second, others):
        anchors = Anchors(first, second, base.pair, base.photo)
        settings = LossSettings(kind=kind, negatives=negatives, k=3, bins=7)
        return descriptor_loss(anchors, settings, (others, similar[1]), torch.Generator().manual_seed(0)).value

    others = similar[0].clone().requires_grad_()
    assert torch.autograd.gradcheck(value, (base.anchor, base.positive, others), eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("kind", ["ap", "contrastive"])
@pytest.mark.parametrize("negatives", NEGATIVES)
def test_pairs_of_none_or_one_keypoint_change_nothing(negatives, kind):
    full = anchors_of([6, 9, 7])
    lonely = anchors_of([1], seed=8)
    pair = torch.cat([full.pair[:15], torch.tensor([7]), full.pair[15:]])
    joined = Anchors(
        torch.cat([full.anchor[:15], lonely.anchor, full.anchor[15:]]),
        torch.cat([full.positive[:15], lonely.positive, full.positive[15:]]),
        pair,
        pair,
    )
    settings = LossSettings(kind=kind, negatives=negatives, k=4)
    losses = [
        descriptor_loss(anchors, settings, similar_of(full), torch.Generator().manual_seed(0))
        for anchors in (full, joined)
    ]
    assert losses[0].value.item() == pytest.approx(losses[1].value.item(), abs=1e-7)
    assert losses[0].count == losses[1].count == 22


@pytest.mark.parametrize("negatives", [name for name in NEGATIVES if name != "random"])
def test_the_order_of_the_pairs_does_not_matter(negatives):
    anchors = anchors_of([5, 8, 3])
    order = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    shuffled = Anchors(anchors.anchor[order], anchors.positive[order], anchors.pair[order], anchors.photo[order])
    settings = LossSettings(negatives=negatives, k=6)
    first, second = (descriptor_loss(one, settings, similar_of(anchors)).value.item() for one in (anchors, shuffled))
    assert first == pytest.approx(second, abs=1e-6)


def test_fewer_negatives_than_k_repeat_the_last():
    anchors = anchors_of([3, 3])
    few = descriptor_loss(anchors, LossSettings(negatives="in_pair", k=20)).value.item()
    similarity = (anchors.anchor @ anchors.positive.T).detach()
    aps = []
    for row in range(6):
        others = [column for column in range(row // 3 * 3, row // 3 * 3 + 3) if column != row]
        falling = sorted((similarity[row, column].item() for column in others), reverse=True)
        aps.append(average_precision(similarity[row, row].item(), falling + falling[-1:] * 18, 20))
    assert few == pytest.approx(1 - np.mean(aps), abs=1e-6)


def test_all_takes_every_negative_whatever_k_is():
    anchors = anchors_of([5, 4])
    one, many = (descriptor_loss(anchors, LossSettings(negatives="all", k=k)).value.item() for k in (1, 500))
    assert one == many


def test_another_crop_of_the_same_photo_gives_no_negatives():
    anchors = anchors_of([4, 4, 4])
    same = Anchors(anchors.anchor, anchors.positive, anchors.pair, torch.zeros_like(anchors.pair))
    assert descriptor_loss(same, LossSettings(negatives="in_batch")).count == 0
    two = Anchors(anchors.anchor, anchors.positive, anchors.pair, torch.tensor([0] * 4 + [0] * 4 + [1] * 4))
    assert descriptor_loss(two, LossSettings(negatives="in_batch")).count == 12


@pytest.mark.parametrize("kind", ["ap", "contrastive"])
@pytest.mark.parametrize("counts", [[], [1], [1, 1, 1], [5]])
def test_nothing_to_compare_is_reported_and_has_a_gradient_of_zero(counts, kind):
    anchors = anchors_of(counts)
    loss = descriptor_loss(anchors, LossSettings(kind=kind, negatives="in_batch"))
    assert loss.count == 0
    assert loss.value.item() == 0
    loss.value.backward()
    assert not anchors.anchor.grad.any()


def test_triplet_is_its_definition():
    positive, negative = torch.tensor([0.9, 0.1, 1.0]), torch.tensor([0.2, 0.8, -1.0])
    near, far = np.sqrt(2 - 2 * positive.numpy()), np.sqrt(2 - 2 * negative.numpy())
    assert triplet(positive, negative, 1.0).tolist() == pytest.approx(np.maximum(0, 1 + near - far), abs=1e-3)


def test_contrastive_is_its_definition():
    positive = torch.tensor([0.9, 0.1])
    similarity = torch.tensor([[0.5, 0.2, -0.3], [0.4, 0.7, 0.6]])
    mask = torch.tensor([[True, False, True], [False, True, True]])
    expected = [
        -np.log(np.exp(9) / (np.exp(9) + np.exp(5) + np.exp(-3))),
        -np.log(np.exp(1) / (np.exp(1) + np.exp(7) + np.exp(6))),
    ]
    assert contrastive(positive, similarity, mask, 0.1).tolist() == pytest.approx(expected, rel=1e-4)


def test_contrastive_asks_both_ways():
    anchors = anchors_of([7, 5], noise=3.0)
    settings = LossSettings(kind="contrastive", negatives="all")
    similarity = (anchors.anchor @ anchors.positive.T).detach() / settings.temperature
    label = torch.arange(12)
    cross_entropy = torch.nn.functional.cross_entropy
    expected = (cross_entropy(similarity, label) + cross_entropy(similarity.T, label)) / 2
    loss = descriptor_loss(anchors, settings)
    assert loss.value.item() == pytest.approx(expected.item(), rel=1e-5)
    assert loss.mean == pytest.approx(expected.item(), rel=1e-5)


def test_triplet_has_a_finite_gradient_at_equal_descriptors():
    same = torch.ones(3, requires_grad=True)
    triplet(same, torch.zeros(3), 2.0).sum().backward()
    assert torch.isfinite(same.grad).all()


def test_loss_falls_when_the_positives_come_nearer():
    losses = [descriptor_loss(anchors_of([20, 20], noise=n), LossSettings()).value.item() for n in (0.1, 0.5, 2.0)]
    assert losses == sorted(losses)
