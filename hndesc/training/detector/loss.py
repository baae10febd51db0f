"""The loss of the detector, from the maps of logits of two crops of a photo and the homography between them.

It has three terms, and no labels but the homography:

- Agreement: in each small window, the softmaxes of both maps have their mass at the same pixels. A constant map agrees
  by chance, so maps become peaky, where peaks can be found again. It is dense, so that random weights learn from it.
  R2D2 (Revaud et al., NeurIPS 2019) uses a cosine similarity and a term for peaks instead.
- Ranking: a local maximum is found again if the other map has one at the same place. The binary cross-entropy with this
  label makes the logit that of the probability of being found again, by which keypoints are ranked.
- Position: the cross-entropy with the position of each local maximum of the other map makes the softmax over the pixels
  around a keypoint the distribution of its position, whose mean is its subpixel position
  (`hndesc.models.keypoint_map`).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from hndesc.models.keypoint_map import inner, local_maxima, refine, windows
from hndesc.training.detector.settings import DetectorLossSettings

_SMALLEST = 1e-18
_LEAST_AGREEMENT = 1e-6


class Peaks(NamedTuple):
    """Local maxima of B maps, K each.

    Attributes:
        pixels: B x K x 2 int64, (x, y).
        points: B x K x 2, refined positions in pixels.
        logits: B x K.
        valid: B x K bool; False for padding.
    """

    pixels: Tensor
    points: Tensor
    logits: Tensor
    valid: Tensor


class DetectorLoss(NamedTuple):
    """The terms of the loss, and how many keypoints are found again.

    Attributes:
        ranking: mean cross-entropy of being found again.
        agreement: mean negative logarithm of the agreement of windows.
        position: mean cross-entropy of the position.
        found: share of the local maxima visible in the other crop that are found again.
    """

    ranking: Tensor
    agreement: Tensor
    position: Tensor
    found: Tensor


def detector_loss(logits: Tensor, homographies: Tensor, settings: DetectorLossSettings) -> DetectorLoss:
    """Return the loss of a batch of pairs, the mean over both directions.

    Args:
        logits: 2B x H x W, first crops, then second crops.
        homographies: B x 3 x 3, from pixels of the first crops to those of the second.
        settings: distances and numbers.
    """
    first, second = logits.chunk(2)
    forward = homographies.to(logits.dtype)
    peaks = find_peaks(first, settings), find_peaks(second, settings)
    terms = [
        _one_way(*maps, *both, matrix, settings)
        for maps, both, matrix in (
            ((first, second), peaks, forward),
            ((second, first), peaks[::-1], torch.linalg.inv(forward)),
        )
    ]
    return DetectorLoss(*(torch.stack(values).mean() for values in zip(*terms, strict=True)))


def find_peaks(logits: Tensor, settings: DetectorLossSettings) -> Peaks:
    """Return the highest local maxima of each map, B x H x W."""
    maxima = local_maxima(logits.detach(), settings.radius, settings.border).flatten(1)
    ranked = logits.detach().flatten(1).masked_fill(~maxima, -torch.inf)
    found, places = ranked.topk(min(settings.peaks, ranked.shape[1]), dim=1)
    width = logits.shape[-1]
    pixels = torch.stack([places % width, places // width], dim=-1)
    values = logits.flatten(1).gather(1, places)
    return Peaks(pixels, refine(logits.detach(), pixels), values, found.isfinite())


def _one_way(
    own: Tensor, other: Tensor, peaks: Peaks, others: Peaks, matrix: Tensor, settings: DetectorLossSettings
) -> tuple[Tensor, ...]:
    """Return the terms of one direction: the own peaks are ranked, and the other map learns their positions.

    Args:
        own, other: B x H x W, logits of the own and of the other crops.
        peaks, others: their local maxima.
        matrix: B x 3 x 3, from pixels of the own crops to those of the others.
        settings: distances and numbers.
    """
    places, shown = project(peaks.points, matrix, tuple(other.shape[-2:]), settings.border)
    shown = shown & peaks.valid
    distances = torch.cdist(places, others.points).masked_fill(~others.valid[:, None], torch.inf)
    label = (distances.amin(dim=2) <= settings.distance).to(other.dtype)
    ranking = functional.binary_cross_entropy_with_logits(peaks.logits, label, reduction="none")
    weight = shown * peaks.logits.detach().sigmoid()
    position = position_entropy(other, places, settings.window)
    count = shown.sum().clamp(min=1)
    return (
        (ranking * shown).sum() / count,
        -agreement(own, other, matrix, settings),
        (position * weight).sum() / weight.sum().clamp(min=_SMALLEST),
        (label * shown).sum() / count,
    )


def agreement(own: Tensor, other: Tensor, matrix: Tensor, settings: DetectorLossSettings) -> Tensor:
    """Return the mean logarithm of the agreement of positions drawn by two maps in each window that both crops show.

    A position is drawn by the blurred softmax of each map over the pixels of the window. Their agreement is the
    probability that they are the same, divided by that for constant maps.

    Args:
        own, other: B x H x W, logits of the own and of the other crops.
        matrix: B x 3 x 3, from pixels of the own crops to those of the others.
        settings: size of the windows, and border.
    """
    height, width = own.shape[-2:]
    columns, rows = (torch.arange(side, dtype=own.dtype, device=own.device) for side in (width, height))
    pixels = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1).reshape(1, -1, 2)
    places, shown = project(pixels, matrix, (height, width), settings.border)
    grid = ((2 * places + 1) / places.new_tensor([width, height]) - 1).view(-1, height, width, 2)
    warped = functional.grid_sample(other[:, None], grid, align_corners=False, padding_mode="border")
    mask = (shown.view_as(own) & inner(own, settings.border))[:, None].to(own.dtype)
    one, two = (
        _blurred((values - values.amax(dim=(2, 3), keepdim=True)).exp(), settings.blur) * mask
        for values in (own[:, None], warped)
    )
    side = 2 * settings.window + 1
    means = functional.avg_pool2d(torch.cat([one, two, one * two, mask], dim=1), side, stride=2)
    ratio = means[:, 2] / (means[:, 0] * means[:, 1]).clamp(min=_SMALLEST)
    whole = means[:, 3] > 1 - 0.5 / side**2
    return (ratio.clamp(min=_LEAST_AGREEMENT).log() * whole).sum() / whole.sum().clamp(min=1)


def _blurred(values: Tensor, radius: int) -> Tensor:
    return functional.avg_pool2d(values, 2 * radius + 1, 1, radius)


def project(points: Tensor, matrix: Tensor, size: tuple[int, int], border: int) -> tuple[Tensor, Tensor]:
    """Map points into the other crop.

    Args:
        points: B x K x 2, pixels.
        matrix: B x 3 x 3.
        size: (height, width) of the other crop.
        border: pixels along its edges that do not count as visible.

    Returns:
        B x K x 2 pixels of the other crop, 0 for points that it does not show; and B x K bool, whether it does.
    """
    mapped = functional.pad(points, (0, 1), value=1.0) @ matrix.mT
    places = mapped[..., :2] / mapped[..., 2:]
    limit = places.new_tensor(size[::-1]) - 1 - border
    shown = ((places >= border) & (places <= limit) & (mapped[..., 2:] > 0)).all(dim=-1)
    return places.where(shown[..., None], 0.0), shown


def position_entropy(logits: Tensor, places: Tensor, radius: int) -> Tensor:
    """Return the cross-entropy of positions under the softmax of the logits in a window around each.

    The label of a position between pixels is divided among the four nearest bilinearly.

    Args:
        logits: B x H x W.
        places: B x K x 2, (x, y) in pixels.
        radius: half the side of the window in pixels.

    Returns:
        B x K.
    """
    corner = places.floor()
    u, v = (places - corner).unbind(dim=-1)
    shares = windows(logits, corner.long(), radius).log_softmax(dim=-1)
    side = 2 * radius + 1
    center = radius * side + radius
    upper = (1 - u) * shares[..., center] + u * shares[..., center + 1]
    lower = (1 - u) * shares[..., center + side] + u * shares[..., center + side + 1]
    return -((1 - v) * upper + v * lower)
