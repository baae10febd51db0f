"""What all backbones have in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from hndesc.errors import HndescError

# What to do about weights that cannot be used.
ANOTHER = "give another file as training.weights, or set it to 'random'"


class Backbone(nn.Module, ABC):
    """A network from ImageNet-normalized photos (B x 3 x H x W, H and W >= 16) to a dense map of descriptors.

    The map is B x dim x ceil(H / stride) x ceil(W / stride) and not normalized. Its cell (row i, column j) describes
    the square of `stride` pixels whose center is at x = stride * j + (stride - 1) / 2, and y likewise: every backbone
    keeps to that, and `hndesc.models.sampling` relies on it.

    Attributes:
        name: key in `hndesc.models.architectures.MODELS`.
        dim: length of a descriptor.
        stride: pixels a cell.
        period: moving the photo by this many pixels moves the map and changes nothing else, borders apart.
        reach: pixels farther than this (in x or y) from the center of a cell do not influence it.
        default_weights: where training starts when nothing is asked for.
    """

    name: ClassVar[str]
    dim: ClassVar[int]
    stride: ClassVar[int]
    period: ClassVar[int]
    reach: ClassVar[int]
    default_weights: ClassVar[str] = "random"

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Return the dense descriptors of a batch of normalized photos."""

    def load_published(self, state: Mapping[str, Tensor], source: str) -> None:
        """Take the weights of another program's file `source`; a HndescError names it where they do not fit."""
        raise HndescError(f"{source}: no published weights are known for '{self.name}'; give a checkpoint of hndesc")

    def adapt(self, architecture: str, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor] | None:
        """Return a checkpoint's weights of another architecture as weights of this one; None where they do not fit."""
        return None

    def fetch_imagenet(self) -> Mapping[str, Tensor] | None:
        """Return ImageNet weights for `load_published`, or None for a backbone that has none."""
        return None
