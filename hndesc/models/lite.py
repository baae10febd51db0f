"""The small backbone for CPUs: a narrow pyramid down to 1/32, fused at stride 4.

Every stride is a 2 x 2 kernel without padding, or the like, so that all levels share the centres of their cells.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from hndesc.models.backbone import Backbone


class Lite(Backbone):
    """Convolutional pyramid with levels at strides 4, 8, 16 and 32, summed at stride 4."""

    name = "lite"
    dim = 64
    stride = 4
    period = 32
    reach = 320

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_unit(3, 12, kernel=4, stride=2), _unit(12, 12))
        self.levels = nn.ModuleList(
            [
                nn.Sequential(_unit(12, 32, kernel=2, stride=2), _unit(32, 32)),
                nn.Sequential(_unit(32, 64, kernel=2, stride=2), _unit(64, 64)),
                nn.Sequential(_unit(64, 96, kernel=2, stride=2), _unit(96, 96)),
                nn.Sequential(_unit(96, 96, kernel=2, stride=2), _unit(96, 96)),
            ]
        )
        self.laterals = nn.ModuleList([nn.Conv2d(width, 64, 1) for width in (32, 64, 96, 96)])
        self.head = nn.Sequential(
            nn.Conv2d(64, 64, 3, padding=1, groups=64, bias=False), _unit(64, 64, kernel=1), nn.Conv2d(64, self.dim, 1)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the dense descriptors of a batch of normalised photos."""
        rows, columns = (-(-size // self.stride) for size in images.shape[-2:])
        x = self.stem(pad_to_multiple(images, self.period))
        pyramid = []
        for level in self.levels:
            x = level(x)
            pyramid.append(x)
        fused = self.laterals[-1](pyramid[-1])
        for lateral, features in zip(reversed(self.laterals[:-1]), reversed(pyramid[:-1]), strict=True):
            fused = lateral(features) + functional.interpolate(
                fused, scale_factor=2, mode="bilinear", align_corners=False
            )
        return self.head(fused)[..., :rows, :columns]


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column of B x C x H x W images until H and W are multiples of `multiple`."""
    bottom, right = (-size % multiple for size in images.shape[-2:])
    if not (bottom or right):
        return images
    padded = functional.pad(images, (0, right, 0, bottom), mode="replicate")
    return padded.contiguous(memory_format=torch.channels_last)


def _unit(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - stride + 1) // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
