"""The small backbone on an image pyramid: what surrounds a keypoint, seen once more from afar."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from hndesc.models.backbone import Backbone
from hndesc.models.lite import FUSED, WIDTHS, Lite, enlarge, pad_to_multiple, unit

_OCTAVES = (1, 2, 4)
_DETAIL = 32


class LitePyramid(Backbone):
    """A deeper `Lite` of its own for the photo, for its half and for its quarter; their descriptors stand side by side.

    A change of scale that is foreign to one octave is familiar to the next, and their errors differ. Training best
    starts from a checkpoint of `lite`.
    """

    name = "lite_pyramid"
    dim = len(_OCTAVES) * Lite.dim
    stride = Lite.stride
    period = _OCTAVES[-1] * Lite.period
    # A tower's, in the last octave's pixels; enlarging takes part of the next cell, too.
    reach = _OCTAVES[-1] * 186 + 14

    def __init__(self) -> None:
        super().__init__()
        self.towers = nn.ModuleList(_Tower() for _ in _OCTAVES)

    def forward(self, images: Tensor) -> Tensor:
        """Return the dense descriptors of a batch of normalised photos."""
        rows, columns = ((size + self.stride - 1) // self.stride for size in images.shape[-2:])
        images = pad_to_multiple(images, Lite.period)
        maps = [self._octave(*one, images) for one in zip(self.towers, _OCTAVES, strict=True)]
        return torch.cat(maps, 1)[..., :rows, :columns]

    @staticmethod
    def _octave(tower: nn.Module, factor: int, images: Tensor) -> Tensor:
        if factor == 1:
            return functional.normalize(tower(images))
        return enlarge(functional.normalize(tower(functional.avg_pool2d(images, factor))), factor)

    def adapt(self, architecture: str, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor] | None:
        """Give each octave the weights of a `lite`, whose descriptors it then has at first."""
        if architecture != Lite.name:
            return None
        adapted: dict[str, Tensor] = {}
        for number, tower in enumerate(self.towers):
            whole = dict(weights) | tower.silent()
            adapted |= {f"towers.{number}.{name}": values for name, values in whole.items()}
        return adapted


class _Tower(Lite):
    """A `Lite` with deeper levels, details of its own at stride 4, and a deeper head."""

    def __init__(self) -> None:
        super().__init__()
        for level, width in zip(self.levels[:-1], WIDTHS[:-1], strict=True):
            level.append(_Residual(width))
        self.detail = nn.Sequential(
            unit(1, _DETAIL, kernel=4, stride=2),
            unit(_DETAIL, FUSED, kernel=4, stride=2),
            _Residual(FUSED),
            _Residual(FUSED),
            nn.Conv2d(FUSED, FUSED, 1),
        )
        self.mix = nn.Sequential(nn.BatchNorm2d(FUSED), unit(FUSED, FUSED), nn.Conv2d(FUSED, FUSED, 1))

    def silent(self) -> dict[str, Tensor]:
        """Return the weights that a `Lite` lacks, 0 where they would change its map."""
        residuals = (name for name, module in self.named_modules() if isinstance(module, _Residual))
        last = ("detail.4.", "mix.2.", *(f"{name}.second." for name in residuals))
        known = Lite().state_dict()
        added = {name: values for name, values in self.state_dict().items() if name not in known}
        return {name: values * (not name.startswith(last)) for name, values in added.items()}

    def fuse(self, contrast: Tensor) -> Tensor:
        """Return the sum of all levels and details at stride 4, from the local contrast (B x 1 x H x W)."""
        fused = super().fuse(contrast) + self.detail(contrast)
        return fused + self.mix(fused)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = unit(width, width)
        self.second = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x))
