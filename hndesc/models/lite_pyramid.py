"""A deeper variant of the small backbone on an image pyramid."""

from collections.abc import Mapping

from torch import Tensor, nn

from hndesc.models.lite import FUSED, WIDTHS, Lite, Residual, to_luminance, unit
from hndesc.models.pyramid import OCTAVES, Pyramid

_DETAIL = 32


class LitePyramid(Pyramid):
    """One deeper `Lite` per octave; training should start from a checkpoint of `lite`."""

    name = "lite_pyramid"
    dim = len(OCTAVES) * Lite.dim
    stride = Lite.stride
    period = OCTAVES[-1] * Lite.period
    # That of a tower in pixels of the last octave, plus the next cell, which contributes to upsampling.
    reach = OCTAVES[-1] * 186 + 14
    multiple = Lite.period

    def __init__(self) -> None:
        super().__init__(_Tower)

    def forward(self, images: Tensor) -> Tensor:
        """Return the dense descriptors of a batch of normalized images."""
        return super().forward(to_luminance(images))

    def adapt(self, architecture: str, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor] | None:
        """Initialize each octave with the weights of a `lite`, so that it initially yields the same descriptors."""
        if architecture != Lite.name:
            return None
        return self.repeat(dict(weights) | self.towers[0].silent())


class _Tower(Lite):
    """A `Lite` with deeper levels, a separate detail branch at stride 4, and a deeper head."""

    def __init__(self) -> None:
        super().__init__()
        for level, width in zip(self.levels[:-1], WIDTHS[:-1], strict=True):
            level.append(Residual(width))
        self.detail = nn.Sequential(
            unit(1, _DETAIL, kernel=4, stride=2),
            unit(_DETAIL, FUSED, kernel=4, stride=2),
            Residual(FUSED),
            Residual(FUSED),
            nn.Conv2d(FUSED, FUSED, 1),
        )
        self.mix = nn.Sequential(nn.BatchNorm2d(FUSED), unit(FUSED, FUSED), nn.Conv2d(FUSED, FUSED, 1))

    def silent(self) -> dict[str, Tensor]:
        """Return the weights missing in a `Lite`, set to 0 where they would change its map."""
        residuals = (name for name, module in self.named_modules() if isinstance(module, Residual))
        last = ("detail.4.", "mix.2.", *(f"{name}.second." for name in residuals))
        known = Lite().state_dict()
        added = {name: values for name, values in self.state_dict().items() if name not in known}
        return {name: values * (not name.startswith(last)) for name, values in added.items()}

    def fuse(self, contrast: Tensor) -> Tensor:
        """Return the sum of all levels and details at stride 4, from the local contrast (B x 1 x H x W)."""
        fused = super().fuse(contrast) + self.detail(contrast)
        return fused + self.mix(fused)
