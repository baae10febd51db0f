"""Negatives at positions around a keypoint. They penalize near misses, which other keypoints rarely represent.

Their descriptors are sampled from the dense map of the keypoint's crop. Their distance from the keypoint is drawn
log-uniformly and their direction uniformly.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from hndesc.models.sampling import sample_descriptors
from hndesc.training.data import Batch
from hndesc.training.settings import RingSettings


class Ring(NamedTuple):
    """Positions around M keypoints.

    Attributes:
        descriptors: M x R x D, unit length.
        inside: M x R, whether the position lies in the crop; others give no negatives.
    """

    descriptors: Tensor
    inside: Tensor


def ring_offsets(settings: RingSettings, batch: Batch, processes: int, generator: torch.Generator) -> Tensor | None:
    """Draw positions around every point of the crops of a batch.

    Args:
        settings: their number and distances.
        batch: a batch, or the share of one process.
        processes: number of processes that share the batch; the positions do not depend on it.
        generator: CPU generator, in the same state in all processes.

    Returns:
        2B x N x R x 2, offsets from each point in pixels; None if the settings ask for none.
    """
    if settings.number == 0:
        return None
    pairs, most = len(batch.photos), batch.points.shape[1]
    shape = (2, pairs * processes, most, settings.number)
    least, span = math.log(settings.radius), math.log(settings.radius_max / settings.radius)
    distance = (least + span * torch.rand(shape, generator=generator)).exp()
    angle = 2 * math.pi * torch.rand(shape, generator=generator)
    offsets = distance[..., None] * torch.stack([angle.cos(), angle.sin()], dim=-1)
    return offsets[:, batch.first : batch.first + pairs].flatten(0, 1)


def sample_rings(dense: Tensor, points: Tensor, offsets: Tensor, valid: Tensor, size: int) -> tuple[Ring, Ring]:
    """Sample the dense maps of a batch around its keypoints.

    Args:
        dense: 2B x D x h x w, of the first and of the second crops.
        points: 2B x N x 2, pixels of the crops.
        offsets: 2B x N x R x 2.
        valid: 2B x N, True for points that are not padding.
        size: side of the crops in pixels.

    Returns:
        The rings of the first crops' keypoints and of the second crops'.
    """
    most = int(valid.sum(dim=1).max()) if len(valid) else 0  # valid points come first
    places = points[:, :most, None] + offsets[:, :most].to(points)
    inside = ((places >= 0) & (places <= size - 1)).all(dim=-1)
    sampled = sample_descriptors(dense, places.flatten(1, 2), (size, size)).unflatten(1, inside.shape[1:])
    rows = [part[:, :most] for part in valid.chunk(2)]
    one, other = (
        Ring(descriptors[keep], there[keep])
        for descriptors, there, keep in zip(sampled.chunk(2), inside.chunk(2), rows, strict=True)
    )
    return one, other
