"""What training minimises: 1 - quantised average precision, or the triplet loss, over all keypoints of a batch.

The average precision of a keypoint's one positive among its negatives is made differentiable by sorting similarities
into overlapping triangular bins (He et al., Local Descriptors Optimized for Average Precision, CVPR 2018; Revaud et
al., R2D2, NeurIPS 2019).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hndesc.training.negatives import Candidates, allowed, drawn, hardest
from hndesc.training.settings import LossSettings

# Squared distances below this have no gradient: that of their root would be without bound.
_SHORTEST = 1e-8


@dataclass(frozen=True)
class Anchors:
    """The keypoints of a batch of pairs.

    Attributes:
        anchor: M x D, descriptors in the first crops, unit length.
        positive: M x D, descriptors in the second crops.
        pair: M, index of the pair.
        photo: M, index of the photo; two pairs may share it.
    """

    anchor: Tensor
    positive: Tensor
    pair: Tensor
    photo: Tensor

    def usable(self) -> "Anchors":
        """Leave out the pairs with fewer than two keypoints."""
        pairs, counts = self.pair.unique(return_inverse=True, return_counts=True)[1:]
        keep = counts[pairs] >= 2
        return Anchors(self.anchor[keep], self.positive[keep], self.pair[keep], self.photo[keep])


@dataclass(frozen=True)
class Loss:
    """The value of a loss.

    Attributes:
        value: mean over the keypoints; 0 when `count` is.
        ap: mean average precision over the keypoints, without gradient (NaN for other losses).
        count: keypoints that had at least one negative.
    """

    value: Tensor
    ap: Tensor
    count: int


def descriptor_loss(
    anchors: Anchors,
    settings: LossSettings,
    similar: tuple[Tensor, Tensor] | None = None,
    generator: torch.Generator | None = None,
) -> Loss:
    """Compare every anchor with its positive and its negatives.

    Args:
        anchors: the keypoints of a batch.
        settings: the loss and its negatives.
        similar: descriptors (H x D) and photos (H) of keypoints of similar photos, for `in_batch_global`.
        generator: for `random` negatives, on the CPU.
    """
    anchors = anchors.usable()
    rows = torch.arange(len(anchors.pair), device=anchors.pair.device)
    candidates = Candidates(anchors.positive, anchors.pair, anchors.photo, rows)
    if settings.negatives == "in_batch_global" and similar is not None:
        candidates = candidates.extended(*similar)
    return _loss(anchors, rows, candidates, settings, generator)


def _loss(
    anchors: Anchors, rows: Tensor, candidates: Candidates, settings: LossSettings, generator: torch.Generator | None
) -> Loss:
    mask = allowed(settings.negatives, candidates, anchors.pair, anchors.photo, rows)
    comparable = mask.any(dim=1)
    count = int(comparable.sum())
    if count == 0:
        zero = 0.0 * (anchors.anchor.sum() + anchors.positive.sum())
        return Loss(zero, torch.full_like(zero, torch.nan).detach(), 0)
    similarity = (anchors.anchor @ candidates.descriptors.T)[comparable]
    positive = (anchors.anchor * anchors.positive).sum(dim=1)[comparable]
    mask = mask[comparable]
    if settings.kind == "triplet":
        value = triplet(positive, hardest(similarity, mask, 1)[:, 0], settings.margin).mean()
        return Loss(value, torch.full_like(value, torch.nan).detach(), count)
    if settings.negatives == "all":
        ap = quantized_ap(positive, similarity, settings.bins, mask).mean()
    elif settings.negatives == "random":
        ap = quantized_ap(positive, drawn(similarity, mask, settings.k, generator), settings.bins).mean()
    else:
        ap = quantized_ap(positive, hardest(similarity, mask, settings.k), settings.bins).mean()
    return Loss(1 - ap, ap.detach(), count)


def triplet(positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """Return max(0, margin + |a - p| - |a - n|) from the similarities (M each) of unit descriptors."""
    near, far = ((2 - 2 * similarity).clamp(min=_SHORTEST).sqrt() for similarity in (positive, negative))
    return (margin + near - far).clamp(min=0)


def quantized_ap(positive: Tensor, negatives: Tensor, bins: int, mask: Tensor | None = None) -> Tensor:
    """Return the quantised average precision of one positive among negatives.

    Args:
        positive: M similarities; those outside 0 to 1 count as the nearer end.
        negatives: M x K similarities.
        bins: centres of bins, spread evenly from 1 to 0.
        mask: M x K, the negatives that count; None: all.

    Returns:
        M values between 0 and 1.
    """
    found = _histogram(positive[:, None], bins, None)
    every = found + _histogram(negatives, bins, mask)
    # Before the first filled bin both sums are 0, and so is the recall that the precision is weighed with.
    precision = found.cumsum(dim=1) / every.cumsum(dim=1).clamp(min=torch.finfo(every.dtype).tiny)
    return (precision * found).sum(dim=1)


def _histogram(similarity: Tensor, bins: int, mask: Tensor | None) -> Tensor:
    """Share each similarity between the two bins whose centres it lies between; M x bins, most similar first."""
    place = (1 - similarity).clamp(0, 1) * (bins - 1)
    lower = place.detach().floor().clamp(max=bins - 2)
    upper_share = place - lower
    lower_share = 1 - upper_share
    if mask is not None:
        upper_share, lower_share = upper_share * mask, lower_share * mask
    index = lower.nan_to_num().long()  # a NaN stays one in the shares
    empty = similarity.new_zeros(len(similarity), bins)
    return empty.scatter_add(1, index, lower_share).scatter_add(1, index + 1, upper_share)
