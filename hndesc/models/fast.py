"""A backbone at a third of the operations of `lite_pyramid`: few at fine strides, more at coarse ones.

The image is reduced to stride 4 by two strided convolutions. Almost all layers work at strides 8 to 32, where a
residual block of 64 channels takes less time than one of 32 at stride 4.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from hndesc.models.lite import FUSED, Lite, Residual, enlarge, to_luminance, unit
from hndesc.models.pyramid import OCTAVES, Pyramid

_WIDTHS = (32, 64, 96, 128)


class Fast(Lite):
    """Levels at strides 4 to 32 on local contrast, summed from the coarsest to the finest."""

    name = "fast"
    reach = 190

    def __init__(self) -> None:
        super().__init__()
        self.stem = unit(1, 16, kernel=4, stride=2)
        self.levels = nn.ModuleList(
            [
                nn.Sequential(unit(16, 32, kernel=4, stride=2), unit(32, 32)),
                nn.Sequential(unit(32, 64, kernel=2, stride=2), Residual(64), Residual(64)),
                nn.Sequential(unit(64, 96, kernel=2, stride=2), Residual(96), Residual(96)),
                nn.Sequential(unit(96, 128, kernel=2, stride=2), Residual(128)),
            ]
        )
        self.laterals = nn.ModuleList(nn.Conv2d(width, FUSED, 1) for width in _WIDTHS)
        self.mix = Residual(FUSED)

    def fuse(self, contrast: Tensor) -> Tensor:
        """Return the sum of all levels at stride 4, from the local contrast (B x 1 x H x W)."""
        levels = zip(self.laterals, self.pyramid(contrast), strict=True)
        detail, *context = (lateral(features) for lateral, features in levels)
        fused = context.pop()
        for features in reversed(context):
            fused = features + enlarge(fused, 2)
        return detail + enlarge(self.mix(fused), 2)


class FastPyramid(Pyramid):
    """One `Fast` per octave; training should start from a checkpoint of `fast`."""

    name = "fast_pyramid"
    dim = len(OCTAVES) * Fast.dim
    stride = Fast.stride
    period = OCTAVES[-1] * Fast.period
    reach = OCTAVES[-1] * Fast.reach + 14
    multiple = Fast.period

    def __init__(self) -> None:
        super().__init__(Fast)

    def forward(self, images: Tensor) -> Tensor:
        """Return the dense descriptors of a batch of normalized images."""
        return super().forward(to_luminance(images))

    def adapt(self, architecture: str, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor] | None:
        """Initialize each octave with the weights of a `fast`."""
        return self.repeat(dict(weights)) if architecture == Fast.name else None
