"""Losses over all keypoints of a batch: 1 - quantized average precision, triplet or contrastive loss.

The expected number of false matches can be added to any of them. The probability of a mutual match of two keypoints is
the product of two softmaxes, each over all keypoints of the other crop (Tyszkiewicz et al., DISK, NeurIPS 2020). Every
match other than that of a keypoint with its positive is false, so all matches of unmatched keypoints are false.

The average precision of a keypoint's one positive among its negatives is made differentiable by sorting similarities
into overlapping triangular bins (He et al., Local Descriptors Optimized for Average Precision, CVPR 2018; Revaud et
al., R2D2, NeurIPS 2019). The contrastive loss is the cross-entropy of finding the positive by softmax (van den Oord et
al., Representation Learning with Contrastive Predictive Coding, 2018), in both directions.
Positions around the positive can be added to its negatives (`hndesc.training.ring`).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from hndesc.training.distributed import ProcessGroup
from hndesc.training.negatives import Candidates, allowed, drawn, hardest
from hndesc.training.ring import Ring
from hndesc.training.settings import LossSettings

# Squared distances below this get no gradient, since the gradient of the square root is unbounded at 0.
_SHORTEST = 1e-8
SINGLE_PROCESS = ProcessGroup()


class Unmatched(NamedTuple):
    """Keypoints visible in only one crop of their pair.

    Attributes:
        descriptors: L x D, unit length.
        pair: L, index of the pair.
        photo: L, index of the photo.
    """

    descriptors: Tensor
    pair: Tensor
    photo: Tensor


@dataclass(frozen=True)
class Anchors:
    """The keypoints of a batch of pairs.

    Attributes:
        anchor: M x D, descriptors in the first crops, unit length.
        positive: M x D, descriptors in the second crops.
        pair: M, index of the pair.
        photo: M, index of the photo; two pairs may share it.
        unmatched: keypoints visible only in the first crops and only in the second crops, or None.
        rings: descriptors around the keypoints in the first crops and in the second crops, or None.
    """

    anchor: Tensor
    positive: Tensor
    pair: Tensor
    photo: Tensor
    unmatched: tuple[Unmatched, Unmatched] | None = None
    rings: tuple[Ring, Ring] | None = None

    def usable(self) -> "Anchors":
        """Drop the pairs with fewer than two keypoints."""
        pairs, counts = self.pair.unique(return_inverse=True, return_counts=True)[1:]
        keep = counts[pairs] >= 2
        rings = None
        if self.rings:
            one, other = (Ring(*(values[keep] for values in ring)) for ring in self.rings)
            rings = one, other
        return Anchors(self.anchor[keep], self.positive[keep], self.pair[keep], self.photo[keep], self.unmatched, rings)

    def swapped(self) -> "Anchors":
        """Swap the roles of the first and second crops."""
        unmatched, rings = self.unmatched and self.unmatched[::-1], self.rings and self.rings[::-1]
        return Anchors(self.positive, self.anchor, self.pair, self.photo, unmatched, rings)


@dataclass(frozen=True)
class Loss:
    """The value of a loss.

    Attributes:
        value: contribution of this process to the mean over the keypoints of all processes; 0 without keypoints.
        mean: the mean; for the "ap" loss without other terms, 1 - mean average precision.
        count: number of keypoints with at least one negative, over all processes.
    """

    value: Tensor
    mean: float
    count: int


def descriptor_loss(
    anchors: Anchors,
    settings: LossSettings,
    similar: tuple[Tensor, Tensor] | None = None,
    generator: torch.Generator | None = None,
    group: ProcessGroup = SINGLE_PROCESS,
) -> Loss:
    """Return the loss of all anchors with respect to their positives and negatives.

    Args:
        anchors: keypoints of a batch, or of the share of this process; pair indices refer to the whole batch.
        settings: loss and kind of negatives.
        similar: descriptors (H x D) and photo indices (H) of keypoints of similar photos, for `in_batch_global`.
        generator: CPU generator for `random` negatives, in the same state in all processes.
        group: processes that share the batch.
    """
    anchors = anchors.usable()
    loss = _one_way(anchors, settings, similar, generator, group)
    if settings.kind == "contrastive":
        back = _one_way(anchors.swapped(), settings, similar, generator, group)
        loss = Loss((loss.value + back.value) / 2, (loss.mean + back.mean) / 2, loss.count)
    if settings.false_matches == 0:
        return loss
    value = settings.false_matches * false_matches(anchors, settings.match_temperature) / max(loss.count, 1)
    return Loss(loss.value + value, loss.mean + float(group.total(value.detach())), loss.count)


def _one_way(
    anchors: Anchors,
    settings: LossSettings,
    similar: tuple[Tensor, Tensor] | None,
    generator: torch.Generator | None,
    group: ProcessGroup,
) -> Loss:
    """Return the loss of matching the first crops to the second; the arguments are those of `descriptor_loss`."""
    candidates, rows = _candidates(anchors, group)
    shape = len(candidates.row), len(candidates.row)
    if settings.negatives == "in_batch_global" and similar is not None:
        candidates = candidates.extended(*(group.gather(values) for values in similar))
    mask = allowed(settings.negatives, candidates, anchors.pair, anchors.photo, rows)
    similarity = anchors.anchor @ candidates.descriptors.T
    if anchors.rings is not None:
        around = anchors.rings[1]
        similarity = torch.cat([similarity, _weighed(anchors.anchor, around, settings)], dim=1)
        mask = torch.cat([mask, around.inside], dim=1)
    compared = mask.any(dim=1)
    positive = (anchors.anchor * anchors.positive).sum(dim=1)
    chance = None
    if settings.negatives == "random":
        chance = torch.rand(shape, generator=generator).to(rows.device)[rows][compared]
    losses = _losses(positive[compared], similarity[compared], mask[compared], chance, settings)
    count = int(group.total(compared.sum()))
    # The loss depends on all similarities, so that every process takes part in every sum of the backward pass.
    value = (losses.sum() + 0.0 * similarity.sum()) / max(count, 1)
    return Loss(value, float(group.total(value.detach())), count)


def _weighed(anchor: Tensor, around: Ring, settings: LossSettings) -> Tensor:
    """Return M x R similarities, offset such that their softmax terms are multiplied by the weight of the ring."""
    similarity = torch.einsum("md,mrd->mr", anchor, around.descriptors)
    return similarity + settings.temperature * math.log(settings.ring.weight)


def _candidates(anchors: Anchors, group: ProcessGroup) -> tuple[Candidates, Tensor]:
    """Return the keypoints of the second crops of all processes, and the rows of this process's positives."""
    parts = [(anchors.positive, anchors.pair, anchors.photo)]
    if anchors.unmatched is not None:
        parts.append(anchors.unmatched[1])
    gathered = [[group.gather(values) for values in part] for part in parts]
    descriptors, pair, photo = (torch.cat(values) for values in zip(*gathered, strict=True))
    rows = torch.arange(len(pair), device=pair.device)
    start = sum(group.counts(anchors.pair)[: group.rank])
    return Candidates(descriptors, pair, photo, rows), rows[start : start + len(anchors.pair)]


def _losses(
    positive: Tensor, similarity: Tensor, mask: Tensor, chance: Tensor | None, settings: LossSettings
) -> Tensor:
    """Return the loss of each anchor."""
    if settings.kind == "triplet":
        return triplet(positive, hardest(similarity, mask, 1)[:, 0], settings.margin)
    if settings.kind == "contrastive":
        return contrastive(positive, similarity, mask, settings.temperature)
    if settings.negatives == "all":
        return 1 - quantized_ap(positive, similarity, settings.bins, mask)
    if settings.negatives == "random":
        negatives = drawn(similarity, mask, settings.k, chance)
    else:
        negatives = hardest(similarity, mask, settings.k)
    return 1 - quantized_ap(positive, negatives, settings.bins)


def false_matches(anchors: Anchors, temperature: float) -> Tensor:
    """Return the expected number of false mutual matches between the two crops of a pair, summed over pairs.

    Args:
        anchors: keypoints; only keypoints of the same pair are compared.
        temperature: divisor of the similarities before each softmax.
    """
    total = anchors.anchor.sum() * 0.0
    for pair in anchors.pair.unique():
        own = anchors.pair == pair
        first, second = anchors.anchor[own], anchors.positive[own]
        if anchors.unmatched is not None:
            first, second = (
                torch.cat([common, unmatched.descriptors[unmatched.pair == pair]])
                for common, unmatched in zip((first, second), anchors.unmatched, strict=True)
            )
        logits = first @ second.T / temperature
        matches = logits.softmax(dim=1) * logits.softmax(dim=0)
        total = total + matches.sum() - matches.diagonal()[: own.sum()].sum()
    return total


def triplet(positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """Return max(0, margin + |a - p| - |a - n|) from the similarities (M each) of unit descriptors."""
    near, far = ((2 - 2 * similarity).clamp(min=_SHORTEST).sqrt() for similarity in (positive, negative))
    return (margin + near - far).clamp(min=0)


def contrastive(positive: Tensor, similarity: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """Return the cross-entropy of finding one positive among negatives by softmax.

    Args:
        positive: M similarities.
        similarity: M x C.
        mask: M x C, True for negatives.
        temperature: divisor of the similarities.
    """
    logits = torch.cat([positive[:, None], similarity.masked_fill(~mask, -torch.inf)], dim=1) / temperature
    return logits.logsumexp(dim=1) - positive / temperature


def quantized_ap(positive: Tensor, negatives: Tensor, bins: int, mask: Tensor | None = None) -> Tensor:
    """Return the quantized average precision of one positive among negatives.

    Args:
        positive: M similarities, clamped to [0, 1].
        negatives: M x K similarities.
        bins: number of bins, whose centers are evenly spaced from 1 to 0.
        mask: M x K, True for the negatives that count; None: all.

    Returns:
        M values between 0 and 1.
    """
    found = _histogram(positive[:, None], bins, None)
    every = found + _histogram(negatives, bins, mask)
    # Before the first nonempty bin both sums are 0, and so is the recall that weights the precision.
    precision = found.cumsum(dim=1) / every.cumsum(dim=1).clamp(min=torch.finfo(every.dtype).tiny)
    return (precision * found).sum(dim=1)


def _histogram(similarity: Tensor, bins: int, mask: Tensor | None) -> Tensor:
    """Return M x bins, most similar first; each similarity is split between the two nearest bin centers."""
    place = (1 - similarity).clamp(0, 1) * (bins - 1)
    lower = place.detach().floor().clamp(max=bins - 2)
    upper_share = place - lower
    lower_share = 1 - upper_share
    if mask is not None:
        upper_share, lower_share = upper_share * mask, lower_share * mask
    index = lower.nan_to_num().long()  # a NaN survives in the shares
    empty = similarity.new_zeros(len(similarity), bins)
    return empty.scatter_add(1, index, lower_share).scatter_add(1, index + 1, upper_share)
