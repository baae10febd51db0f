"""Negatives of an anchor and the similarities of the hardest ones.

Candidates are the keypoints of the positive crops and of the crops of globally similar photos. The kinds of negatives
are

- `in_pair`: the other keypoints of the positive crop of the anchor's pair;
- `in_batch`: the keypoints of the positive crops of other photos;
- `all`: both of these;
- `random`: k drawn from those of `in_batch`;
- `in_batch_global`: those of `in_batch` and the keypoints of the crops of similar photos.

Other crops of the anchor's photo give no negatives, since they may show the same point.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hndesc.errors import HndescError

# Photo and pair index of a candidate that belongs to no photo or pair of the batch.
NONE = -1


@dataclass(frozen=True)
class Candidates:
    """Descriptors that an anchor is compared with.

    Attributes:
        descriptors: C x D, unit length.
        pair: C, index of the pair; `NONE` for keypoints of similar photos.
        photo: C, index of the photo.
        row: C, index of the anchor whose positive the candidate is; `NONE` for keypoints of similar photos.
    """

    descriptors: Tensor
    pair: Tensor
    photo: Tensor
    row: Tensor

    def extended(self, descriptors: Tensor, photo: Tensor) -> "Candidates":
        """Append the keypoints of similar photos: descriptors (H x D) and photo indices (H)."""
        none = torch.full_like(photo, NONE)
        return Candidates(
            torch.cat([self.descriptors, descriptors]),
            torch.cat([self.pair, none]),
            torch.cat([self.photo, photo]),
            torch.cat([self.row, none]),
        )


def allowed(kind: str, candidates: Candidates, pair: Tensor, photo: Tensor, row: Tensor) -> Tensor:
    """Return the M x C mask of the candidates that are negatives of each of M anchors.

    Args:
        kind: kind of negatives, see the module.
        candidates: C candidates.
        pair, photo, row: indices of the anchors, M each.
    """
    elsewhere = candidates.photo[None] != photo[:, None]
    beside = (candidates.pair[None] == pair[:, None]) & (candidates.row[None] != row[:, None])
    positive = (candidates.row != NONE)[None]
    masks = {
        "in_pair": lambda: beside,
        "in_batch": lambda: elsewhere & positive,
        "all": lambda: (elsewhere & positive) | beside,
        "random": lambda: elsewhere & positive,
        "in_batch_global": lambda: elsewhere,
    }
    if kind not in masks:
        raise HndescError(f"unknown kind of negatives '{kind}'; choose one of: {', '.join(masks)}")
    return masks[kind]()


def hardest(similarity: Tensor, mask: Tensor, k: int) -> Tensor:
    """Return the k largest similarities of each row, M x k, descending; if there are fewer, the last is repeated.

    Args:
        similarity: M x C.
        mask: M x C, True for the entries that count; at least one in every row.
        k: number of similarities per row.
    """
    largest = similarity.masked_fill(~mask, -torch.inf).topk(min(k, similarity.shape[1]), dim=1).values
    return _repeat_last(largest, mask, k)


def drawn(similarity: Tensor, mask: Tensor, k: int, chance: Tensor) -> Tensor:
    """Return k similarities of each row, M x k, drawn without replacement; if there are fewer, one is repeated.

    Args:
        similarity: M x C.
        mask: M x C, True for the entries that count; at least one in every row.
        k: number of similarities per row.
        chance: M x C random numbers in [0, 1); the entries with the largest numbers are drawn.
    """
    chosen = chance.masked_fill(~mask, -1.0).topk(min(k, similarity.shape[1]), dim=1).indices
    return _repeat_last(similarity.gather(1, chosen), mask, k)


def _repeat_last(values: Tensor, mask: Tensor, k: int) -> Tensor:
    last = mask.sum(dim=1, keepdim=True).clamp(max=k) - 1
    columns = torch.arange(k, device=values.device).expand(len(values), k)
    return values.gather(1, torch.minimum(columns, last))
