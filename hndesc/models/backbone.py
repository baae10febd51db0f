"""The base class of all backbones."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from hndesc.errors import HndescError

STEERER = "steerer"
# Advice in errors about unusable weights.
WEIGHTS_CURE = "give another file as training.weights, or set it to 'random'"


class Backbone(nn.Module, ABC):
    """A network from ImageNet-normalized images (B x 3 x H x W, H and W >= 16) to a dense map of descriptors.

    The map is B x dim x ceil(H / stride) x ceil(W / stride) and not normalized. Its cell (row i, column j) describes
    the square of `stride` pixels whose center is at x = stride * j + (stride - 1) / 2, and y likewise. All backbones
    follow this convention, on which `hndesc.models.sampling` relies.

    Attributes:
        name: key in `hndesc.models.architectures.MODELS`.
        dim: length of a descriptor.
        stride: pixels per cell.
        period: shifting the image by this many pixels shifts the map and, except at borders, changes nothing else.
        reach: radius of the receptive field in pixels, from the center of a cell along x or y.
        steerer: dim x dim buffer, or None: the orthogonal matrix whose product with a descriptor approximates that of
            the same point in the image rotated counter-clockwise by 90 degrees (`hndesc.extraction.steerer`).
        default_weights: initial weights of training if none are configured.
    """

    name: str
    dim: int
    stride: int
    period: int
    reach: int
    steerer: Tensor | None
    default_weights: ClassVar[str] = "random"

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer(STEERER, None)

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Return the dense descriptors of a batch of normalized images."""

    def load_pretrained(self, state: Mapping[str, Tensor], source: str) -> None:
        """Load weights in the format of another program; a HndescError names `source` if they do not fit."""
        raise HndescError(
            f"{source}: no pretrained weights of other programs are supported for '{self.name}'; give a checkpoint"
        )

    def adapt(self, architecture: str, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor] | None:
        """Convert the weights of a checkpoint of another architecture; return None if that is impossible."""
        return None

    def fetch_imagenet(self) -> Mapping[str, Tensor] | None:
        """Return ImageNet weights for `load_pretrained`, or None if there are none for this backbone."""
        return None
