"""Backbones on an image pyramid, which describe a keypoint at several scales."""

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from hndesc.models.backbone import Backbone
from hndesc.models.lite import enlarge, pad_to_multiple

OCTAVES = (1, 2, 4)


class Pyramid(Backbone):
    """One tower each for the image at full, half and quarter resolution; their descriptors are concatenated.

    A change of scale between two images is covered by different octaves, whose errors differ.

    Args:
        tower: factory of a backbone with the stride of this one.

    Attributes:
        multiple: images are padded to multiples of this number of pixels.
    """

    multiple: ClassVar[int]

    def __init__(self, tower: Callable[[], Backbone]) -> None:
        super().__init__()
        self.towers = nn.ModuleList(tower() for _ in OCTAVES)

    def forward(self, images: Tensor) -> Tensor:
        """Return the dense descriptors of a batch of normalized images."""
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
        """Return the weights of one tower, repeated for all towers."""
        return {f"towers.{number}.{name}": values for number in range(len(OCTAVES)) for name, values in weights.items()}
