"""The small backbone on an image pyramid: what surrounds a keypoint, seen once more from afar."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from hndesc.models.backbone import Backbone
from hndesc.models.lite import Lite, enlarge, pad_to_multiple

_OCTAVES = (1, 2, 4)


class LitePyramid(Backbone):
    """A `Lite` of its own for the photo, for its half and for its quarter; their descriptors stand side by side.

    A change of scale that is foreign to one octave is familiar to the next, and their errors differ. Training best
    starts from a checkpoint of `lite`.
    """

    name = "lite_pyramid"
    dim = len(_OCTAVES) * Lite.dim
    stride = Lite.stride
    period = _OCTAVES[-1] * Lite.period
    # Enlarging takes part of the next cell, too.
    reach = _OCTAVES[-1] * Lite.reach + 14

    def __init__(self) -> None:
        super().__init__()
        self.towers = nn.ModuleList(Lite() for _ in _OCTAVES)

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
        """Give each octave the weights of a `lite`."""
        if architecture != Lite.name:
            return None
        return {f"towers.{tower}.{name}": values for tower in range(len(_OCTAVES)) for name, values in weights.items()}
