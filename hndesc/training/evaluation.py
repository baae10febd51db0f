"""Descriptors, loss and matching accuracy of a batch, for training and validation."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from hndesc.errors import HndescError
from hndesc.models.sampling import normalize_images, sample_descriptors
from hndesc.training.data import Batch
from hndesc.training.distributed import ProcessGroup
from hndesc.training.losses import SINGLE_PROCESS, Anchors, Loss, Unmatched, descriptor_loss
from hndesc.training.ring import ring_offsets, sample_rings
from hndesc.training.settings import LossSettings

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def describe(
    model: nn.Module,
    batch: Batch,
    device: torch.device,
    precision: str = "float32",
    offsets: Tensor | None = None,
) -> tuple[Anchors, tuple[Tensor, Tensor] | None]:
    """Run the crops of a batch through a network and sample descriptors at their keypoints.

    Args:
        model: network.
        batch: crops and keypoints.
        device: device of the network.
        precision: "float32" or "bfloat16".
        offsets: 2B x N x R x 2, further sampling positions around the keypoints (`ring_offsets`), or None.

    Returns:
        The anchors, and the descriptors (H x D) and photo indices (H) of the keypoints of similar photos, or None.
    """
    images = normalize_images(batch.images.to(device, non_blocking=True))
    points, counts = (values.to(device, non_blocking=True) for values in (batch.points, batch.counts))
    with torch.autocast(device.type, _DTYPES[precision], enabled=precision != "float32"):
        dense = model(images)
    sampled = sample_descriptors(dense, points, tuple(images.shape[-2:]))
    valid = _valid(points, counts)
    pairs = len(batch.photos)
    photos = batch.photos.to(device)
    place, _ = valid[:pairs].nonzero(as_tuple=True)
    first, second = sampled[:pairs][valid[:pairs]], sampled[pairs : 2 * pairs][valid[:pairs]]
    both = slice(2 * pairs)
    rings = None if offsets is None else sample_rings(dense[both], points[both], offsets, valid[both], images.shape[-1])
    anchors = Anchors(
        first, second, batch.first + place, photos[place], _unmatched_descriptors(dense, batch, photos), rings
    )
    if len(batch.similar) == 0:
        return anchors, None
    rest = valid[2 * pairs :]
    owner, _ = rest.nonzero(as_tuple=True)
    return anchors, (sampled[2 * pairs :][rest], batch.similar.to(device)[owner])


def _valid(points: Tensor, counts: Tensor) -> Tensor:
    """Return the C x N mask of the points that are not padding."""
    return torch.arange(points.shape[1], device=points.device)[None] < counts[:, None]


def _unmatched_descriptors(dense: Tensor, batch: Batch, photos: Tensor) -> tuple[Unmatched, Unmatched] | None:
    """Sample the descriptors of the keypoints visible in only one crop of a pair."""
    if batch.unmatched is None or batch.unmatched_counts is None:
        return None
    points, counts = batch.unmatched.to(dense.device), batch.unmatched_counts.to(dense.device)
    sampled = sample_descriptors(dense[: len(points)], points, tuple(batch.images.shape[1:3]))
    unmatched = []
    for part, valid in zip(sampled.chunk(2), _valid(points, counts).chunk(2), strict=True):
        place, _ = valid.nonzero(as_tuple=True)
        unmatched.append(Unmatched(part[valid], batch.first + place, photos[place]))
    return unmatched[0], unmatched[1]


def batch_loss(
    model: nn.Module,
    batch: Batch,
    settings: LossSettings,
    device: torch.device,
    precision: str,
    seed: int,
    group: ProcessGroup = SINGLE_PROCESS,
) -> Loss:
    """Return the loss of a batch, or of the share of this process; `seed` selects the `random` and `ring` negatives."""
    return _describe_and_compare(model, batch, settings, device, precision, seed, group)[1]


def _describe_and_compare(
    model: nn.Module,
    batch: Batch,
    settings: LossSettings,
    device: torch.device,
    precision: str,
    seed: int,
    group: ProcessGroup = SINGLE_PROCESS,
) -> tuple[Anchors, Loss]:
    generator = torch.Generator().manual_seed(seed)
    offsets = ring_offsets(settings.ring, batch, group.size, generator)
    anchors, similar = describe(model, batch, device, precision, offsets)
    return anchors, descriptor_loss(anchors, settings, similar, generator, group)


def matching_accuracy(anchors: Anchors) -> tuple[int, int]:
    """Return the number of keypoints whose nearest neighbor in the second crop is correct, and of all keypoints."""
    if len(anchors.pair) == 0:
        return 0, 0
    similarity = anchors.anchor @ anchors.positive.T
    similarity = similarity.masked_fill(anchors.pair[None] != anchors.pair[:, None], -torch.inf)
    own = torch.arange(len(anchors.pair), device=anchors.pair.device)
    return int((similarity.argmax(dim=1) == own).sum()), len(anchors.pair)


@torch.no_grad()
def validate(
    model: nn.Module, batches: Iterable[Batch], settings: LossSettings, device: torch.device, precision: str, seed: int
) -> dict[str, float]:
    """Evaluate a network on fixed batches: mean loss and share of correct nearest neighbors over all keypoints."""
    model.eval()
    total = count = right = compared = 0.0
    for number, batch in enumerate(batches):
        anchors, loss = _describe_and_compare(model, batch, settings, device, precision, seed + number)
        hits, keypoints = matching_accuracy(anchors)
        total, count = total + loss.mean * loss.count, count + loss.count
        right, compared = right + hits, compared + keypoints
    model.train()
    if count == 0:
        raise HndescError(
            "no keypoint of the validation pairs has a negative; raise validation.share or use more photos"
        )
    return {"validation_loss": total / count, "accuracy": right / compared}
