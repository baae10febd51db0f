"""Backbones on an image pyramid: what surrounds a keypoint, seen once more from afar."""

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from hndesc.models.backbone import Backbone
from hndesc.models.lite import enlarge, pad_to_multiple

OCTAVES = (1, 2, 4)


class Pyramid(Backbone):
    """A tower for the photo, one for its half and one for its quarter; their descriptors stand side by side.

    A change of scale that is foreign to one octave is familiar to the next, and their errors differ.

    Args:
        tower: makes a backbone of this one's stride.

    Attributes:
        multiple: photos are padded until their sides are multiples of this, in pixels.
    """

    multiple: ClassVar[int]

    def __init__(self, tower: Callable[[], Backbone]) -> None:
        super().__init__()
        self.towers = nn.ModuleList(tower() for _ in OCTAVES)

    def forward(self, images: Tensor) -> Tensor:
        """Return the dense descriptors of a batch of normalized photos."""
        rows, columns = ((size + self.stride - 1) // self.stride for size in images.shape[-2:])
        images = pad_to_multiple(images, self.multiple)
        maps = [self._octave(*one, images) for one in zip(self.towers, OCTAVES, strict=True)]
        return torch.cat(maps, 1)[..., :rows, :columns]

    @staticmethod
    def _octave(tower: nn.Module, factor: int, images: Tensor) -> Tensor:
        if factor == 1:
            return functional.normalize(tower(images))
        return enlarge(functional.normalize(tower(functional.avg_pool2d(images, factor))), factor)

    def repeat(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights of one tower as those of all."""
        return {f"towers.{number}.{name}": values for number in range(len(OCTAVES)) for name, values in weights.items()}
