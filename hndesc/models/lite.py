"""The small backbone for CPUs: a narrow feature pyramid on local contrast, down to 1/32, fused at stride 4.

Its input is the luminance, normalized by local mean and contrast, which removes most of the difference between day and
night or a color cast before anything is learned. The levels at strides 8 to 32 provide context at low cost, the
level at stride 4 provides the exact position. All strided convolutions have even kernels and all upsampling is by half
cells, so that the cell centers of all levels are aligned with the pixels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from hndesc.models.backbone import Backbone

_STEM = 12
WIDTHS = (32, 64, 96, 96)
FUSED = 64


class Lite(Backbone):
    """Convolutional pyramid with levels at strides 4, 8, 16 and 32, summed at stride 4: 1.9 GFLOP for 640 x 480."""

    name = "lite"
    dim = 64
    stride = 4
    period = 32
    reach = 158

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(unit(1, _STEM, kernel=4, stride=2), unit(_STEM, _STEM))
        inputs = (_STEM, *WIDTHS[:-1])
        self.levels = nn.ModuleList(
            nn.Sequential(unit(before, width, kernel=2, stride=2), unit(width, width))
            for before, width in zip(inputs, WIDTHS, strict=True)
        )
        self.laterals = nn.ModuleList(nn.Conv2d(width, FUSED, 1) for width in WIDTHS)
        self.head = nn.Sequential(
            nn.Conv2d(FUSED, FUSED, 3, padding=1, groups=FUSED, bias=False),
            nn.BatchNorm2d(FUSED),
            unit(FUSED, FUSED, kernel=1),
            nn.Conv2d(FUSED, self.dim, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the dense descriptors of a batch of normalized images."""
        rows, columns = (_ceil(size, self.stride) for size in images.shape[-2:])
        contrast = local_contrast(pad_to_multiple(to_luminance(images), self.period))
        return self.head(self.fuse(contrast))[..., :rows, :columns]

    def pyramid(self, contrast: Tensor) -> list[Tensor]:
        """Return the features of all levels, the finest first, from the local contrast (B x 1 x H x W)."""
        x = self.stem(contrast)
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features

    def fuse(self, contrast: Tensor) -> Tensor:
        """Return the sum of all levels at stride 4, from the local contrast (B x 1 x H x W)."""
        pyramid = self.pyramid(contrast)
        fused = self.laterals[-1](pyramid[-1])
        for lateral, features in zip(reversed(self.laterals[:-1]), reversed(pyramid[:-1]), strict=True):
            fused = lateral(features) + enlarge(fused, 2)
        return fused


def to_luminance(images: Tensor) -> Tensor:
    """Return the mean of the channels, B x 1 x H x W. torch's own mean is slow for channels that are last in memory."""
    first, *others = images.split(1, 1)
    for channel in others:
        first = first + channel
    return first / (1 + len(others))


def local_contrast(luminance: Tensor, cell: int = 8, window: int = 7, floor: float = 0.001) -> Tensor:
    """Subtract the local mean and divide by the local standard deviation.

    Args:
        luminance: B x 1 x H x W; H and W are multiples of `cell`.
        cell: side in pixels of the squares whose statistics are computed.
        window: odd side, in squares, of the neighborhood over which statistics are pooled.
        floor: added to the variance, so that noise in flat regions is not amplified.
    """
    moments = torch.cat([functional.avg_pool2d(values, cell) for values in (luminance, luminance.square())], 1)
    moments = functional.avg_pool2d(moments, window, 1, window // 2, count_include_pad=False)
    mean, square = moments.split(1, 1)
    gain = ((square - mean.square()).clamp_min(0) + floor).rsqrt()
    mean, gain = enlarge(torch.cat([mean, gain], 1), cell).split(1, 1)
    return (luminance - mean) * gain


def enlarge(x: Tensor, factor: int) -> Tensor:
    """Upsample a map such that the positions of its cell centers are preserved."""
    return functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until both sides are multiples of `multiple`; sizes may be symbolic."""
    for dim in (-2, -1):
        size = images.shape[dim]
        if isinstance(size, int) and size % multiple == 0:
            continue
        places = torch.arange(_ceil(size, multiple) * multiple, device=images.device).clamp(max=size - 1)
        images = images.index_select(dim, places)
    return images


def _ceil(size: int, divisor: int) -> int:
    # Not -(-size // divisor): ONNX rounds quotients towards 0.
    return (size + divisor - 1) // divisor


def unit(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Return a convolution with batch normalization and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - stride + 1) // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """A 3 x 3 unit and a 1 x 1 convolution, added to their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = unit(width, width)
        self.second = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum, of the same size."""
        return x + self.second(self.first(x))
