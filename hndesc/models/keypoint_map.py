"""Keypoints of maps of logits: local maxima, and their positions by the softmax over the pixels around them."""

import torch
from torch import Tensor
from torch.nn import functional

from hndesc.models.lite import pad_to_multiple

# Half the side of the window whose softmax is the position of a keypoint.
REFINED = 2
# Side in pixels of the squares in which an image is searched for texture, and the least range of gray that is one.
_PATCH = 8
_LEAST_RANGE = 0.5 / 255


def local_maxima(logits: Tensor, radius: int, border: int) -> Tensor:
    """Return the pixels that no other one in a square window exceeds.

    Args:
        logits: B x H x W.
        radius: half the side of the window, which has 2 * radius + 1 pixels.
        border: pixels along the edges that are no maxima.

    Returns:
        B x H x W bool.
    """
    height, width = logits.shape[-2:]
    if radius > border:
        highest = functional.pad(logits, (radius - border,) * 4, value=-torch.inf)
    else:
        highest = _without_border(logits, border - radius)
    for dim in (-2, -1):
        highest = _running_maximum(highest.transpose(dim, -1), 2 * radius + 1).transpose(dim, -1)
    found = _without_border(logits, border) == highest
    return functional.pad(found, (border,) * 4)[:, :height, :width]


def _without_border(x: Tensor, border: int) -> Tensor:
    height, width = x.shape[-2:]
    return x[..., border : height - border, border : width - border]


def _running_maximum(x: Tensor, length: int) -> Tensor:
    """Return the maxima of all segments of the last dimension, faster than pooling."""
    have = 1
    while have < length:
        step = min(have, length - have)
        x, have = torch.maximum(x[..., :-step], x[..., step:]), have + step
    return x


def keypoint_pixels(logits: Tensor, luminance: Tensor, radius: int, border: int) -> tuple[Tensor, Tensor]:
    """Return the local maxima of the map of an image, without those in surroundings of uniform gray.

    There, the map repeats the same cell, each of which has a maximum.

    Args:
        logits: H x W.
        luminance: H x W, of the image, from 0 to 1.
        radius: see `local_maxima`.
        border: see `local_maxima`.

    Returns:
        Rows and columns, K each.
    """
    rows, columns = local_maxima(logits[None], radius, border)[0].nonzero().unbind(dim=1)
    kept = _varied(luminance)[rows // _PATCH, columns // _PATCH]
    return rows[kept], columns[kept]


def _varied(luminance: Tensor) -> Tensor:
    """Return the squares of 8 x 8 pixels (H/8 x W/8, rounded up) whose 3 x 3 neighborhood varies in gray."""
    low = high = pad_to_multiple(luminance, _PATCH)
    for dim in (0, 1):
        low = low.unflatten(dim, (-1, _PATCH)).amin(dim + 1)
        high = high.unflatten(dim, (-1, _PATCH)).amax(dim + 1)
    return functional.max_pool2d(torch.stack([high, -low])[None], 3, 1, 1)[0].sum(dim=0) > _LEAST_RANGE


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
    line = torch.arange(-radius, radius + 1, device=logits.device)
    columns = (centers[..., :1] + line).clamp(0, width - 1)
    rows = (centers[..., 1:] + line).clamp(0, height - 1)
    places = (rows * width)[..., None] + columns[:, :, None]
    # The size is named, since ONNX cannot infer it without centers.
    return logits.flatten(1).gather(1, places.flatten(1)).view(*centers.shape[:2], len(line) ** 2)


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
