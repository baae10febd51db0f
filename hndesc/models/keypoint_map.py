"""Keypoints of maps of logits: local maxima, and their positions by the softmax over the pixels around them."""

import torch
from torch import Tensor
from torch.nn import functional

# Half the side of the window whose softmax is the position of a keypoint.
REFINED = 2


def local_maxima(logits: Tensor, radius: int, border: int) -> Tensor:
    """Return the pixels that no other one in a square window exceeds.

    Args:
        logits: B x H x W.
        radius: half the side of the window, which has 2 * radius + 1 pixels.
        border: pixels along the edges that are no maxima.

    Returns:
        B x H x W bool.
    """
    side = 2 * radius + 1
    # By rows, then by columns: 17 times as fast as max_pool2d.
    rows = functional.max_pool1d(logits, side, 1, radius)
    highest = functional.max_pool1d(rows.mT.contiguous(), side, 1, radius).mT
    return (logits == highest) & inner(logits, border)


def inner(logits: Tensor, border: int) -> Tensor:
    """Return the mask, H x W, of the pixels of a map (B x H x W) that are at least `border` pixels from its edges."""
    height, width = logits.shape[-2:]
    rows = torch.arange(height, device=logits.device)[:, None]
    columns = torch.arange(width, device=logits.device)
    return (torch.minimum(rows, height - 1 - rows) >= border) & (torch.minimum(columns, width - 1 - columns) >= border)


def window_offsets(radius: int, device: torch.device) -> Tensor:
    """Return the (x, y) offsets of the pixels of a square window from its center, (2 * radius + 1)^2 x 2, by rows."""
    line = torch.arange(-radius, radius + 1, device=device)
    return torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1).flatten(0, 1)


def windows(logits: Tensor, centers: Tensor, radius: int) -> Tensor:
    """Return the logits around pixels; beyond the edge of the map, those of the nearest pixel.

    Args:
        logits: B x H x W.
        centers: B x K x 2 int64, (x, y).
        radius: half the side of the window.

    Returns:
        B x K x (2 * radius + 1)^2, by rows.
    """
    height, width = logits.shape[-2:]
    places = centers[:, :, None] + window_offsets(radius, logits.device)
    columns, rows = places[..., 0].clamp(0, width - 1), places[..., 1].clamp(0, height - 1)
    return logits.flatten(1).gather(1, (rows * width + columns).flatten(1)).view(columns.shape)


def refine(logits: Tensor, centers: Tensor, radius: int = REFINED) -> Tensor:
    """Return the mean positions of keypoints by the softmax of the logits around their pixels.

    Args:
        logits: B x H x W.
        centers: B x K x 2 int64, (x, y), at least `radius` pixels from the edges.
        radius: half the side of the window.

    Returns:
        B x K x 2, (x, y) in pixels.
    """
    shares = windows(logits, centers, radius).softmax(dim=-1)
    return centers + shares @ window_offsets(radius, logits.device).to(shares.dtype)
