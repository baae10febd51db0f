"""Which keypoints an anchor must not match, and how similar the hardest of them are.

Candidates are the keypoints of the positive crops, and of the crops of globally similar photos. By kind, an anchor's
negatives are

- `in_pair`: the other keypoints of its own pair's positive crop;
- `in_batch`: the keypoints of the positive crops of other photos;
- `all`: both of these;
- `random`: k drawn from those of `in_batch`;
- `in_batch_global`: those of `in_batch`, and the keypoints of the crops of similar photos.

Another crop of the anchor's own photo may show the very same point: it gives no negatives.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hndesc.errors import HndescError

# The photo and the pair of a candidate that belongs to none of the batch.
NONE = -1


@dataclass(frozen=True)
class Candidates:
    """Descriptors that an anchor is compared with.

    Attributes:
        descriptors: C x D, unit length.
        pair: C, index of the pair; `NONE` for keypoints of similar photos.
        photo: C, index of the photo.
        row: C, index of the keypoint that the candidate is the positive of; `NONE` for keypoints of similar photos.
    """

    descriptors: Tensor
    pair: Tensor
    photo: Tensor
    row: Tensor

    def extended(self, descriptors: Tensor, photo: Tensor) -> "Candidates":
        """Return the candidates with the keypoints of similar photos behind them (H x D, H)."""
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
        kind: see the module.
        candidates: C candidates.
        pair, photo, row: M each, of the anchors.
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
    """Return the k largest similarities of each row, M x k, falling; where there are fewer, the last is repeated.

    Args:
        similarity: M x C.
        mask: M x C, the entries that count; every row must have at least one.
        k: number a row.
    """
    largest = similarity.masked_fill(~mask, -torch.inf).topk(min(k, similarity.shape[1]), dim=1).values
    return _repeat_last(largest, mask, k)


def drawn(similarity: Tensor, mask: Tensor, k: int, chance: Tensor) -> Tensor:
    """Return k similarities of each row, M x k, drawn without replacement; where there are fewer, one is repeated.

    Args:
        similarity: M x C.
        mask: M x C, the entries that count; every row must have at least one.
        k: number a row.
        chance: M x C numbers between 0 and 1; the entries with the largest are taken.
    """
    chosen = chance.masked_fill(~mask, -1.0).topk(min(k, similarity.shape[1]), dim=1).indices
    return _repeat_last(similarity.gather(1, chosen), mask, k)


def _repeat_last(values: Tensor, mask: Tensor, k: int) -> Tensor:
    last = mask.sum(dim=1, keepdim=True).clamp(max=k) - 1
    columns = torch.arange(k, device=values.device).expand(len(values), k)
    return values.gather(1, torch.minimum(columns, last))
